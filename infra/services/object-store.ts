import * as pulumi from "@pulumi/pulumi";
import type { Deployment, Platform } from "../platform";
import { renderProperties } from "../properties";
import type { Secrets } from "../secrets";
import { Bucket, StoreIdentities } from "./object-store-contents";
import type { StoreIdentity } from "./object-store-contents";

export interface ObjectStoreArgs {
  platform: Platform;
  image: pulumi.Input<string>;
  secrets: Secrets;
  /** Name of the root user, 3 to 20 characters. */
  rootUser: string;
  memoryMiB: number;
  cpus?: number;
  /** Port of the S3 API on the loopback address. */
  port: number;
  /** Port of the web console; off if absent. */
  consolePort?: number;
}

const apiPort = 9000;
const consolePort = 9090;
const host = "object-store";

/** Buckets of every stack: the tables, the sample data, Spark's event logs. */
export const buckets = { warehouse: "warehouse", source: "source", events: "events" } as const;

/** The S3 object store: MinIO on one volume, with its buckets and an identity for each service. */
export class ObjectStore extends pulumi.ComponentResource {
  /** Endpoint on the stack's network. */
  readonly endpoint = `http://${host}:${apiPort}`;
  readonly region = "us-east-1";
  /** Endpoint for the machine that runs Pulumi. */
  readonly publishedEndpoint: string;
  /** The store answers, and holds the buckets and identities. */
  readonly deployment: Deployment;

  constructor(name: string, args: ObjectStoreArgs, options?: pulumi.ComponentResourceOptions) {
    super("lakestack:services:ObjectStore", name, {}, options);
    const { platform, secrets } = args;
    this.publishedEndpoint = `http://${platform.publishedHost}:${args.port}`;

    const service = platform.deploy(
      {
        name: host,
        image: args.image,
        command: [
          "minio",
          "server",
          `--address=:${apiPort}`,
          ...(args.consolePort === undefined ? [] : [`--console-address=:${consolePort}`]),
          "/data",
        ],
        environment: { MINIO_CONFIG_ENV_FILE: "/etc/minio/config.env" },
        files: [
          {
            path: "/etc/minio/config.env",
            content: secrets.objectStorePassword.apply((password) =>
              renderMinioEnvironment(args.rootUser, password, args.consolePort !== undefined),
            ),
          },
        ],
        ports: [
          { name: "s3", port: apiPort, publish: args.port },
          ...(args.consolePort === undefined
            ? []
            : [{ name: "console", port: consolePort, publish: args.consolePort }]),
        ],
        volumes: [{ name: "object-store", path: "/data" }],
        health: {
          command: ["curl", "-fsS", "-o", "/dev/null", `http://127.0.0.1:${apiPort}/minio/health/ready`],
        },
        resources: { memoryMiB: args.memoryMiB, cpus: args.cpus },
      },
      this,
    );

    this.deployment = { ready: [...service.ready, ...this.contents(args, service)] };
    this.registerOutputs({ endpoint: this.endpoint });
  }

  /** Buckets and identities. They go with the volume, so nothing has to be deleted one by one. */
  private contents(args: ObjectStoreArgs, service: Deployment): pulumi.Resource[] {
    const connection = {
      endpoint: this.publishedEndpoint,
      region: this.region,
      accessKey: args.rootUser,
      secretKey: args.secrets.objectStorePassword,
    };
    const options = { parent: this, dependsOn: service.ready, retainOnDelete: true };
    const made = [
      new Bucket("warehouse", { ...connection, bucket: buckets.warehouse }, options),
      new Bucket("source", { ...connection, bucket: buckets.source }, options),
      // Spark's history server fails on a prefix that isn't there.
      new Bucket("events", { ...connection, bucket: buckets.events, folders: ["spark-events/"] }, options),
    ];
    return [
      ...made,
      new StoreIdentities(
        "identities",
        { ...connection, identities: serviceIdentities(args.secrets) },
        { ...options, dependsOn: [...service.ready, ...made] },
      ),
    ];
  }
}

/** Who may do what in the store: one identity a service, each with the buckets it works on and no more. */
function serviceIdentities(
  secrets: Secrets,
): { [K in keyof StoreIdentity]: pulumi.Input<StoreIdentity[K]> }[] {
  return [
    {
      name: "catalog",
      secretKey: secrets.catalogObjectStoreKey,
      access: [{ bucket: buckets.warehouse, write: true }],
    },
    {
      name: "spark",
      secretKey: secrets.sparkObjectStoreKey,
      access: [
        { bucket: buckets.source, write: false },
        { bucket: buckets.events, write: true },
      ],
    },
  ];
}

export function renderMinioEnvironment(user: string, password: string, console: boolean): string {
  return renderProperties({
    MINIO_ROOT_USER: user,
    MINIO_ROOT_PASSWORD: password,
    MINIO_BROWSER: console ? "on" : "off",
    // The page that tells whether a newer version exists is not ours to ask at every start.
    MINIO_UPDATE: "off",
  });
}
