import { readFileSync, readdirSync } from "node:fs";
import { join, relative } from "node:path";
import type { RenderedFile } from "../workload";

export const apiHost = "airflow-api";
export const apiPort = 8080;
/** Airflow's own number for the server of task logs. */
export const logsPort = 8793;
export const home = "/opt/airflow";
export const jobsFolder = "/opt/lakestack/jobs";
export const secretsFolder = "/run/secrets";
export const sourcesFile = "/opt/lakestack/sources.json";
export const caFile = "/etc/lakestack/ca.pem";
/** Holds the Fernet key that Airflow's database may still be encrypted with; a comment, if there is none. */
export const formerKeyFile = "/run/lakestack/former/fernet-key";
/** Holds the URL that is told of runs that fail; absent, if none is. */
export const webhookFile = `${secretsFolder}/failure-webhook`;

/** URLs of Spark's pages: of the job that runs now, of the cluster, of the jobs that have ended. */
export interface SparkPages {
  driver: string;
  master: string;
  history: string;
}

/** Every file below a folder, as files of a container; what an interpreter or editor left there is not one. */
export function folderFiles(folder: string, target: string): RenderedFile[] {
  return (
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && /\.(py|json|sql)$/.test(entry.name))
      .map((entry) => join(entry.parentPath, entry.name))
      .sort()
      .map((path) => ({ path: `${target}/${relative(folder, path)}`, content: readFileSync(path, "utf8") }))
      // Docker refuses empty files, and Python needs no empty __init__.py.
      .filter(({ content }) => content !== "")
  );
}

export function renderConnections(values: {
  sparkUrl: string;
  trino: { host: string; port: number; catalog: string; user: string; password: string };
}): string {
  const { sparkUrl, trino } = values;
  const spark = new URL(sparkUrl);
  return JSON.stringify({
    spark_default: {
      conn_type: "spark",
      host: `${spark.protocol}//${spark.hostname}`,
      port: Number(spark.port),
    },
    trino_default: {
      conn_type: "trino",
      host: trino.host,
      port: trino.port,
      login: trino.user,
      password: trino.password,
      extra: { protocol: "https", verify: caFile, catalog: trino.catalog },
    },
  });
}

/** Airflow's settings, the same in all four processes. Secrets are read from files by the `_CMD` form. */
export function renderEnvironment(args: {
  parallelism: number;
  executorMemoryMiB: number;
  warmDrivers: number;
  localBatchMiB: number;
  sparkPages?: SparkPages;
}): Record<string, string> {
  const fromFile = (name: string) => `cat ${secretsFolder}/${name}`;
  return {
    AIRFLOW__CORE__EXECUTOR: "LocalExecutor",
    AIRFLOW__CORE__AUTH_MANAGER: "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager",
    AIRFLOW__CORE__DAGS_FOLDER: `${home}/dags`,
    AIRFLOW__CORE__LOAD_EXAMPLES: "false",
    AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION: "true",
    AIRFLOW__CORE__PARALLELISM: String(args.parallelism),
    AIRFLOW__CORE__EXECUTION_API_SERVER_URL: `http://${apiHost}:${apiPort}/execution/`,
    AIRFLOW__CORE__FERNET_KEY_CMD: fromFile("airflow-fernet"),
    AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD: fromFile("airflow-database"),
    AIRFLOW__API__PORT: String(apiPort),
    AIRFLOW__API__WORKERS: "1",
    AIRFLOW__API__SECRET_KEY_CMD: fromFile("airflow-api-secret"),
    AIRFLOW__API_AUTH__JWT_SECRET_CMD: fromFile("airflow-jwt"),
    AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK: "true",
    // A task whose scheduler was killed is found and run again after this many seconds; the default is five minutes.
    AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL: "30",
    AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL: "30",
    AIRFLOW__LOGGING__BASE_LOG_FOLDER: `${home}/logs`,
    AIRFLOW__SECRETS__BACKEND: "airflow.secrets.local_filesystem.LocalFilesystemBackend",
    AIRFLOW__SECRETS__BACKEND_KWARGS: JSON.stringify({
      connections_file_path: `${secretsFolder}/connections.json`,
    }),
    AIRFLOW__USAGE_DATA_COLLECTION__ENABLED: "false",
    // By default each of the many threads of Airflow and of the drivers beside it may get a pool of its own.
    MALLOC_ARENA_MAX: "2",
    LAKESTACK_SOURCES: sourcesFile,
    LAKESTACK_EXECUTOR_MEMORY: `${args.executorMemoryMiB}m`,
    LAKESTACK_WARM_DRIVERS: String(args.warmDrivers),
    LAKESTACK_LOCAL_MIB: String(args.localBatchMiB),
    LAKESTACK_FAILURE_WEBHOOK_FILE: webhookFile,
    ...(args.sparkPages === undefined ? {} : { LAKESTACK_SPARK_PAGES: JSON.stringify(args.sparkPages) }),
  };
}
