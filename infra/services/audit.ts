import { readFileSync } from "node:fs";
import * as pulumi from "@pulumi/pulumi";
import type { StackConfig } from "../config";
import { auditKeeper } from "../connections";
import type { Deployment, Platform } from "../platform";
import { renderProperties } from "../properties";
import type { Secrets } from "../secrets";
import { loadSources } from "../sources";
import type { Source } from "../sources";
import type { RenderedFile } from "../workload";
import { secretsFolder } from "./airflow-settings";
import type { ObjectStorage } from "./object-storage";
import { auditSchema } from "./trino-access";

export interface AuditArgs {
  platform: Platform;
  /** Airflow's: it has Python with a client of S3. */
  image: pulumi.Input<string>;
  secrets: Secrets;
  objectStore: ObjectStorage;
}

/** What is told, each by somebody else: Trino's queries, requests to the object store, what is done in Airflow. */
export type AuditKind = "queries" | "requests" | "actions";

const port = 8080;
const folder = "/var/lib/audit";
const programs = "/opt/lakestack/audit";
const keysFile = `${secretsFolder}/audit-keys.json`;
/** Where those who tell something find the token by which they are known. */
export const auditTokenFile = `${secretsFolder}/audit-token`;

/** Where a kind of event is told. */
export const auditUrl = (kind: AuditKind) => `http://${auditKeeper}:${port}/${kind}`;

/**
 * Keeps the audit log: takes events over HTTP, and puts them into a bucket into which it can only add (audit/src). They are
 * on its volume until the store has them.
 */
export class Audit extends pulumi.ComponentResource {
  readonly deployment: Deployment;

  constructor(name: string, args: AuditArgs, options?: pulumi.ComponentResourceOptions) {
    super("lakestack:services:Audit", name, {}, options);
    this.deployment = args.platform.deploy(
      {
        name: auditKeeper,
        image: args.image,
        command: ["python", `${programs}/keeper.py`],
        environment: {
          AUDIT_PORT: String(port),
          AUDIT_FOLDER: folder,
          AUDIT_TOKEN_FILE: auditTokenFile,
          // Objects are few enough for a day to be read in one go.
          AUDIT_SECONDS: "300",
          AUDIT_STORE: storeSettings(args.objectStore),
          PYTHONDONTWRITEBYTECODE: "1",
        },
        files: files(args),
        ports: [{ name: "http", port }],
        volumes: [{ name: auditKeeper, path: folder, sizeGiB: 5 }],
        health: { ready: { port, path: "/health" } },
        resources: { memoryMiB: 128 },
      },
      this,
      [args.objectStore.deployment],
    );
    this.registerOutputs({});
  }
}

function storeSettings(store: ObjectStorage): pulumi.Output<string> {
  return pulumi.jsonStringify({
    bucket: store.buckets.audit,
    region: store.region,
    path_style: store.pathStyle,
    ...(store.endpoint === undefined ? {} : { endpoint: store.endpoint }),
    ...(store.keys("audit") === undefined ? {} : { keys_file: keysFile }),
  });
}

function files({ secrets, objectStore }: AuditArgs): RenderedFile[] {
  const keys = objectStore.keys("audit");
  const program = (name: string) => ({
    path: `${programs}/${name}`,
    content: readFileSync(`audit/src/${name}`, "utf8"),
  });
  return [
    program("keeper.py"),
    program("rows.py"),
    { path: auditTokenFile, content: secrets.auditToken },
    ...(keys === undefined
      ? []
      : [{ path: keysFile, content: pulumi.jsonStringify({ user: keys.user, key: keys.key }) }]),
  ];
}

/**
 * Trino's http event listener: one POST for each query that has ended. It waits for nobody; where the keeper does not
 * answer, it tries again for a quarter of an hour.
 *
 * https://trino.io/docs/current/admin/event-listeners-http.html
 */
export function renderQueryListener(token: string): string {
  return renderProperties({
    "event-listener.name": "http",
    "http-event-listener.connect-ingest-uri": auditUrl("queries"),
    "http-event-listener.connect-http-headers": `Authorization: Bearer ${token}`,
    "http-event-listener.log-completed": true,
    "http-event-listener.connect-retry-count": 20,
    "http-event-listener.connect-max-delay": "1m",
  });
}

/**
 * MinIO's audit webhook, as environment variables. What the keeper has not taken waits in a folder.
 *
 * https://min.io/docs/minio/linux/reference/minio-server/settings/metrics-and-logging.html
 */
export function requestWebhook(token: string): Record<string, string | number> {
  return {
    MINIO_AUDIT_WEBHOOK_ENABLE_KEEPER: "on",
    MINIO_AUDIT_WEBHOOK_ENDPOINT_KEEPER: auditUrl("requests"),
    MINIO_AUDIT_WEBHOOK_AUTH_TOKEN_KEEPER: `Bearer ${token}`,
    MINIO_AUDIT_WEBHOOK_QUEUE_DIR_KEEPER: "/tmp/audit-queue",
    MINIO_AUDIT_WEBHOOK_QUEUE_SIZE_KEEPER: 100000,
  };
}

/**
 * The audit log as sources, which the pipelines bring into tables like any other. None where there is no audit log.
 *
 * @param declared the sources beside which they are to stand.
 * @throws RunError if one of those, or a published schema, is where the audit log has its tables.
 */
export function auditSources(
  config: Pick<StackConfig, "audit" | "platform" | "objectStoreEndpoint" | "publishedSchemas">,
  declared: Source[],
): Source[] {
  const own = loadSources("audit/sources.yaml");
  const meeting = declared.find(
    ({ name, table }) => table.startsWith(`${auditSchema}.`) || own.some((each) => each.name === name),
  );
  if (meeting !== undefined)
    throw new pulumi.RunError(
      `Source ${meeting.name} has the table ${meeting.table}, expected one outside the schema ${auditSchema} and another ` +
        `name than ${own.map(({ name }) => name).join(", ")}: they are the audit log's. Correct it, and run the same ` +
        "command again.",
    );
  if (config.publishedSchemas.includes(auditSchema))
    throw new pulumi.RunError(
      `lakestack:publishedSchemas names ${auditSchema}, expected schemas that analysts may read: that one is the audit ` +
        "log's, for administrators. Set it: pulumi config set publishedSchemas VALUE",
    );
  if (!config.audit) return [];
  // A store of others tells its own administrators.
  const ownStore = config.platform !== "aws" && config.objectStoreEndpoint === "";
  return own.filter(({ table }) => ownStore || table !== `${auditSchema}.requests`);
}
