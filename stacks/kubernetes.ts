import * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { preloadedImages, pushedImages } from "../infra/cluster-images";
import type { StackConfig, TcpDoor } from "../infra/config";
import { gateways, outsideSources } from "../infra/connections";
import { KubernetesPlatform } from "../infra/platforms/kubernetes";
import type { Door, Outside } from "../infra/platforms/kubernetes";
import { readOwnCertificate } from "../infra/own-certificate";
import { readPemFile } from "../infra/pem-file";
import { loadSecrets } from "../infra/secrets";
import { OutsideDatabase } from "../infra/services/database-access";
import type { DatabaseAccess } from "../infra/services/database-access";
import { outsideObjectStore } from "../infra/services/object-storage";
import type { ObjectStorage } from "../infra/services/object-storage";
import { contentsByTask } from "../infra/services/store-preparation";
import { calledNames, trinoHosts } from "../infra/services/trino";
import type { TrinoCertificate } from "../infra/services/trino";
import { loadSources } from "../infra/sources";
import type { Source } from "../infra/sources";
import { gatewayHosts, gatewaySecrets, issueCertificate, openGateways } from "./gateways";
import {
  lakehouse,
  outsideIdentities,
  outsideLineage,
  ownDatabase,
  ownObjectStore,
  portOf,
  stackOutputs,
} from "./lakehouse";
import type { StackOutputs, Wiring } from "./lakehouse";

/** The whole lakehouse on any cluster that a kubeconfig reaches. */
export async function kubernetesStack(config: StackConfig): Promise<StackOutputs> {
  const stack = pulumi.getStack();
  const namespace = config.kubernetesNamespace;
  const sources = loadSources(config.sourcesFile);
  const hosts = [...trinoHosts(stack), ...clusterNames("trino", namespace), ...config.trinoHosts];
  const own = readOwnCertificate(config, [...calledNames, ...config.trinoHosts]);
  const secrets = await loadSecrets(hosts, own, gatewayHosts(config));

  const provider = new kubernetes.Provider("cluster", {
    context: config.kubernetesContext === "" ? undefined : config.kubernetesContext,
    // A file of a workload changes in place: its pods are replaced by their checksum, not by another name.
    enableConfigMapMutable: true,
    enableSecretMutable: true,
  });
  const platform = new KubernetesPlatform("kubernetes", {
    stack,
    provider,
    namespace,
    checksumKey: secrets.caKey,
    storageClass: config.storageClass === "" ? undefined : config.storageClass,
    keepVolumes: config.keepVolumes,
    requests: { cpuMilli: config.cpuRequest, memoryPercent: config.memoryRequestPercent },
    doors: doors(config),
    outside: outside(config, sources),
    mountedSecrets: {
      ...gatewaySecrets(config),
      ...(config.trinoIssuer === ""
        ? {}
        : { trino: [{ folder: certificateFolder, secretName: certificateSecret }] }),
    },
  });
  const trinoCertificate =
    config.trinoIssuer === "" ? undefined : issuedCertificate(config, hosts, platform, provider);
  const image =
    config.imageRegistry === ""
      ? preloadedImages(stack)
      : pushedImages({ stack, registry: config.imageRegistry });
  const wiring: Wiring = { config, platform, secrets, sources, image, trinoCertificate };

  const objectStore: ObjectStorage =
    config.objectStoreEndpoint === ""
      ? ownObjectStore(wiring, contentsByTask(platform, image("minio")))
      : outsideObjectStore({
          secrets,
          endpoint: config.objectStoreEndpoint,
          region: config.objectStoreRegion,
          pathStyle: config.objectStorePathStyle,
          buckets: {
            warehouse: config.warehouseBucket,
            source: config.sourceBucket,
            events: config.eventsBucket,
            lineage: config.lineageBucket,
            audit: config.auditBucket,
          },
        });
  const database: DatabaseAccess =
    config.databaseAddress === "" ? ownDatabase(wiring) : outsideDatabase(wiring, platform);
  const { catalog, trino, scheduler } = lakehouse(wiring, objectStore, database);
  const behind = { "airflow-api": scheduler.deployment, "object-store": objectStore.deployment };
  openGateways(wiring, behind, { platform, provider });

  const inside = (service: string) => `${service}.${namespace}.svc`;
  return {
    ...stackOutputs(wiring, trino, {
      // The first name that was given is where the door is; without one, Trino is reached from inside the cluster.
      trinoHost: config.trinoHosts[0] ?? inside(trino.host),
      trinoPort: config.trinoHosts.length === 0 ? trino.port : config.trinoPort,
      airflowUrl: airflowUrl(config, inside("airflow-api")),
      sparkMasterUrl: `http://${inside("spark-master")}:8080`,
      objectStoreUrl: objectStoreUrl(config, inside("object-store")),
      catalogUrl: catalog.uri.replace("//catalog:", `//${inside("catalog")}:`),
    }),
    kubernetesNamespace: platform.namespace,
    // Public by nature, as that of Trino.
    ...(secrets.gatewayAuthority === undefined || gatewayHosts(config).length === 0
      ? {}
      : { gatewayAuthority: pulumi.unsecret(secrets.gatewayAuthority) }),
  };
}

const certificateFolder = "/etc/lakestack/trino-certificate";
const certificateSecret = "trino-certificate";

/** Has cert-manager make Trino's certificate, and renew it in time. Trino takes a new one as it comes. */
function issuedCertificate(
  config: StackConfig,
  hosts: string[],
  platform: KubernetesPlatform,
  provider: kubernetes.Provider,
): TrinoCertificate {
  const { trinoIssuer: issuer } = config;
  issueCertificate({ name: certificateSecret, hosts, issuer }, { platform, provider });
  return {
    file: `${certificateFolder}/tls-combined.pem`,
    authority: readPemFile("trinoAuthorityFile", config.trinoAuthorityFile),
  };
}

/** Names by which a Service is called inside the cluster, from its own namespace and from others. */
const clusterNames = (service: string, namespace: string) =>
  ["", ".svc", ".svc.cluster.local"].map((end) => `${service}.${namespace}${end}`);

/** Where the page is for users: at the door, if they have been given a name for it. */
function airflowUrl(config: StackConfig, inside: string): string {
  const { airflowDoor, airflowHost, airflowPort } = config;
  if (airflowHost === "" || airflowDoor === "none") return `http://${inside}:8080`;
  if (airflowDoor !== "ingress")
    return `${config.trustedNetwork ? "http" : "https"}://${airflowHost}:${airflowPort}`;
  const tls = config.ingressTlsSecret !== "" || config.certificateIssuer !== "";
  return `${tls ? "https" : "http"}://${airflowHost}`;
}

/** The same for the S3 API. */
function objectStoreUrl(config: StackConfig, inside: string): string {
  const { objectStoreEndpoint, objectStoreDoor, objectStoreHost, objectStorePort } = config;
  if (objectStoreEndpoint !== "") return objectStoreEndpoint;
  if (objectStoreHost === "" || objectStoreDoor === "none") return `http://${inside}:9000`;
  return `${config.trustedNetwork ? "http" : "https"}://${objectStoreHost}:${objectStorePort}`;
}

function doors(config: StackConfig): Record<string, Door> {
  const given = (value: string) => (value === "" ? undefined : value);
  const page = config.airflowDoor;
  // Without TLS they are called themselves.
  const tcp = (service: TcpDoor["service"]) => (config.trustedNetwork ? service : gateways[service]);
  const all: Record<string, Door | undefined> = {
    trino: tcpDoor(config.trinoDoor, config.trinoSourceRanges),
    [tcp("object-store")]: tcpDoor(config.objectStoreDoor),
    ...(page !== "ingress"
      ? { [tcp("airflow-api")]: tcpDoor(page) }
      : {
          "airflow-api": {
            kind: "ingress",
            host: config.airflowHost,
            className: given(config.ingressClass),
            tlsSecret: given(config.ingressTlsSecret),
            issuer: given(config.certificateIssuer),
            controllerNamespace: given(config.ingressNamespace),
          },
        }),
  };
  const open = Object.entries(all).filter((entry): entry is [string, Door] => entry[1] !== undefined);
  return Object.fromEntries(open);
}

function tcpDoor(
  kind: "none" | "load-balancer" | "node-port",
  sourceRanges: string[] = [],
): Door | undefined {
  if (kind === "none") return undefined;
  return kind === "node-port"
    ? { kind }
    : { kind, sourceRanges: sourceRanges.length === 0 ? undefined : sourceRanges };
}

/** What lies outside the namespace: only there may pods connect to addresses that are no pods of the stack. */
function outside(config: StackConfig, sources: Source[]): Record<string, Outside> {
  const endpoints = sources.flatMap(({ endpoint }) => endpoint ?? []);
  return {
    ...(config.objectStoreEndpoint === ""
      ? {}
      : { "object-store": { port: portOf(config.objectStoreEndpoint) } }),
    ...(config.databaseAddress === ""
      ? {}
      : { database: { port: Number(/:(\d+)$/.exec(config.databaseAddress)?.[1] ?? 5432) } }),
    ...(endpoints[0] === undefined ? {} : { [outsideSources]: { port: portOf(endpoints[0]) } }),
    ...outsideLineage(config),
    ...outsideIdentities(config),
  };
}

function outsideDatabase({ config, secrets, image }: Wiring, runner: KubernetesPlatform): OutsideDatabase {
  return new OutsideDatabase("database", {
    runner,
    secrets,
    image: image("postgres"),
    address: config.databaseAddress,
    administrator: {
      name: config.databaseAdministrator,
      password: new pulumi.Config("lakestack").requireSecret("databaseAdministratorPassword"),
    },
    authorities:
      config.databaseAuthoritiesFile === ""
        ? undefined
        : readPemFile("databaseAuthoritiesFile", config.databaseAuthoritiesFile),
  });
}
