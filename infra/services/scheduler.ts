import { readFileSync } from "node:fs";
import * as pulumi from "@pulumi/pulumi";
import type { IdentityProvider } from "../identity-provider";
import type { Deployment, Platform } from "../platform";
import type { Secrets } from "../secrets";
import { airflowUser } from "../users";
import { inBuckets, renderSources } from "../sources";
import type { OwnBuckets, Source } from "../sources";
import type { RenderedFile, Workload } from "../workload";
import {
  apiHost,
  apiPort,
  caFile,
  folderFiles,
  formerKeyFile,
  home,
  jobsFolder,
  logsPort,
  renderConnections,
  renderEnvironment,
  secretsFolder,
  sourcesFile,
  webhookFile,
} from "./airflow-settings";
import type { SparkPages } from "./airflow-settings";
import { loginEnvironment, loginFiles } from "./airflow-login";
import { auditTokenFile, auditUrl } from "./audit";
import { authoritiesFiles, tlsEnvironment } from "./database-access";
import { lineageEnvironment, lineageFiles } from "./lineage";
import type { LineageTarget } from "./lineage";
import type { DatabaseAccess } from "./database-access";
import { sparkAddressVariable, sparkDefaultsFile } from "./spark";
import { sparkPorts } from "./spark-defaults";
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
  /** Names of the stack's own buckets, by what sources call them. */
  buckets: OwnBuckets;
  /** Name of the administrator of the web page. */
  user: string;
  /** By whom people may log in to the page beside that. Default nobody. */
  identityProvider?: IdentityProvider;
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
  /** Spark drivers that a scheduler keeps for the next job. */
  warmDrivers: number;
  /** Text of a daily batch that its driver reads without the workers, MiB. */
  localBatchMiB: number;
  /** Port of the web page at the door. */
  port: number;
  /** Port of the page of the Spark job that runs now. */
  driverPort: number;
  /** URL that is told of every run that fails. Default none. */
  failureWebhook?: pulumi.Output<string>;
  /** Who is told of each run's inputs and outputs. Default nobody. */
  lineage?: LineageTarget;
  /** What keeps the audit log, which is told what is done in Airflow. Default: nobody is. */
  audit?: Deployment;
  /** Where people find Spark's pages; the pages of the DAGs link there. Default: they don't. */
  sparkPages?: SparkPages;
}

/** Airflow in four processes on one database: API server, scheduler with its tasks, DAG processor, triggerer. */
export class Scheduler extends pulumi.ComponentResource {
  readonly deployment: Deployment;
  private readonly files: RenderedFile[];
  private readonly environment: Record<string, string>;

  constructor(name: string, args: SchedulerArgs, options?: pulumi.ComponentResourceOptions) {
    super("lakestack:services:Scheduler", name, {}, options);
    this.environment = {
      ...renderEnvironment(args),
      ...tlsEnvironment(args.database.authorities),
      ...(args.audit === undefined ? {} : { LAKESTACK_AUDIT_URL: auditUrl("actions") }),
    };
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

  /** The API server also brings the database up to date and makes the administrator, before it starts (scheduler/prepare.py). */
  private deployApi(args: SchedulerArgs): Deployment {
    return args.platform.deploy(
      this.process(args, {
        name: apiHost,
        prepare: [
          "python",
          "/opt/lakestack/scheduler/prepare.py",
          args.user,
          `${secretsFolder}/airflow-password`,
          formerKeyFile,
        ],
        command: ["airflow", "api-server"],
        environment: args.identityProvider === undefined ? {} : loginEnvironment,
        files: [
          ...(args.identityProvider === undefined ? [] : loginFiles(args.identityProvider)),
          { path: `${secretsFolder}/airflow-password`, content: args.secrets.airflowPassword },
          // Live, so that it can be taken away again without another restart.
          {
            path: formerKeyFile,
            content:
              args.secrets.formerFernetKey ?? pulumi.secret("# Nothing is encrypted with another key.\n"),
            live: true,
          },
        ],
        ports: [{ name: "http", port: apiPort, publish: args.port }],
        health: {
          ready: { port: apiPort, path: "/api/v2/monitor/health" },
          startSeconds: 240,
          // That one asks the database.
          alive: { port: apiPort, path: "/api/v2/version" },
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
          ready: { port: 8974, path: "/health" },
          // Its heartbeat is in the database.
          alive: false,
        },
        memoryMiB: args.memoryMiB.scheduler,
        // A running task may end before its scheduler goes.
        stopGraceSeconds: args.stopGraceSeconds ?? 60,
        environment:
          args.lineage === undefined
            ? {}
            : lineageEnvironment(args.lineage, `lakestack-${pulumi.getStack()}`),
        files: [
          ...(args.lineage === undefined ? [] : lineageFiles(args.lineage)),
          ...(args.audit === undefined ? [] : [{ path: auditTokenFile, content: args.secrets.auditToken }]),
        ],
      }),
      this,
      [
        ...[api, args.spark.deployment, args.trino.deployment],
        ...(args.audit === undefined ? [] : [args.audit]),
      ],
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
      | "environment"
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
    const { memoryMiB, logs, environment = {}, files = [], ...rest } = process;
    return {
      ...rest,
      image: args.image,
      environment: { ...this.environment, ...environment },
      files: [...this.files, ...files],
      volumes: [{ name: "airflow-logs", path: `${home}/logs`, borrowed: logs !== "own" }],
      resources: { memoryMiB, cpus: args.cpus },
    };
  }

  private secretFiles({ secrets, database, spark, trino, failureWebhook }: SchedulerArgs): RenderedFile[] {
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
        secrets.airflowTrinoPassword.apply((password) =>
          renderConnections({
            sparkUrl: spark.masterUrl,
            trino: {
              host: trino.host,
              port: trino.port,
              catalog: trino.catalogName,
              user: airflowUser,
              password,
            },
          }),
        ),
      ),
      ...(failureWebhook === undefined ? [] : [{ path: webhookFile, content: failureWebhook }]),
      { path: caFile, content: trino.authority },
      ...authoritiesFiles(database.authorities),
      { path: sparkDefaultsFile, content: spark.defaults },
    ];
  }

  /** Our own code: the DAGs, the jobs they run, and the sources they are made from. */
  private programFiles({ sources, buckets }: SchedulerArgs): RenderedFile[] {
    return [
      ...folderFiles("scheduler/dags", `${home}/dags`),
      // Airflow looks there for modules that its settings name.
      ...folderFiles("scheduler/config", `${home}/config`),
      ...folderFiles("spark-jobs/src", jobsFolder),
      { path: "/opt/lakestack/scheduler/prepare.py", content: readFileSync("scheduler/prepare.py", "utf8") },
      {
        path: sourcesFile,
        content: inBuckets(sources, buckets, renderSources),
      },
      // Airflow writes this file where it is missing, which it can't do in a read-only image.
      { path: `${home}/airflow.cfg`, content: "# The settings are in the environment.\n" },
    ];
  }
}

/** Asks the API server for the heartbeat that a process without a door of its own leaves in the database. */
function heartbeat(component: "dag_processor" | "triggerer"): Workload["health"] {
  return {
    ready: [
      "/bin/sh",
      "-c",
      `curl -fsS http://${apiHost}:${apiPort}/api/v2/monitor/health | grep -Eq '"${component}": ?\\{"status": ?"healthy"'`,
    ],
    alive: false,
  };
}
