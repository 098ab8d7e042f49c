import { readFileSync, readdirSync } from "node:fs";
import { join, relative } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import type { Deployment, Platform } from "../platform";
import type { Secrets } from "../secrets";
import { renderSources } from "../sources";
import type { Source } from "../sources";
import type { RenderedFile, Workload } from "../workload";
import { authoritiesFiles, tlsEnvironment } from "./database-access";
import type { DatabaseAccess } from "./database-access";
import { sparkAddressVariable, sparkDefaultsFile, sparkPorts } from "./spark";
import type { Spark } from "./spark";
import type { Trino } from "./trino";

export interface SchedulerArgs {
  platform: Platform;
  image: pulumi.Input<string>;
  secrets: Secrets;
  database: DatabaseAccess;
  spark: Spark;
  trino: Trino;
  sources: Source[];
  /** Name of the administrator of the web page. */
  user: string;
  /** Trino user that the pipelines work as. */
  trinoUser: string;
  memoryMiB: { api: number; scheduler: number; dagProcessor: number; triggerer: number };
  cpus?: number;
  /** Instances of Airflow's scheduler; each runs tasks. Default one. */
  schedulers?: number;
  /** Tasks that a scheduler runs at the same time. */
  parallelism: number;
  /** Seconds that running tasks may take to end when their scheduler is told to stop. Default 60. */
  stopGraceSeconds?: number;
  /** Heap of a Spark executor, MiB. */
  executorMemoryMiB: number;
  /** Port of the web page at the door. */
  port: number;
  /** Port of the page of the Spark job that runs now. */
  driverPort: number;
}

const apiHost = "airflow-api";
const apiPort = 8080;
/** Airflow's own number for the server of task logs. */
const logsPort = 8793;
const home = "/opt/airflow";
const jobsFolder = "/opt/lakestack/jobs";
const secretsFolder = "/run/secrets";
const sourcesFile = "/opt/lakestack/sources.json";
const caFile = "/etc/lakestack/ca.pem";

/** Airflow in four processes on one database: API server, scheduler with its tasks, DAG processor, triggerer. */
export class Scheduler extends pulumi.ComponentResource {
  readonly deployment: Deployment;
  private readonly files: RenderedFile[];
  private readonly environment: Record<string, string>;

  constructor(name: string, args: SchedulerArgs, options?: pulumi.ComponentResourceOptions) {
    super("lakestack:services:Scheduler", name, {}, options);
    this.environment = { ...renderEnvironment(args), ...tlsEnvironment(args.database.authorities) };
    this.files = [...this.secretFiles(args), ...this.programFiles(args)];

    const api = this.deployApi(args);
    const others = [
      this.deployScheduler(args, api),
      this.deployDagProcessor(args, api),
      this.deployTriggerer(args, api),
    ];
    this.deployment = { ready: [api, ...others].flatMap(({ ready }) => ready) };
    this.registerOutputs({});
  }

  /** The API server also brings the database up to date and makes the administrator, before it starts. */
  private deployApi(args: SchedulerArgs): Deployment {
    return args.platform.deploy(
      this.process(args, {
        name: apiHost,
        prepare: [
          "python",
          "/opt/lakestack/scheduler/prepare.py",
          args.user,
          `${secretsFolder}/airflow-password`,
        ],
        command: ["airflow", "api-server"],
        files: [{ path: `${secretsFolder}/airflow-password`, content: args.secrets.airflowPassword }],
        ports: [{ name: "http", port: apiPort, publish: args.port }],
        health: {
          command: ["curl", "-fsS", "-o", "/dev/null", `http://127.0.0.1:${apiPort}/api/v2/monitor/health`],
          startSeconds: 240,
          // That one asks the database.
          alive: ["curl", "-fsS", "-o", "/dev/null", `http://127.0.0.1:${apiPort}/api/v2/version`],
        },
        memoryMiB: args.memoryMiB.api,
      }),
      this,
      [args.database.deployment],
    );
  }

  private deployScheduler(args: SchedulerArgs, api: Deployment): Deployment {
    return args.platform.deploy(
      this.process(args, {
        name: "airflow-scheduler",
        command: ["airflow", "scheduler"],
        replicas: args.schedulers === 1 ? undefined : args.schedulers,
        ports: [
          { name: "driver", port: 4050, publish: args.driverPort },
          { name: "logs", port: logsPort },
          { name: "driver-rpc", port: sparkPorts.driver, span: sparkPorts.span },
          { name: "driver-blocks", port: sparkPorts.driverBlocks, span: sparkPorts.span },
        ],
        // Its tasks write the logs; it serves them to the API server.
        logs: "own",
        ownAddressVariable: sparkAddressVariable,
        health: {
          command: ["curl", "-fsS", "-o", "/dev/null", "http://127.0.0.1:8974/health"],
          // Its heartbeat is in the database.
          alive: false,
        },
        memoryMiB: args.memoryMiB.scheduler,
        // A running task may end before its scheduler goes.
        stopGraceSeconds: args.stopGraceSeconds ?? 60,
      }),
      this,
      [api, args.spark.deployment, args.trino.deployment],
    );
  }

  private deployDagProcessor(args: SchedulerArgs, api: Deployment): Deployment {
    return args.platform.deploy(
      this.process(args, {
        name: "airflow-dag-processor",
        command: ["airflow", "dag-processor"],
        health: heartbeat("dag_processor"),
        memoryMiB: args.memoryMiB.dagProcessor,
      }),
      this,
      [api],
    );
  }

  private deployTriggerer(args: SchedulerArgs, api: Deployment): Deployment {
    return args.platform.deploy(
      this.process(args, {
        name: "airflow-triggerer",
        command: ["airflow", "triggerer", "--skip-serve-logs"],
        health: heartbeat("triggerer"),
        memoryMiB: args.memoryMiB.triggerer,
      }),
      this,
      [api],
    );
  }

  /** What the four processes share. */
  private process(
    args: SchedulerArgs,
    process: Pick<
      Workload,
      | "name"
      | "prepare"
      | "command"
      | "files"
      | "ports"
      | "replicas"
      | "ownAddressVariable"
      | "health"
      | "stopGraceSeconds"
    > & {
      memoryMiB: number;
      logs?: "own";
    },
  ): Workload {
    const { memoryMiB, logs, files = [], ...rest } = process;
    return {
      ...rest,
      image: args.image,
      environment: this.environment,
      files: [...this.files, ...files],
      volumes: [{ name: "airflow-logs", path: `${home}/logs`, borrowed: logs !== "own" }],
      resources: { memoryMiB, cpus: args.cpus },
    };
  }

  private secretFiles({ secrets, database, spark, trino, trinoUser }: SchedulerArgs): RenderedFile[] {
    const secret = (name: string, content: pulumi.Input<string>) => ({
      path: `${secretsFolder}/${name}`,
      content,
    });
    const login = database.airflow;
    return [
      secret(
        "airflow-database",
        pulumi.interpolate`postgresql+psycopg2://${login.name}:${login.password}@${database.address}/${login.name}`,
      ),
      secret("airflow-fernet", secrets.airflowFernetKey),
      secret("airflow-api-secret", secrets.airflowApiSecretKey),
      secret("airflow-jwt", secrets.airflowJwtSecret),
      secret(
        "connections.json",
        secrets.trinoPassword.apply((password) =>
          renderConnections({
            sparkUrl: spark.masterUrl,
            trino: {
              host: trino.host,
              port: trino.port,
              catalog: trino.catalogName,
              user: trinoUser,
              password,
            },
          }),
        ),
      ),
      { path: caFile, content: secrets.caCertificate },
      ...authoritiesFiles(database.authorities),
      { path: sparkDefaultsFile, content: spark.defaults },
    ];
  }

  /** Our own code: the DAGs, the jobs they run, and the sources they are made from. */
  private programFiles({ sources }: SchedulerArgs): RenderedFile[] {
    return [
      ...folderFiles("scheduler/dags", `${home}/dags`),
      ...folderFiles("spark-jobs/src", jobsFolder),
      { path: "/opt/lakestack/scheduler/prepare.py", content: readFileSync("scheduler/prepare.py", "utf8") },
      { path: sourcesFile, content: renderSources(sources) },
      // Airflow writes this file where it is missing, which it can't do in a read-only image.
      { path: `${home}/airflow.cfg`, content: "# The settings are in the environment.\n" },
    ];
  }
}

/** Asks the API server for the heartbeat that a process without a door of its own leaves in the database. */
function heartbeat(component: "dag_processor" | "triggerer"): Workload["health"] {
  return {
    command: [
      "/bin/sh",
      "-c",
      `curl -fsS http://${apiHost}:${apiPort}/api/v2/monitor/health | grep -Eq '"${component}": ?\\{"status": ?"healthy"'`,
    ],
    alive: false,
  };
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
export function renderEnvironment(
  args: Pick<SchedulerArgs, "parallelism" | "executorMemoryMiB">,
): Record<string, string> {
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
    LAKESTACK_SOURCES: sourcesFile,
    LAKESTACK_EXECUTOR_MEMORY: `${args.executorMemoryMiB}m`,
  };
}
