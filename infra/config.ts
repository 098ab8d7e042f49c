import * as pulumi from "@pulumi/pulumi";

/** A port of the stack: what it is for, and its number on the loopback address. */
const portKeys = [
  "trinoPort",
  "airflowPort",
  "sparkMasterPort",
  "sparkWorkerPort",
  "sparkDriverPort",
  "sparkHistoryPort",
  "objectStorePort",
  "objectStoreConsolePort",
  "catalogPort",
] as const;

const memoryKeys = [
  "sparkExecutorMemory",
  "sparkMasterMemory",
  "sparkHistoryMemory",
  "objectStoreMemory",
  "databaseMemory",
  "catalogMemory",
  "trinoMemory",
  "airflowApiMemory",
  "airflowSchedulerMemory",
  "airflowDagProcessorMemory",
  "airflowTriggererMemory",
] as const;

const coreKeys = ["objectStoreCores", "databaseCores", "catalogCores", "trinoCores", "airflowCores"] as const;

const userKeys = ["trinoUser", "airflowUser", "objectStoreUser"] as const;

/**
 * What each service needs at least, MiB: below it, the process ends while it starts and the reason is hard
 * to see. Measured on the running stack, rounded up.
 */
const leastMemory: Record<(typeof memoryKeys)[number], number> = {
  sparkExecutorMemory: 512,
  sparkMasterMemory: 384,
  sparkHistoryMemory: 384,
  objectStoreMemory: 256,
  databaseMemory: 128,
  catalogMemory: 512,
  trinoMemory: 1536,
  airflowApiMemory: 512,
  airflowSchedulerMemory: 1536,
  airflowDagProcessorMemory: 384,
  airflowTriggererMemory: 384,
};

export type Platform = "docker";

/** The stack's configuration, checked. Meaning and defaults of every key: `Pulumi.yaml`. */
export interface StackConfig
  extends
    Record<(typeof portKeys)[number], number>,
    Record<(typeof memoryKeys)[number], number>,
    Record<(typeof coreKeys)[number], number>,
    Record<(typeof userKeys)[number], string> {
  platform: Platform;
  sourcesFile: string;
  objectStoreConsole: boolean;
  publishCatalog: boolean;
  sparkWorkers: number;
  sparkWorkerCores: number;
  airflowParallelism: number;
}

/** One value that can't be used. */
export interface ConfigFault {
  key: string;
  value: string | undefined;
  expected: string;
}

/** All faults of a configuration, each with its key, its value, what was expected and how to set it. */
export class ConfigError extends pulumi.RunError {
  constructor(readonly faults: ConfigFault[]) {
    super(
      [
        `The configuration of this stack has ${faults.length === 1 ? "a fault" : `${faults.length} faults`}:`,
        ...faults.map(
          ({ key, value, expected }) =>
            `  lakestack:${key} is ${value === undefined ? "not set" : `"${value}"`}, expected ${expected}. ` +
            `Set it: pulumi config set ${key} VALUE`,
        ),
      ].join("\n"),
    );
    this.name = "ConfigError";
  }
}

/** Collects faults while it reads, so that all of them can be reported together. */
export class Reader {
  readonly faults: ConfigFault[] = [];

  constructor(private readonly config: pulumi.Config) {}

  text(key: string, pattern: RegExp, expected: string): string {
    const value = this.config.get(key);
    if (value !== undefined && pattern.test(value)) return value;
    this.faults.push({ key, value, expected });
    return "";
  }

  integer(key: string, least: number, most: number, unit = ""): number {
    const value = this.config.get(key);
    const number = Number(value);
    if (value !== undefined && Number.isInteger(number) && number >= least && number <= most) return number;
    this.faults.push({ key, value, expected: `a whole number from ${least} to ${most}${unit}` });
    return least;
  }

  boolean(key: string): boolean {
    const value = this.config.get(key);
    if (value !== "true" && value !== "false") this.faults.push({ key, value, expected: "true or false" });
    return value === "true";
  }

  choice<T extends string>(key: string, choices: readonly T[]): T {
    const value = this.config.get(key);
    const found = choices.find((choice) => choice === value);
    if (found === undefined) this.faults.push({ key, value, expected: `one of ${choices.join(", ")}` });
    return found ?? (choices[0] as T);
  }
}

/**
 * Reads and checks the whole configuration at once.
 *
 * @throws ConfigError with every fault there is.
 */
export function readConfig(config = new pulumi.Config("lakestack")): StackConfig {
  const read = new Reader(config);
  const each = <K extends string, V>(keys: readonly K[], value: (key: K) => V) =>
    Object.fromEntries(keys.map((key) => [key, value(key)])) as Record<K, V>;

  const result: StackConfig = {
    platform: read.choice("platform", ["docker"] as const),
    sourcesFile: read.text("sourcesFile", /\S/, "the name of a YAML file"),
    objectStoreConsole: read.boolean("objectStoreConsole"),
    publishCatalog: read.boolean("publishCatalog"),
    ...each(userKeys, (key) =>
      read.text(key, /^[A-Za-z][\w.-]{2,19}$/, "3 to 20 letters, digits or _.-, a letter first"),
    ),
    ...each(portKeys, (key) => read.integer(key, 1, 65535)),
    ...each(memoryKeys, (key) => read.integer(key, leastMemory[key], 1048576, " (MiB)")),
    ...each(coreKeys, (key) => read.integer(key, 0, 1024)),
    sparkWorkers: read.integer("sparkWorkers", 1, 100),
    sparkWorkerCores: read.integer("sparkWorkerCores", 1, 256),
    airflowParallelism: read.integer("airflowParallelism", 1, 1000),
  };

  read.faults.push(...portConflicts(result));
  if (read.faults.length > 0) throw new ConfigError(read.faults);
  return result;
}

/** Two services can't answer at one port. Spark's workers take a range. */
function portConflicts(config: StackConfig): ConfigFault[] {
  const taken = new Map<number, string>();
  const faults: ConfigFault[] = [];
  for (const key of portKeys) {
    const span = key === "sparkWorkerPort" ? config.sparkWorkers : 1;
    for (let port = config[key]; port < config[key] + span; port++) {
      const other = taken.get(port);
      if (other === undefined) taken.set(port, key);
      else
        faults.push({
          key,
          value: String(config[key]),
          expected: `a port other than ${port}, which ${other} takes`,
        });
    }
  }
  return faults;
}
