import * as pulumi from "@pulumi/pulumi";
import type { Deployment, Platform } from "../platform";
import type { Secrets } from "../secrets";
import { placed } from "../sources";
import type { Source } from "../sources";
import type { Page, Scale, Workload } from "../workload";
import type { Catalog } from "./catalog";
import { heapOf } from "./jvm";
import type { ObjectStorage } from "./object-storage";
import { extraJars, renderSparkDefaults, sparkPorts } from "./spark-defaults";
import type { SourceCredentials } from "./spark-defaults";

export interface SparkArgs {
  platform: Platform;
  image: pulumi.Input<string>;
  secrets: Secrets;
  objectStore: ObjectStorage;
  catalog: Catalog;
  sources: Source[];
  /** Keys of the sources that lie outside the stack. */
  sourceCredentials: pulumi.Output<SourceCredentials>;
  workers: number;
  /** With load; their number is fixed if absent. */
  workerScale?: Scale;
  /** Tasks that one worker runs at a time. */
  workerCores: number;
  /** Heap of an executor, MiB; a worker holds one for each core. */
  executorMemoryMiB: number;
  masterMemoryMiB: number;
  historyMemoryMiB: number;
  /** Port of the master's page on the loopback address. */
  masterPort: number;
  /** Port of the first worker's page; the next workers take the numbers after it. */
  workerPort: number;
  /** Port of the history server's page. */
  historyPort: number;
}

const masterHost = "spark-master";
const historyPort = 18080;
const authenticationFile = "/run/secrets/spark-authentication";
/** By which a driver, a worker or an executor tells the others where it is. */
export const sparkAddressVariable = "SPARK_LOCAL_HOSTNAME";
export const sparkDefaultsFile = "/opt/spark/conf/spark-defaults.conf";

/** What an executor needs beside its heap, as a share of it and at least in MiB. Spark's own rule. */
const overhead = (heapMiB: number) => Math.max(384, Math.ceil(heapMiB / 10));

/** A worker only starts and ends executors, whatever memory they have, MiB. */
const workerHeap = 256;

/** Spark's own cluster: a master, any number of workers, and the history server. */
export class Spark extends pulumi.ComponentResource {
  readonly masterUrl = `spark://${masterHost}:7077`;
  /** spark-defaults.conf for programs that submit jobs. Holds secrets. */
  readonly defaults: pulumi.Output<string>;
  readonly deployment: Deployment;
  private readonly eventsFolder: pulumi.Output<string>;

  constructor(name: string, args: SparkArgs, options?: pulumi.ComponentResourceOptions) {
    super("lakestack:services:Spark", name, {}, options);
    this.eventsFolder = pulumi.interpolate`s3a://${args.objectStore.buckets.events}/spark-events/`;
    this.defaults = this.renderedDefaults(args);

    const master = this.deployMaster(args);
    const workers = this.deployWorkers(args, master);
    const history = this.deployHistory(args);
    this.deployment = { ready: [...master.ready, ...workers.ready, ...history.ready] };
    this.registerOutputs({ masterUrl: this.masterUrl });
  }

  private deployMaster(args: SparkArgs): Deployment {
    const page = 8080;
    return args.platform.deploy(
      this.daemon(args, {
        name: masterHost,
        className: "org.apache.spark.deploy.master.Master",
        arguments: ["--host", masterHost, "--port", "7077", "--webui-port", String(page)],
        ports: [
          { name: "rpc", port: 7077 },
          { name: "http", port: page, publish: args.masterPort },
        ],
        health: { port: page, path: "/json/" },
        memoryMiB: args.masterMemoryMiB,
      }),
      this,
    );
  }

  private deployWorkers(args: SparkArgs, master: Deployment): Deployment {
    const page = 8081;
    const executors = args.workerCores * (args.executorMemoryMiB + overhead(args.executorMemoryMiB));
    return args.platform.deploy(
      {
        ...this.daemon(args, {
          name: "spark-worker",
          className: "org.apache.spark.deploy.worker.Worker",
          arguments: [
            "--port",
            String(sparkPorts.worker),
            "--webui-port",
            String(page),
            "--cores",
            String(args.workerCores),
            "--memory",
            `${args.workerCores * args.executorMemoryMiB}m`,
            // Jobs' working folders: gone with the container.
            "--work-dir",
            "/tmp/spark-work",
            this.masterUrl,
          ],
          ports: [
            { name: "http", port: page, publish: args.workerPort },
            { name: "rpc", port: sparkPorts.worker },
            { name: "blocks", port: sparkPorts.executorBlocks, span: sparkPorts.span },
          ],
          health: { port: page, path: "/json/" },
          heapMiB: workerHeap,
          // The worker itself takes up to 400 MiB.
          memoryMiB: 400 + executors,
        }),
        replicas: args.workers,
        scale: args.workerScale,
        ownAddressVariable: sparkAddressVariable,
      },
      this,
      [master],
    );
  }

  private deployHistory(args: SparkArgs): Deployment {
    return args.platform.deploy(
      this.daemon(args, {
        name: "spark-history",
        className: "org.apache.spark.deploy.history.HistoryServer",
        arguments: [],
        environment: {
          SPARK_DAEMON_CLASSPATH: extraJars,
          SPARK_HISTORY_OPTS: pulumi
            .all([
              pulumi.interpolate`-Dspark.history.fs.logDirectory=${this.eventsFolder}`,
              `-Dspark.history.ui.port=${historyPort}`,
              // Pages that stay in memory once they were opened; Spark would keep 50.
              "-Dspark.history.retainedApplications=10",
              "-Dspark.history.fs.cleaner.enabled=true",
              "-Dspark.history.fs.cleaner.maxAge=30d",
            ])
            .apply((options) => options.join(" ")),
        },
        ports: [{ name: "http", port: historyPort, publish: args.historyPort }],
        health: { port: historyPort, path: "/api/v1/version" },
        memoryMiB: args.historyMemoryMiB,
      }),
      this,
      [args.objectStore.deployment],
    );
  }

  /** One of Spark's own long-running programs. */
  private daemon(
    args: SparkArgs,
    daemon: {
      name: string;
      className: string;
      arguments: string[];
      environment?: Workload["environment"];
      ports: Workload["ports"];
      health: Page;
      memoryMiB: number;
      /** By the memory, if absent. */
      heapMiB?: number;
    },
  ): Workload {
    return {
      name: daemon.name,
      image: args.image,
      // The daemons take the shared secret from the environment only; this keeps it out of the container's description.
      command: [
        "/bin/sh",
        "-c",
        `_SPARK_AUTH_SECRET="$(cat ${authenticationFile})" exec /opt/spark/bin/spark-class "$@"`,
        "spark-class",
        daemon.className,
        ...daemon.arguments,
      ],
      environment: {
        SPARK_NO_DAEMONIZE: "true",
        SPARK_DAEMON_MEMORY: `${daemon.heapMiB ?? heapOf(daemon.memoryMiB)}m`,
        SPARK_MASTER_OPTS: "-Dspark.master.rest.enabled=false",
        ...daemon.environment,
      },
      files: [
        { path: authenticationFile, content: args.secrets.sparkAuthenticationSecret },
        { path: sparkDefaultsFile, content: this.defaults },
      ],
      ports: daemon.ports,
      health: { ready: daemon.health },
      resources: { memoryMiB: daemon.memoryMiB },
    };
  }

  private renderedDefaults({
    secrets,
    objectStore,
    catalog,
    sources,
    sourceCredentials,
    executorMemoryMiB,
  }: SparkArgs) {
    const { endpoint, region, pathStyle } = objectStore;
    const keys = objectStore.keys("spark");
    const pair = keys === undefined ? undefined : pulumi.all([keys.user, keys.key]);
    return pulumi
      .all([
        secrets.sparkAuthenticationSecret,
        secrets.sparkCatalogToken,
        pair,
        sourceCredentials,
        this.eventsFolder,
        pulumi.output(objectStore.buckets).apply((own) => placed(sources, own)),
      ])
      .apply(([authenticationSecret, token, known, credentials, eventsFolder, sources]) =>
        renderSparkDefaults({
          masterUrl: this.masterUrl,
          executorMemoryMiB,
          authenticationSecret,
          catalog: { uri: catalog.uri, warehouse: catalog.warehouse, token },
          objectStore: { endpoint, region, pathStyle, user: known?.[0], key: known?.[1] },
          eventsFolder,
          sources,
          credentials,
        }),
      );
  }
}
