import * as pulumi from "@pulumi/pulumi";
import { renderProperties } from "../properties";
import type { PropertyValue } from "../properties";
import type { Source } from "../sources";
import type { StoreSettings } from "./object-storage";

/** Keys of an S3 account, by the name that a source's `credentials` gives. */
export type SourceCredentials = Record<string, { accessKeyId: string; secretAccessKey: string }>;

/**
 * Fixed ports, so that a network can be told who may connect to whom. Each is the first of a range: every driver in the
 * scheduler's container, and every executor in a worker's, takes the next free one.
 */
export const sparkPorts = {
  worker: 7078,
  driver: 7100,
  driverBlocks: 7300,
  executorBlocks: 7500,
  span: 200,
} as const;
export const extraJars = "/opt/spark/extra-jars/*";

export interface SparkSettings {
  masterUrl: string;
  executorMemoryMiB: number;
  authenticationSecret: string;
  /** `token` is that by which the catalog knows who calls. */
  catalog: { uri: string; warehouse: string; token: string };
  objectStore: StoreSettings;
  /** Where event logs go, an s3a URL. */
  eventsFolder: string;
  sources: Source[];
  credentials: SourceCredentials;
}

/** spark-defaults.conf: what every job of the stack shares. */
export function renderSparkDefaults(settings: SparkSettings): string {
  const { catalog, objectStore } = settings;
  return renderProperties(
    {
      "spark.master": settings.masterUrl,
      "spark.executor.memory": `${settings.executorMemoryMiB}m`,
      "spark.driver.extraClassPath": extraJars,
      "spark.executor.extraClassPath": extraJars,
      "spark.ui.port": 4050,
      // A driver may have several addresses, and is called at more than one of them.
      "spark.driver.bindAddress": "0.0.0.0",
      "spark.driver.port": sparkPorts.driver,
      "spark.driver.blockManager.port": sparkPorts.driverBlocks,
      "spark.blockManager.port": sparkPorts.executorBlocks,
      // Into 200 parts, the short way opens 200 files a task: a tenth of a large batch's time.
      "spark.shuffle.sort.bypassMergeThreshold": 20,
      "spark.port.maxRetries": sparkPorts.span - 1,
      "spark.authenticate": true,
      "spark.authenticate.secret": settings.authenticationSecret,
      "spark.network.crypto.enabled": true,
      "spark.network.crypto.cipher": "AES/GCM/NoPadding",
      "spark.eventLog.enabled": true,
      "spark.eventLog.dir": settings.eventsFolder,
      "spark.sql.session.timeZone": "UTC",
      "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
      "spark.sql.catalog.iceberg": "org.apache.iceberg.spark.SparkCatalog",
      "spark.sql.catalog.iceberg.type": "rest",
      "spark.sql.catalog.iceberg.uri": catalog.uri,
      "spark.sql.catalog.iceberg.warehouse": catalog.warehouse,
      "spark.sql.catalog.iceberg.rest.auth.type": "oauth2",
      "spark.sql.catalog.iceberg.token": catalog.token,
      // Who gives tokens out is the stack's program; the catalog gives none. Iceberg warns where nobody is named to ask.
      "spark.sql.catalog.iceberg.oauth2-server-uri": `${catalog.uri}v1/oauth/tokens`,
      "spark.sql.catalog.iceberg.token-refresh-enabled": false,
      "spark.sql.catalog.iceberg.token-exchange-enabled": false,
      "spark.sql.catalog.iceberg.io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
      "spark.sql.catalog.iceberg.client.region": objectStore.region,
      "spark.sql.catalog.iceberg.header.X-Iceberg-Access-Delegation": "vended-credentials",
      "spark.hadoop.fs.s3a.endpoint": objectStore.endpoint,
      "spark.hadoop.fs.s3a.endpoint.region": objectStore.region,
      "spark.hadoop.fs.s3a.path.style.access": objectStore.pathStyle,
      "spark.hadoop.fs.s3a.connection.ssl.enabled": !(objectStore.endpoint?.startsWith("http:") ?? false),
      // Without keys, the identity that the platform gives.
      "spark.hadoop.fs.s3a.aws.credentials.provider":
        objectStore.user === undefined ? undefined : "org.apache.hadoop.fs.s3a.SimpleAWSCredentialsProvider",
      "spark.hadoop.fs.s3a.access.key": objectStore.user,
      "spark.hadoop.fs.s3a.secret.key": objectStore.key,
      // Event logs are small and written once.
      "spark.hadoop.fs.s3a.fast.upload.buffer": "bytebuffer",
      ...Object.fromEntries(
        settings.sources.flatMap((source) => Object.entries(outsideBucket(source, settings.credentials))),
      ),
    },
    " ",
  );
}

/** Settings of a source's bucket that lies outside the stack; S3A takes them for each bucket apart. */
function outsideBucket(source: Source, credentials: SourceCredentials): Record<string, PropertyValue> {
  const { endpoint, region, credentials: name } = source;
  if (endpoint === undefined && region === undefined && name === undefined) return {};
  const bucket = `spark.hadoop.fs.s3a.bucket.${source.bucket}`;
  const keys = source.credentials === undefined ? undefined : credentials[source.credentials];
  if (source.credentials !== undefined && source.credentials !== "anonymous" && keys === undefined) {
    throw new pulumi.RunError(
      `Source ${source.name} uses the credentials "${source.credentials}", which this stack does not have. Set them: ` +
        `pulumi config set --secret --path 'sourceCredentials.${source.credentials}.accessKeyId' KEY, ` +
        "and secretAccessKey likewise",
    );
  }
  return {
    ...(source.endpoint === undefined
      ? {}
      : {
          [`${bucket}.endpoint`]: source.endpoint,
          [`${bucket}.connection.ssl.enabled`]: source.endpoint.startsWith("https:"),
        }),
    [`${bucket}.endpoint.region`]: source.region,
    ...(keys === undefined
      ? {
          [`${bucket}.aws.credentials.provider`]:
            source.credentials === "anonymous"
              ? "org.apache.hadoop.fs.s3a.AnonymousAWSCredentialsProvider"
              : undefined,
        }
      : { [`${bucket}.access.key`]: keys.accessKeyId, [`${bucket}.secret.key`]: keys.secretAccessKey }),
  };
}
