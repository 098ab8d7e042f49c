import * as pulumi from "@pulumi/pulumi";
import { auditObjectDays, objectStoreAccess, storeActions } from "../access";
import type { BucketAccess } from "../access";
import type { Deployment, Platform } from "../platform";
import { renderProperties } from "../properties";
import type { Secrets } from "../secrets";
import { requestWebhook } from "./audit";
import { anyRole, storeKeys } from "./object-storage";
import type { ObjectStorage, StoreKeys, StoreUser } from "./object-storage";
import type { ContentsMaker } from "./store-preparation";

export interface ObjectStoreArgs {
  platform: Platform;
  image: pulumi.Input<string>;
  secrets: Secrets;
  /** Name of the root user, 3 to 20 characters. */
  rootUser: string;
  memoryMiB: number;
  cpus?: number;
  /** What it holds at most, GiB, where the platform counts. */
  sizeGiB?: number;
  /** Port of the S3 API at the door. */
  port: number;
  /** Port of the web console; off if absent. */
  consolePort?: number;
  /** Whether each request is told to the audit log. Default false. */
  audit?: boolean;
  /** Who makes the buckets and identities: this machine, or a step beside the store. */
  contents: ContentsMaker;
}

export const storePort = 9000;
const consolePort = 9090;
export const storeHost = "object-store";

/** Buckets of every stack: the tables, the sample data, Spark's event logs, lineage, the audit log. */
export const buckets = {
  warehouse: "warehouse",
  source: "source",
  events: "events",
  lineage: "lineage",
  audit: "audit",
} as const;

/** The S3 object store: MinIO on one volume, with its buckets and an identity for each service. */
export class ObjectStore extends pulumi.ComponentResource implements ObjectStorage {
  /** Endpoint inside the stack. */
  readonly endpoint = `http://${storeHost}:${storePort}`;
  readonly region = "us-east-1";
  readonly pathStyle = true;
  readonly buckets = buckets;
  readonly lending = { role: anyRole, endpoint: this.endpoint, hours: 12 };
  readonly deployment: Deployment;
  private readonly secrets: Secrets;

  constructor(name: string, args: ObjectStoreArgs, options?: pulumi.ComponentResourceOptions) {
    super("lakestack:services:ObjectStore", name, {}, options);
    const { platform, secrets } = args;
    this.secrets = secrets;

    const service = platform.deploy(
      {
        name: storeHost,
        image: args.image,
        command: [
          "minio",
          "server",
          `--address=:${storePort}`,
          ...(args.consolePort === undefined ? [] : [`--console-address=:${consolePort}`]),
          "/data",
        ],
        environment: { MINIO_CONFIG_ENV_FILE: "/etc/minio/config.env" },
        files: [
          {
            path: "/etc/minio/config.env",
            content: pulumi
              .all([secrets.objectStorePassword, args.audit === true ? secrets.auditToken : undefined])
              .apply(([password, auditToken]) =>
                renderMinioEnvironment({
                  user: args.rootUser,
                  password,
                  console: args.consolePort !== undefined,
                  auditToken,
                }),
              ),
          },
        ],
        ports: [
          { name: "s3", port: storePort, publish: args.port },
          ...(args.consolePort === undefined
            ? []
            : [{ name: "console", port: consolePort, publish: args.consolePort }]),
        ],
        volumes: [{ name: "object-store", path: "/data", sizeGiB: args.sizeGiB }],
        health: { ready: { port: storePort, path: "/minio/health/ready" } },
        resources: { memoryMiB: args.memoryMiB, cpus: args.cpus },
      },
      this,
    );

    const made = args.contents(
      {
        endpoint: this.endpoint,
        region: this.region,
        accessKey: args.rootUser,
        secretKey: secrets.objectStorePassword,
        buckets: [
          { bucket: buckets.warehouse },
          { bucket: buckets.source },
          // Spark's history server fails on a prefix that isn't there.
          { bucket: buckets.events, folders: ["spark-events/"] },
          { bucket: buckets.lineage },
          { bucket: buckets.audit, keepDays: auditObjectDays },
        ],
        identities: serviceIdentities(secrets),
      },
      this,
      service,
    );
    this.deployment = { ready: [...service.ready, ...made] };
    this.registerOutputs({ endpoint: this.endpoint });
  }

  keys(user: StoreUser): StoreKeys {
    return storeKeys(this.secrets, user);
  }
}

/** The users of the store, each with what its service may do there (infra/access.ts). */
function serviceIdentities(secrets: Secrets) {
  return (Object.entries(objectStoreAccess) as [StoreUser, readonly BucketAccess[]][]).map(
    ([name, access]) => ({
      name,
      secretKey: storeKeys(secrets, name).key,
      access: access.map(({ bucket, use }) => ({ bucket: buckets[bucket], actions: storeActions(use) })),
    }),
  );
}

export function renderMinioEnvironment(settings: {
  user: string;
  password: string;
  console: boolean;
  /** By which the audit log knows the store; it is told nothing, if absent. */
  auditToken?: string;
}): string {
  const { user, password, console, auditToken } = settings;
  return renderProperties({
    MINIO_ROOT_USER: user,
    MINIO_ROOT_PASSWORD: password,
    MINIO_BROWSER: console ? "on" : "off",
    // The page that tells whether a newer version exists is not ours to ask at every start.
    MINIO_UPDATE: "off",
    ...(auditToken === undefined ? {} : requestWebhook(auditToken)),
  });
}
