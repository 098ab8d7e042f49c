/** Workloads that may connect to a port, by the port's name. */
type Callers = Record<string, readonly string[]>;

/** What a workload or task is called that asks the object store in the stack's place, and the database in its. */
export const contentsTask = "object-store-contents";
export const loginsTask = "database-logins";

/** What the stack's own database is called, which its certificate is for. */
export const databaseHost = "database";

/** What keeps the audit log, where there is one. */
export const auditKeeper = "audit";

/** What asks Trino for its certificate, where somebody is told of the days that are left. */
export const certificateWatch = "certificate-watch";

/** Where sources lie that are not in the stack's own object store. */
export const outsideSources = "outside-sources";

/** Who is told of lineage, where that is not the object store. */
export const lineageReceiver = "lineage-receiver";

/** Who says who people are: an OpenID Connect issuer. */
export const identityProvider = "identity-provider";

/** What ends TLS at the door of a service that has none of its own, by the service. */
export const gateways = { "airflow-api": "airflow-gateway", "object-store": "object-store-gateway" } as const;

const airflow = ["airflow-api", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer"] as const;

/**
 * Who may connect to whom inside the stack, by the called workload and its port. What is not here is refused: on
 * Kubernetes by the port, on Docker by the pair, in which either may call the other at any port. Ports that are
 * published are open to the outside as well.
 *
 * Spark's drivers run beside Airflow's tasks, in its scheduler: executors and the master call them there.
 */
export const connections: Readonly<Record<string, Callers>> = {
  "object-store": {
    s3: [
      contentsTask,
      "catalog",
      "trino",
      "trino-worker",
      "spark-worker",
      "spark-history",
      "airflow-scheduler",
      auditKeeper,
      gateways["object-store"],
    ],
  },
  [databaseHost]: { postgresql: [loginsTask, "catalog", ...airflow] },
  catalog: { iceberg: ["trino", "trino-worker", "spark-worker", "airflow-scheduler"] },
  "spark-master": { rpc: ["spark-worker", "airflow-scheduler"] },
  "spark-worker": { rpc: ["spark-master"], blocks: ["spark-worker", "airflow-scheduler"] },
  trino: { https: ["airflow-scheduler", certificateWatch], internal: ["trino-worker"] },
  "trino-worker": { internal: ["trino", "trino-worker"] },
  "airflow-api": {
    http: ["airflow-scheduler", "airflow-dag-processor", "airflow-triggerer", gateways["airflow-api"]],
  },
  "airflow-scheduler": {
    "driver-rpc": ["spark-master", "spark-worker"],
    "driver-blocks": ["spark-worker"],
    logs: ["airflow-api"],
  },
  [auditKeeper]: { http: ["trino", "object-store", "airflow-scheduler"] },
  [outsideSources]: { s3: ["spark-worker", "airflow-scheduler"] },
  [lineageReceiver]: { http: ["airflow-scheduler"] },
  [identityProvider]: { https: ["trino", "catalog", "airflow-api"] },
};

/** Names of the workloads that may connect to a port. */
export function callersOf(workload: string, port: string): readonly string[] {
  return connections[workload]?.[port] ?? [];
}

/** Ports that a workload may connect to. */
export function callsOf(workload: string): { to: string; port: string }[] {
  return Object.entries(connections).flatMap(([to, ports]) =>
    Object.entries(ports)
      .filter(([, callers]) => callers.includes(workload))
      .map(([port]) => ({ to, port })),
  );
}

/** Two workloads of which one may connect to the other, once for each port. */
export function connectedPairs(): (readonly [caller: string, called: string])[] {
  return Object.entries(connections).flatMap(([called, ports]) =>
    Object.values(ports)
      .flat()
      .filter((caller) => caller !== called)
      .map((caller) => [caller, called] as const),
  );
}
