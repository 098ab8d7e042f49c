import * as pulumi from "@pulumi/pulumi";
import type { StackConfig } from "../infra/config";
import { Images } from "../infra/images";
import { DockerPlatform } from "../infra/platforms/docker";
import { loadSecrets } from "../infra/secrets";
import { Catalog } from "../infra/services/catalog";
import { Database } from "../infra/services/database";
import { ObjectStore } from "../infra/services/object-store";
import { Scheduler } from "../infra/services/scheduler";
import { Spark } from "../infra/services/spark";
import type { SourceCredentials } from "../infra/services/spark";
import { Trino, trinoHosts } from "../infra/services/trino";
import { loadSources } from "../infra/sources";

/** The whole lakehouse in containers on one machine. */
export async function dev(config: StackConfig): Promise<Record<string, pulumi.Output<string> | string>> {
  const stack = pulumi.getStack();
  const sources = loadSources(config.sourcesFile);
  const secrets = await loadSecrets(trinoHosts(stack));

  const images = new Images("images", { stack });
  const platform = new DockerPlatform("docker", { stack });
  const cores = (limit: number) => (limit === 0 ? undefined : limit);

  const objectStore = new ObjectStore("object-store", {
    platform,
    secrets,
    image: images.ref("minio"),
    rootUser: config.objectStoreUser,
    memoryMiB: config.objectStoreMemory,
    cpus: cores(config.objectStoreCores),
    port: config.objectStorePort,
    consolePort: config.objectStoreConsole ? config.objectStoreConsolePort : undefined,
  });

  const database = new Database("database", {
    platform,
    secrets,
    image: images.ref("postgres"),
    memoryMiB: config.databaseMemory,
    cpus: cores(config.databaseCores),
  });

  const catalog = new Catalog("catalog", {
    platform,
    secrets,
    database,
    objectStore,
    image: images.ref("nessie"),
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
    image: images.ref("spark"),
    sourceCredentials: pulumi.output(
      new pulumi.Config().getSecretObject<SourceCredentials>("sourceCredentials") ?? {},
    ),
    workers: config.sparkWorkers,
    workerCores: config.sparkWorkerCores,
    executorMemoryMiB: config.sparkExecutorMemory,
    masterMemoryMiB: config.sparkMasterMemory,
    historyMemoryMiB: config.sparkHistoryMemory,
    masterPort: config.sparkMasterPort,
    workerPort: config.sparkWorkerPort,
    historyPort: config.sparkHistoryPort,
  });

  const trino = new Trino("trino", {
    platform,
    secrets,
    catalog,
    objectStore,
    image: images.ref("trino"),
    user: config.trinoUser,
    memoryMiB: config.trinoMemory,
    cpus: cores(config.trinoCores),
    port: config.trinoPort,
  });

  new Scheduler("scheduler", {
    platform,
    secrets,
    database,
    spark,
    trino,
    sources,
    image: images.ref("airflow"),
    user: config.airflowUser,
    trinoUser: config.trinoUser,
    memoryMiB: {
      api: config.airflowApiMemory,
      scheduler: config.airflowSchedulerMemory,
      dagProcessor: config.airflowDagProcessorMemory,
      triggerer: config.airflowTriggererMemory,
    },
    cpus: cores(config.airflowCores),
    parallelism: config.airflowParallelism,
    executorMemoryMiB: config.sparkExecutorMemory,
    port: config.airflowPort,
    driverPort: config.sparkDriverPort,
  });

  return {
    jdbcUrl: `jdbc:trino://localhost:${config.trinoPort}/${trino.catalogName}?SSL=true`,
    trinoUrl: `https://localhost:${config.trinoPort}`,
    airflowUrl: `http://localhost:${config.airflowPort}`,
    sparkMasterUrl: `http://localhost:${config.sparkMasterPort}`,
    objectStoreUrl: objectStore.publishedEndpoint,
    // On the stack's network, unless it is published.
    catalogUrl: config.publishCatalog ? `http://localhost:${config.catalogPort}/iceberg/` : catalog.uri,
    trinoUser: config.trinoUser,
    airflowUser: config.airflowUser,
    objectStoreUser: config.objectStoreUser,
    trinoPassword: secrets.trinoPassword,
    airflowPassword: secrets.airflowPassword,
    objectStorePassword: secrets.objectStorePassword,
    // Public by nature; it would be marked secret for having been kept beside its key.
    caCertificate: pulumi.unsecret(secrets.caCertificate),
  };
}
