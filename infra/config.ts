import * as pulumi from "@pulumi/pulumi";
import { readGroups, readUsers } from "./users";
import type { Role } from "./users";

/** A port of the stack: what it is for, and its number on the loopback address. */
export const portKeys = [
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
  "trinoWorkerMemory",
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
  trinoWorkerMemory: 1024,
  airflowApiMemory: 512,
  airflowSchedulerMemory: 1536,
  airflowDagProcessorMemory: 384,
  airflowTriggererMemory: 384,
};

/** Whole numbers that are no ports and no sizes of memory, each with its least and its most. */
const counts = {
  sparkWorkers: [1, 100],
  sparkWorkersMost: [0, 1000],
  sparkWorkerCores: [1, 256],
  catalogReplicas: [1, 20],
  trinoWorkers: [0, 1000],
  trinoWorkersMost: [0, 1000],
  trinoDrainSeconds: [30, 86400],
  scaleBusyPercent: [10, 100],
  // Kubernetes looks no further back than an hour.
  scaleIdleSeconds: [0, 3600],
  airflowSchedulers: [1, 20],
  airflowParallelism: [1, 1000],
  sparkWarmDrivers: [0, 100],
  // A driver has a heap of 512 MiB.
  sparkLocalBatch: [0, 64],
  analystQueries: [1, 1000],
  analystMemoryPercent: [1, 100],
  analystMinutes: [1, 10080],
  objectStoreSize: [1, 65536],
  databaseSize: [1, 65536],
  cpuRequest: [1, 64000],
  memoryRequestPercent: [1, 100],
} as const satisfies Record<string, readonly [number, number]>;

const booleanKeys = [
  "objectStoreConsole",
  "publishCatalog",
  "keepVolumes",
  "objectStorePathStyle",
  "trustedNetwork",
  "lineage",
  "audit",
] as const;

/** Text that may be empty, which then means "none" or "the usual one". */
const optionalText = {
  kubernetesContext: [/^\S*$/, "the name of a context of the kubeconfig, or nothing for its current one"],
  storageClass: [/^[a-z0-9.-]*$/, "the name of a storage class, or nothing for the cluster's default"],
  imageRegistry: [
    /^([\w.-]+(:\d+)?(\/[\w.-]+)*)?$/,
    'a registry and a folder in it ("registry.example.com/lakestack"), or nothing',
  ],
  airflowHost: [/^[a-z0-9.-]*$/, "a host name, or nothing"],
  objectStoreHost: [/^[a-z0-9.-]*$/, "a host name or address, or nothing"],
  ingressClass: [/^[a-z0-9.-]*$/, "the name of an ingress class, or nothing for the cluster's default"],
  ingressNamespace: [/^[a-z0-9-]*$/, "the name of a namespace, or nothing"],
  ingressTlsSecret: [/^[a-z0-9.-]*$/, "the name of a Secret, or nothing"],
  certificateIssuer: [/^[a-z0-9.-]*$/, "the name of a ClusterIssuer of cert-manager's, or nothing"],
  objectStoreEndpoint: [
    /^(https?:\/\/[^\s/]+)?$/,
    "a URL without a path, or nothing for the stack's own store",
  ],
  databaseAddress: [/^([\w.-]+:\d+)?$/, "HOST:PORT, or nothing for the stack's own database"],
  trinoIssuer: [/^[a-z0-9.-]*$/, "the name of a ClusterIssuer of cert-manager's, or nothing"],
  trinoCertificateFile: [/^.*$/, "the name of a PEM file, or nothing"],
  trinoAuthorityFile: [/^.*$/, "the name of a PEM file, or nothing"],
  databaseAuthoritiesFile: [/^.*$/, "the name of a PEM file, or nothing"],
  oidcIssuer: [
    /^(https:\/\/[^\s/?#@]+(\/(?!\S*\.well-known)[^\s?#@]*)?)?$/,
    "the https URL of an issuer, as its tokens have it and without /.well-known/…, or nothing",
  ],
  oidcClientId: [/^[^\s,$]*$/, "the name by which the issuer knows this stack"],
  oidcAuthoritiesFile: [/^.*$/, "the name of a PEM file, or nothing"],
  // Who has the address of a receiver is not to have a password with it.
  lineageUrl: [
    /^(https?:\/\/[^\s/@]+(\/[^\s@]*)?)?$/,
    "a URL without a password in it, or nothing for the bucket",
  ],
} as const satisfies Record<string, readonly [RegExp, string]>;

/** Names of claims: they go into settings as they are. */
const claimKeys = ["oidcUserClaim", "oidcGroupsClaim"] as const;

/** Configuration key with the secret by which the issuer knows the stack. */
export const clientSecretKey = "oidcClientSecret";

const bucketKeys = [
  "warehouseBucket",
  "sourceBucket",
  "eventsBucket",
  "lineageBucket",
  "auditBucket",
] as const;

const doorKinds = ["none", "load-balancer", "node-port"] as const;
const pageDoorKinds = [...doorKinds, "ingress"] as const;

const platforms = ["docker", "kubernetes", "aws"] as const;

export type Platform = (typeof platforms)[number];

/** The stack's configuration, checked. Meaning and defaults of every key: `Pulumi.yaml`. */
export interface StackConfig
  extends
    Record<(typeof portKeys)[number], number>,
    Record<(typeof memoryKeys)[number], number>,
    Record<(typeof coreKeys)[number], number>,
    Record<(typeof userKeys)[number], string>,
    Record<keyof typeof counts, number>,
    Record<(typeof booleanKeys)[number], boolean>,
    Record<keyof typeof optionalText, string>,
    Record<(typeof claimKeys)[number], string>,
    Record<(typeof bucketKeys)[number], string> {
  platform: Platform;
  sourcesFile: string;
  kubernetesNamespace: string;
  /** Who may log in to Trino beside the stack's own users, with their roles. */
  users: Record<string, Role>;
  /** Roles by the groups of which the issuer's tokens tell. */
  oidcGroups: Record<string, Role>;
  /** What the issuer is asked for in a person's name. */
  oidcScopes: string[];
  /** Schemas of which analysts may read every table. */
  publishedSchemas: string[];
  /** Names beside the cluster's own that clients call Trino by; the first is told to users. */
  trinoHosts: string[];
  trinoDoor: (typeof doorKinds)[number];
  objectStoreDoor: (typeof doorKinds)[number];
  airflowDoor: (typeof pageDoorKinds)[number];
  /** Address ranges that may use Trino's load balancer; all, if there are none. */
  trinoSourceRanges: string[];
  objectStoreRegion: string;
  databaseAdministrator: string;
}

/** One value that can't be used. */
export interface ConfigFault {
  key: string;
  value: string | undefined;
  expected: string;
  /** It is to be kept encrypted, and read from the standard input. Default false. */
  secret?: boolean;
}

/** All faults of a configuration, each with its key, its value, what was expected and how to set it. */
export class ConfigError extends pulumi.RunError {
  constructor(readonly faults: ConfigFault[]) {
    super(
      [
        `The configuration of this stack has ${faults.length === 1 ? "a fault" : `${faults.length} faults`}:`,
        ...faults.map(
          ({ key, value, expected, secret = false }) =>
            `  lakestack:${key} is ${value === undefined ? "not set" : `"${value}"`}, expected ${expected}. ` +
            `Set it: pulumi config set ${secret ? `--secret ${key}` : `${/[.[]/.test(key) ? `--path '${key}'` : key} VALUE`}`,
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

  optional(key: string, pattern: RegExp, expected: string): string {
    const value = this.config.get(key) ?? "";
    if (!pattern.test(value)) this.faults.push({ key, value, expected });
    return value;
  }

  /** Values with commas between them; none if there is nothing. */
  list(key: string, pattern: RegExp, expected: string): string[] {
    const value = this.config.get(key) ?? "";
    const parts = value
      .split(",")
      .map((part) => part.trim())
      .filter((part) => part !== "");
    if (!parts.every((part) => pattern.test(part))) this.faults.push({ key, value, expected });
    return parts;
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

  const trinoUsers = readUsers(config.get("users"), config.get("trinoUser") ?? "");
  const issuersGroups = readGroups(config.get("oidcGroups"));
  read.faults.push(...trinoUsers.faults, ...issuersGroups.faults);
  const result: StackConfig = {
    users: trinoUsers.users,
    oidcGroups: issuersGroups.groups,
    oidcScopes: read.list("oidcScopes", /^[^\s"\\$]+$/, "names of scopes with commas between them"),
    publishedSchemas: read.list(
      "publishedSchemas",
      /^[a-z][a-z0-9_]*$/,
      "names of schemas in lower case with commas between them",
    ),
    platform: read.choice("platform", platforms),
    sourcesFile: read.text("sourcesFile", /\S/, "the name of a YAML file"),
    kubernetesNamespace: read.text("kubernetesNamespace", /^[a-z0-9][a-z0-9-]*$/, "the name of a namespace"),
    trinoHosts: read.list("trinoHosts", /^[a-z0-9.-]+$/, "host names or addresses with commas between them"),
    trinoDoor: read.choice("trinoDoor", doorKinds),
    objectStoreDoor: read.choice("objectStoreDoor", doorKinds),
    airflowDoor: read.choice("airflowDoor", pageDoorKinds),
    trinoSourceRanges: read.list(
      "trinoSourceRanges",
      /^[\d.]+\/\d+$/,
      "address ranges (10.0.0.0/8) with commas between them",
    ),
    objectStoreRegion: read.text("objectStoreRegion", /^[a-z0-9-]+$/, "the name of a region"),
    databaseAdministrator: read.text("databaseAdministrator", /^\w+$/, "the name of a role"),
    ...each(booleanKeys, (key) => read.boolean(key)),
    ...each(keysOf(optionalText), (key) => {
      const [pattern, expected] = optionalText[key];
      return read.optional(key, pattern, expected);
    }),
    ...each(claimKeys, (key) => read.text(key, /^[^\s,"'\\$]+$/, "the name of a claim")),
    ...each(bucketKeys, (key) => read.text(key, /^[a-z0-9][a-z0-9.-]{2,62}$/, "the name of a bucket")),
    ...each(userKeys, (key) =>
      read.text(key, /^[A-Za-z][\w.-]{2,19}$/, "3 to 20 letters, digits or _.-, a letter first"),
    ),
    ...each(portKeys, (key) => read.integer(key, 1, 65535)),
    ...each(memoryKeys, (key) => read.integer(key, leastMemory[key], 1048576, " (MiB)")),
    ...each(coreKeys, (key) => read.integer(key, 0, 1024)),
    ...each(keysOf(counts), (key) => {
      const [least, most] = counts[key];
      return read.integer(key, least, most);
    }),
  };

  read.faults.push(
    ...portConflicts(result),
    ...plainDoors(result),
    ...namelessDoors(result),
    ...halfAnIssuer(result, config.get(clientSecretKey)),
  );
  const { trinoIssuer, trinoCertificateFile } = result;
  if ((trinoIssuer !== "" || trinoCertificateFile !== "") && result.trinoAuthorityFile === "")
    read.faults.push({
      key: "trinoAuthorityFile",
      value: "",
      expected: `the PEM file of the authority that signs Trino's certificate (${trinoIssuer === "" ? "trinoCertificateFile" : "trinoIssuer"})`,
    });
  if (trinoIssuer !== "" && trinoCertificateFile !== "")
    read.faults.push({
      key: "trinoCertificateFile",
      value: trinoCertificateFile,
      expected: "nothing beside trinoIssuer: one of the two",
    });
  if (read.faults.length > 0) throw new ConfigError(read.faults);
  return result;
}

const keysOf = <T extends object>(table: T) => Object.keys(table) as (keyof T & string)[];

/** An issuer is asked by a client that it knows, and what is said of an issuer wants one. */
function halfAnIssuer(config: StackConfig, clientSecret: string | undefined): ConfigFault[] {
  const { oidcIssuer, oidcClientId, oidcScopes, oidcGroups, oidcAuthoritiesFile } = config;
  if (oidcIssuer === "") {
    const given = Object.entries({
      oidcClientId,
      oidcAuthoritiesFile,
      oidcGroups: Object.keys(oidcGroups).join(", "),
    }).filter(([, value]) => value !== "");
    const named = given.map(([key]) => key).join(", ");
    return named === ""
      ? []
      : [{ key: "oidcIssuer", value: "", expected: `the issuer that ${named} is for` }];
  }
  return [
    ...(oidcClientId === ""
      ? [
          {
            key: "oidcClientId",
            value: "",
            expected: "the name by which the issuer (oidcIssuer) knows this stack",
          },
        ]
      : []),
    ...(clientSecret === undefined || clientSecret === ""
      ? [
          {
            key: clientSecretKey,
            value: undefined,
            expected: "the client's secret at the issuer",
            secret: true,
          },
        ]
      : []),
    ...(oidcScopes.includes("openid")
      ? []
      : [{ key: "oidcScopes", value: oidcScopes.join(","), expected: "openid among the scopes" }]),
  ];
}

/** Passwords and sessions would cross the network as they are: somebody has to say that nobody listens there. */
function plainDoors(config: StackConfig): ConfigFault[] {
  const { airflowDoor, ingressTlsSecret, certificateIssuer, trustedNetwork } = config;
  if (airflowDoor !== "ingress" || ingressTlsSecret !== "" || certificateIssuer !== "" || trustedNetwork)
    return [];
  const expected =
    "true, for airflowDoor would be without TLS; or an ingress with ingressTlsSecret or certificateIssuer; or a " +
    "load-balancer or node-port, which have TLS by themselves";
  return [{ key: "trustedNetwork", value: "false", expected }];
}

/** A service that has no TLS of its own, and whose door is for TCP as it comes. */
export interface TcpDoor {
  service: "airflow-api" | "object-store";
  kind: "load-balancer" | "node-port";
  /** Name or address that clients call it by. */
  host: string;
  /** Number at the door of a load balancer. */
  port: number;
}

/** The doors of services without TLS of their own, other than an Ingress: a gateway stands there. */
export function gatewayDoors(config: StackConfig): TcpDoor[] {
  if (config.trustedNetwork) return [];
  const door = (
    service: TcpDoor["service"],
    kind: StackConfig["airflowDoor"],
    host: string,
    port: number,
  ): TcpDoor[] => (kind === "load-balancer" || kind === "node-port" ? [{ service, kind, host, port }] : []);
  return [
    ...door("airflow-api", config.airflowDoor, config.airflowHost, config.airflowPort),
    // A store of others has doors of its own.
    ...(config.objectStoreEndpoint === ""
      ? door("object-store", config.objectStoreDoor, config.objectStoreHost, config.objectStorePort)
      : []),
  ];
}

/** A certificate is for a name. */
function namelessDoors(config: StackConfig): ConfigFault[] {
  const keys = { "airflow-api": "airflow", "object-store": "objectStore" } as const;
  const fault = (key: string, expected: string) => ({ key, value: "", expected });
  return [
    ...(config.airflowDoor === "ingress" && config.airflowHost === ""
      ? [fault("airflowHost", "the host name of the ingress (airflowDoor)")]
      : []),
    ...gatewayDoors(config)
      .filter(({ host }) => host === "")
      .map(({ service }) =>
        fault(
          `${keys[service]}Host`,
          `the name or address that clients call the door by (${keys[service]}Door): its certificate is for that`,
        ),
      ),
  ];
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
