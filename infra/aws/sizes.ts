/** What a size sets: nodes, database, and what each service may use. Memory in MiB, disks in GiB. */
export interface Sizes {
  /** 1: one for all zones, cheaper, and a zone that fails takes the way out with it. 3: one a zone. */
  natGateways: number;

  /** Nodes that are always there, for coordinators, catalog and scheduler. */
  serviceNodes: number;
  serviceNodesMost: number;
  serviceInstance: string;
  /** Spot nodes for the workers of Spark and Trino. */
  workerNodes: number;
  workerNodesMost: number;
  /** Several types, so that spot finds one: the price is that of the first. */
  workerInstances: string[];
  nodeDisk: number;

  databaseInstance: string;
  databaseDisk: number;
  databaseDiskMost: number;

  catalogReplicas: number;
  catalogMemory: number;
  trinoMemory: number;
  trinoWorkers: number;
  trinoWorkersMost: number;
  trinoWorkerMemory: number;
  sparkWorkers: number;
  sparkWorkersMost: number;
  sparkWorkerCores: number;
  sparkExecutorMemory: number;
  sparkMasterMemory: number;
  sparkHistoryMemory: number;
  airflowApiMemory: number;
  airflowSchedulerMemory: number;
  airflowDagProcessorMemory: number;
  airflowTriggererMemory: number;
  airflowParallelism: number;

  /** For the estimate of the cost only: data in S3, GiB. */
  expectedData: number;
  /** For the estimate only: logs a month, GiB. */
  expectedLogs: number;
  /** For the estimate only: traffic through the NAT gateways a month, GiB. */
  expectedTraffic: number;
}

export const sizeNames = ["small", "medium", "large"] as const;
export type SizeName = (typeof sizeNames)[number];

export const architectures = ["amd64", "arm64"] as const;
export type Architecture = (typeof architectures)[number];

/** Instance types by processor: the same sizes, so that the architecture is one key. */
const instances: Record<Architecture, (size: string) => string> = {
  amd64: (size) => `m7i.${size}`,
  arm64: (size) => `m7g.${size}`,
};

/** Older generations and other families for spot: the more pools, the fewer interruptions. */
const spotFamilies: Record<Architecture, string[]> = {
  amd64: ["m7i", "m6i", "m6a", "r6i"],
  arm64: ["m7g", "m6g", "r7g", "r6g"],
};

const spot = (architecture: Architecture, size: string) =>
  spotFamilies[architecture].map((family) => `${family}.${size}`);

/** The presets. `small` is for trying and for some GB a day, `medium` for a team, `large` for TBs. */
export function preset(size: SizeName, architecture: Architecture): Sizes {
  const node = instances[architecture];
  switch (size) {
    case "small":
      return {
        ...{ natGateways: 1, serviceNodes: 3, serviceNodesMost: 5, serviceInstance: node("xlarge") },
        ...{
          workerNodes: 1,
          workerNodesMost: 4,
          workerInstances: spot(architecture, "xlarge"),
          nodeDisk: 80,
        },
        ...{ databaseInstance: "db.t4g.medium", databaseDisk: 50, databaseDiskMost: 200 },
        ...{ catalogReplicas: 2, catalogMemory: 1024 },
        ...{ trinoMemory: 4096, trinoWorkers: 1, trinoWorkersMost: 2, trinoWorkerMemory: 6144 },
        ...{ sparkWorkers: 1, sparkWorkersMost: 2, sparkWorkerCores: 2, sparkExecutorMemory: 2048 },
        ...{ sparkMasterMemory: 512, sparkHistoryMemory: 1024 },
        ...{ airflowApiMemory: 1536, airflowSchedulerMemory: 6144 },
        ...{ airflowDagProcessorMemory: 1024, airflowTriggererMemory: 768, airflowParallelism: 4 },
        ...{ expectedData: 500, expectedLogs: 20, expectedTraffic: 50 },
      };
    case "medium":
      return {
        ...{ natGateways: 3, serviceNodes: 3, serviceNodesMost: 6, serviceInstance: node("2xlarge") },
        ...{
          workerNodes: 2,
          workerNodesMost: 12,
          workerInstances: spot(architecture, "2xlarge"),
          nodeDisk: 120,
        },
        ...{ databaseInstance: "db.m7g.large", databaseDisk: 100, databaseDiskMost: 1000 },
        ...{ catalogReplicas: 2, catalogMemory: 2048 },
        ...{ trinoMemory: 12288, trinoWorkers: 2, trinoWorkersMost: 6, trinoWorkerMemory: 16384 },
        ...{ sparkWorkers: 2, sparkWorkersMost: 6, sparkWorkerCores: 4, sparkExecutorMemory: 2048 },
        ...{ sparkMasterMemory: 1024, sparkHistoryMemory: 2048 },
        ...{ airflowApiMemory: 2048, airflowSchedulerMemory: 12288 },
        ...{ airflowDagProcessorMemory: 2048, airflowTriggererMemory: 1024, airflowParallelism: 12 },
        ...{ expectedData: 10_000, expectedLogs: 100, expectedTraffic: 300 },
      };
    case "large":
      return {
        ...{ natGateways: 3, serviceNodes: 3, serviceNodesMost: 9, serviceInstance: node("4xlarge") },
        ...{
          workerNodes: 6,
          workerNodesMost: 60,
          workerInstances: spot(architecture, "4xlarge"),
          nodeDisk: 200,
        },
        ...{ databaseInstance: "db.m7g.xlarge", databaseDisk: 500, databaseDiskMost: 4000 },
        ...{ catalogReplicas: 3, catalogMemory: 4096 },
        ...{ trinoMemory: 32768, trinoWorkers: 6, trinoWorkersMost: 30, trinoWorkerMemory: 40960 },
        ...{ sparkWorkers: 6, sparkWorkersMost: 30, sparkWorkerCores: 8, sparkExecutorMemory: 2048 },
        ...{ sparkMasterMemory: 2048, sparkHistoryMemory: 4096 },
        ...{ airflowApiMemory: 4096, airflowSchedulerMemory: 32768 },
        ...{ airflowDagProcessorMemory: 4096, airflowTriggererMemory: 2048, airflowParallelism: 32 },
        ...{ expectedData: 200_000, expectedLogs: 500, expectedTraffic: 2000 },
      };
  }
}

/**
 * Puts overrides into a preset.
 *
 * @param json a JSON object with keys of `Sizes`; empty for none.
 * @param fault told what is wrong, once for each wrong value.
 */
export function overridden(sizes: Sizes, json: string, fault: (expected: string) => void): Sizes {
  if (json.trim() === "") return sizes;
  const values = parsed(json);
  if (values === undefined) {
    fault('a JSON object such as {"trinoWorkers": 4}');
    return sizes;
  }
  const result: Record<string, unknown> = { ...sizes };
  for (const [key, value] of Object.entries(values)) {
    const known = result[key];
    if (known === undefined) fault(`no "${key}"; the keys are ${Object.keys(sizes).join(", ")}`);
    else if (!sameKind(known, value)) fault(`"${key}" to be ${kindOf(known)}`);
    else result[key] = value;
  }
  const merged = result as unknown as Sizes;
  if (![1, 3].includes(merged.natGateways)) fault('"natGateways" to be 1 or 3');
  for (const [least, most] of [
    ["serviceNodes", "serviceNodesMost"],
    ["workerNodes", "workerNodesMost"],
    ["databaseDisk", "databaseDiskMost"],
    ["sparkWorkers", "sparkWorkersMost"],
    ["trinoWorkers", "trinoWorkersMost"],
  ] as const) {
    if (merged[least] > merged[most])
      fault(`"${least}" (${merged[least]}) to be at most "${most}" (${merged[most]})`);
  }
  return merged;
}

function parsed(json: string): Record<string, unknown> | undefined {
  try {
    const value = JSON.parse(json) as unknown;
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    return isObject ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function sameKind(known: unknown, value: unknown): boolean {
  if (typeof known === "number") return typeof value === "number" && Number.isInteger(value) && value > 0;
  if (typeof known === "string") return typeof value === "string" && value !== "";
  return Array.isArray(value) && value.length > 0 && value.every((each) => typeof each === "string");
}

function kindOf(known: unknown): string {
  if (typeof known === "number") return "a whole number above 0";
  return typeof known === "string" ? "a text" : "a list of texts";
}
