import * as pulumi from "@pulumi/pulumi";
import type { StackConfig } from "../infra/config";
import { identityProvider, lineageReceiver } from "../infra/connections";
import { loadIdentityProvider } from "../infra/identity-provider";
import type { Platform } from "../infra/platform";
import type { Secrets } from "../infra/secrets";
import { Audit, auditSources } from "../infra/services/audit";
import { Catalog } from "../infra/services/catalog";
import { Database } from "../infra/services/database";
import type { DatabaseAccess } from "../infra/services/database-access";
import type { LineageTarget } from "../infra/services/lineage";
import type { ObjectStorage } from "../infra/services/object-storage";
import { ObjectStore } from "../infra/services/object-store";
import { Scheduler } from "../infra/services/scheduler";
import { Spark } from "../infra/services/spark";
import type { SourceCredentials } from "../infra/services/spark-defaults";
import type { ContentsMaker } from "../infra/services/store-preparation";
import { Trino } from "../infra/services/trino";
import type { TrinoCertificate } from "../infra/services/trino";
import type { Source } from "../infra/sources";
import { loadUsers } from "../infra/users";
import type { Scale } from "../infra/workload";

/** What every program hands to its services. */
export interface Wiring {
  config: StackConfig;
  platform: Platform;
  secrets: Secrets;
  sources: Source[];
  /** Trino's, where it is not the stack's own authority's. */
  trinoCertificate?: TrinoCertificate;
  /** Reference of an image, by the name of its folder. */
  image: (name: string) => pulumi.Input<string>;
}

/** How users reach the services. */
export interface Addresses {
  trinoHost: pulumi.Input<string>;
  trinoPort: number;
  airflowUrl: pulumi.Input<string>;
  sparkMasterUrl: string;
  objectStoreUrl: string;
  catalogUrl: string;
}

export type StackOutputs = Record<string, pulumi.Output<string> | string>;

const cores = (limit: number) => (limit === 0 ? undefined : limit);

/** MinIO, as the stack's own object store. */
export function ownObjectStore(
  { config, platform, secrets, image }: Wiring,
  contents: ContentsMaker,
): ObjectStore {
  return new ObjectStore("object-store", {
    platform,
    secrets,
    contents,
    image: image("minio"),
    rootUser: config.objectStoreUser,
    memoryMiB: config.objectStoreMemory,
    cpus: cores(config.objectStoreCores),
    sizeGiB: config.objectStoreSize,
    port: config.objectStorePort,
    consolePort: config.objectStoreConsole ? config.objectStoreConsolePort : undefined,
    audit: config.audit,
  });
}

/** PostgreSQL, as the stack's own database. */
export function ownDatabase({ config, platform, secrets, image }: Wiring): Database {
  return new Database("database", {
    platform,
    secrets,
    image: image("postgres"),
    memoryMiB: config.databaseMemory,
    cpus: cores(config.databaseCores),
    sizeGiB: config.databaseSize,
  });
}

/** The services that are the same everywhere, on a platform and on stores that the program has chosen. */
export function lakehouse(wiring: Wiring, objectStore: ObjectStorage, database: DatabaseAccess) {
  const { config, platform, secrets, sources, image } = wiring;
  const ofAudit = auditSources(config, sources);
  const people = loadIdentityProvider(config);

  const catalog = new Catalog("catalog", {
    platform,
    secrets,
    database,
    objectStore,
    identityProvider: people,
    image: image("nessie"),
    replicas: several(config.catalogReplicas),
    memoryMiB: config.catalogMemory,
    cpus: cores(config.catalogCores),
    port: config.publishCatalog ? config.catalogPort : undefined,
  });

  const spark = new Spark("spark", {
    platform,
    secrets,
    objectStore,
    catalog,
    sources,
    image: image("spark"),
    sourceCredentials: pulumi.output(
      new pulumi.Config("lakestack").getSecretObject<SourceCredentials>("sourceCredentials") ?? {},
    ),
    workers: config.sparkWorkers,
    workerScale: scale(config, config.sparkWorkers, config.sparkWorkersMost, config.sparkWorkerCores),
    workerCores: config.sparkWorkerCores,
    executorMemoryMiB: config.sparkExecutorMemory,
    masterMemoryMiB: config.sparkMasterMemory,
    historyMemoryMiB: config.sparkHistoryMemory,
    masterPort: config.sparkMasterPort,
    workerPort: config.sparkWorkerPort,
    historyPort: config.sparkHistoryPort,
  });

  const audit = config.audit
    ? new Audit("audit", { platform, secrets, objectStore, image: image("airflow") }).deployment
    : undefined;

  const trino = new Trino("trino", {
    platform,
    secrets,
    catalog,
    objectStore,
    image: image("trino"),
    users: loadUsers(config, secrets),
    identityProvider: people,
    sources,
    publishedSchemas: config.publishedSchemas,
    analystLimits: {
      queries: config.analystQueries,
      memoryPercent: config.analystMemoryPercent,
      minutes: config.analystMinutes,
    },
    memoryMiB: config.trinoMemory,
    cpus: cores(config.trinoCores),
    port: config.trinoPort,
    certificate: wiring.trinoCertificate,
    audit,
    workers:
      config.trinoWorkers === 0
        ? undefined
        : {
            count: config.trinoWorkers,
            scale: scale(config, config.trinoWorkers, config.trinoWorkersMost, config.trinoCores),
            memoryMiB: config.trinoWorkerMemory,
            drainSeconds: config.trinoDrainSeconds,
          },
  });

  const scheduler = new Scheduler("scheduler", {
    platform,
    secrets,
    database,
    spark,
    trino,
    sources: [...sources, ...ofAudit],
    buckets: objectStore.buckets,
    image: image("airflow"),
    user: config.airflowUser,
    identityProvider: people,
    memoryMiB: {
      api: config.airflowApiMemory,
      scheduler: config.airflowSchedulerMemory,
      dagProcessor: config.airflowDagProcessorMemory,
      triggerer: config.airflowTriggererMemory,
    },
    cpus: cores(config.airflowCores),
    schedulers: config.airflowSchedulers,
    parallelism: config.airflowParallelism,
    executorMemoryMiB: config.sparkExecutorMemory,
    warmDrivers: config.sparkWarmDrivers,
    localBatchMiB: config.sparkLocalBatch,
    port: config.airflowPort,
    driverPort: config.sparkDriverPort,
    failureWebhook: new pulumi.Config("lakestack").getSecret("failureWebhook"),
    lineage: lineageTarget(config, objectStore),
    audit,
    // Elsewhere they have no address of their own: docs/kubernetes.md says how to reach them.
    sparkPages:
      config.platform === "docker"
        ? {
            driver: `http://localhost:${config.sparkDriverPort}`,
            master: `http://localhost:${config.sparkMasterPort}`,
            history: `http://localhost:${config.sparkHistoryPort}`,
          }
        : undefined,
  });
  return { catalog, spark, trino, scheduler };
}

/** The stack's public contract, the same on every platform. */
export function stackOutputs({ config, secrets }: Wiring, trino: Trino, at: Addresses): StackOutputs {
  const { trinoHost, trinoPort } = at;
  return {
    jdbcUrl: text`jdbc:trino://${trinoHost}:${trinoPort}/${trino.catalogName}?SSL=true`,
    trinoUrl: text`https://${trinoHost}:${trinoPort}`,
    airflowUrl: text`${at.airflowUrl}`,
    sparkMasterUrl: at.sparkMasterUrl,
    objectStoreUrl: at.objectStoreUrl,
    catalogUrl: at.catalogUrl,
    trinoUser: config.trinoUser,
    airflowUser: config.airflowUser,
    objectStoreUser: config.objectStoreUser,
    trinoPassword: secrets.trinoPassword,
    airflowPassword: secrets.airflowPassword,
    objectStorePassword: secrets.objectStorePassword,
    catalogToken: secrets.outsideCatalogToken,
    // Public by nature; it would be marked secret for having been kept beside its key.
    caCertificate: pulumi.unsecret(pulumi.output(trino.authority)),
  };
}

/** A string where all parts are known now, which a preview then shows; else an Output. */
function text(
  parts: TemplateStringsArray,
  ...values: pulumi.Input<string | number>[]
): string | pulumi.Output<string> {
  return values.every((value) => typeof value === "string" || typeof value === "number")
    ? String.raw({ raw: parts }, ...values)
    : pulumi.interpolate(parts, ...values);
}

function lineageTarget(
  { lineage, lineageUrl: url }: StackConfig,
  objectStore: ObjectStorage,
): LineageTarget | undefined {
  if (!lineage) return undefined;
  return url === "" ? { objectStore } : { url };
}

/** Who is told of lineage, where that is outside the cluster. */
export const outsideLineage = ({
  lineage,
  lineageUrl: url,
}: StackConfig): Record<string, { port: number }> =>
  lineage && url !== "" ? { [lineageReceiver]: { port: portOf(url) } } : {};

/** Who says who people are, where somebody does. */
export const outsideIdentities = ({ oidcIssuer }: StackConfig): Record<string, { port: number }> =>
  oidcIssuer === "" ? {} : { [identityProvider]: { port: portOf(oidcIssuer) } };

/** Port that a URL of HTTP or HTTPS names, or stands for. */
export const portOf = (url: string) => Number(new URL(url).port || (url.startsWith("https:") ? 443 : 80));

/** A single instance has no number. */
const several = (count: number) => (count === 1 ? undefined : count);

/**
 * More instances when the present ones use a share of the cores that they have; of one, if that is open. Where `most` is
 * not above `least`, always `least` of them.
 */
function scale(
  { scaleBusyPercent, scaleIdleSeconds }: StackConfig,
  least: number,
  most: number,
  coresOfEach: number,
): Scale {
  return {
    most: Math.max(least, most),
    busyCores: (scaleBusyPercent / 100) * Math.max(1, coresOfEach),
    idleSeconds: scaleIdleSeconds,
  };
}
