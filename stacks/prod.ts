import { arch } from "node:os";
import * as secretsmanager from "@pulumi/aws/secretsmanager";
import * as pulumi from "@pulumi/pulumi";
import { Alarms } from "../infra/aws/alarms";
import { type AwsConfig, readAwsConfig } from "../infra/aws/config";
import { Doors, doors } from "../infra/aws/doors";
import { type Foundation, makeFoundation, storageClass } from "../infra/aws/foundation";
import { placement } from "../infra/aws/placement";
import { Registry } from "../infra/aws/registry";
import type { StackConfig } from "../infra/config";
import { certificateWatch, outsideSources } from "../infra/connections";
import { imageBuilds, Images } from "../infra/images";
import { readPemFile } from "../infra/pem-file";
import { KubernetesPlatform } from "../infra/platforms/kubernetes";
import type { Door } from "../infra/platforms/kubernetes";
import { loadSecrets } from "../infra/secrets";
import { CertificateWatch, daysField } from "../infra/services/certificate-watch";
import { OutsideDatabase } from "../infra/services/database-access";
import type { ObjectStorage } from "../infra/services/object-storage";
import { trinoHosts } from "../infra/services/trino";
import { bucketsOfOthers, loadSources } from "../infra/sources";
import { lakehouse, outsideIdentities, outsideLineage, stackOutputs } from "./lakehouse";
import type { StackOutputs, Wiring } from "./lakehouse";

/** What runs on AWS: MinIO has no place there, and of PostgreSQL only the client. */
const images = ["nessie", "postgres", "spark", "trino", "airflow"];

/** The whole lakehouse on AWS: EKS, S3 and RDS in place of containers of our own. */
export async function prod(settings: StackConfig): Promise<StackOutputs> {
  const stack = pulumi.getStack();
  const aws = readAwsConfig();
  // The size says what each service may use, as it says what the nodes have.
  const config: StackConfig = { ...settings, ...aws.sizes };
  const namespace = config.kubernetesNamespace;
  const sources = loadSources(config.sourcesFile);
  const secrets = await loadSecrets(certificateHosts(stack, namespace));

  const foundation = makeFoundation(aws, stack, namespace, bucketsOfOthers(sources));
  const registry = makeRegistry(foundation, aws, stack);
  const platform = new KubernetesPlatform("kubernetes", {
    stack,
    namespace,
    provider: foundation.kubernetes,
    checksumKey: secrets.caKey,
    storageClass,
    keepVolumes: !aws.ephemeral,
    requests: { cpuMilli: config.cpuRequest, memoryPercent: config.memoryRequestPercent },
    placement,
    doors: nodePorts(aws),
    outside: {
      "object-store": { port: 443 },
      database: { port: foundation.database.port, cidrs: [foundation.network.cidr] },
      [outsideSources]: { port: 443 },
      ...outsideLineage(config),
      ...outsideIdentities(config),
    },
    moreEgress: podIdentityAgent,
  });
  const wiring: Wiring = { config, platform, secrets, sources, image: (name) => registry.ref(name) };
  const { catalog, trino } = lakehouse(wiring, s3(foundation), database(wiring, foundation, platform));

  new CertificateWatch(certificateWatch, { platform, trino, image: registry.ref("trino") });

  const ways = new Doors(
    "doors",
    {
      account: foundation.account,
      network: foundation.network,
      cluster: foundation.cluster,
      settings: aws.doors,
    },
    foundation.options,
  );
  new Alarms(
    "alarms",
    {
      account: foundation.account,
      keyArn: foundation.encryption.logs.arn,
      applicationLog: foundation.observability.groups.application,
      databaseId: foundation.database.instance.identifier,
      databaseDiskGiB: aws.sizes.databaseDisk,
      certificateDays: { workload: certificateWatch, field: daysField },
      certificateArn: ways.certificateArn,
      email: aws.alarmEmail,
    },
    foundation.options,
  );

  const inside = (service: string) => `${service}.${namespace}.svc`;
  const { trino: trinoDoor, airflow: airflowDoor } = ways.hosts;
  return {
    ...stackOutputs(wiring, trino, {
      trinoHost: trinoDoor ?? inside(trino.host),
      trinoPort: trinoDoor === undefined ? trino.port : 443,
      airflowUrl:
        airflowDoor === undefined
          ? `http://${inside("airflow-api")}:8080`
          : pulumi.interpolate`https://${airflowDoor}`,
      sparkMasterUrl: `http://${inside("spark-master")}:8080`,
      objectStoreUrl: `https://s3.${aws.region}.amazonaws.com`,
      catalogUrl: catalog.uri.replace("//catalog:", `//${inside("catalog")}:`),
    }),
    kubeconfig: foundation.cluster.kubeconfig,
    kubernetesNamespace: platform.namespace,
    warehouseBucket: foundation.storage.buckets.warehouse.name,
    sourceBucket: foundation.storage.buckets.source.name,
    databaseAddress: foundation.database.host,
  };
}

/** Images are built on this machine, and pushed to the account's registry. */
function makeRegistry(
  { account, encryption, options }: Foundation,
  { ephemeral, architecture }: AwsConfig,
  stack: string,
): Registry {
  const here = arch() === "arm64" ? "arm64" : "amd64";
  if (architecture !== here) {
    void pulumi.log.warn(
      `The nodes are ${architecture}, and this machine builds images for ${here}: no pod will start. Run Pulumi on a machine of that kind, or set awsArchitecture to ${here}.`,
    );
  }
  const local = new Images("images", { stack, only: images });
  return new Registry(
    "registry",
    {
      ...{ account, stack, ephemeral },
      builds: imageBuilds().filter(({ name }) => images.includes(name)),
      localImage: (name) => local.ref(name),
      keyArn: encryption.cluster.arn,
    },
    options,
  );
}

/** S3, where each service's pods have a role of their own and the catalog lends keys of another. */
function s3({ account, storage, identity }: Foundation): ObjectStorage {
  const { warehouse, source, events, lineage, audit } = storage.buckets;
  return {
    region: account.region,
    pathStyle: false,
    buckets: {
      warehouse: warehouse.name,
      source: source.name,
      events: events.name,
      lineage: lineage.name,
      audit: audit.name,
    },
    keys: () => undefined,
    // A role that a role has taken on lasts an hour at most.
    lending: { role: identity.lending.arn, hours: 1 },
    deployment: { ready: storage.ready },
  };
}

/** The logins of the catalog and of Airflow are made by a step in the cluster, which alone reaches the database. */
function database(
  { config, secrets, image }: Wiring,
  { database: rds, options }: Foundation,
  runner: KubernetesPlatform,
): OutsideDatabase {
  if (config.databaseAuthoritiesFile === "") {
    void pulumi.log.warn(
      "Services speak TLS with the database and do not check whose certificate it shows: lakestack:databaseAuthoritiesFile is not set (docs/production.md).",
    );
  }
  const master = secretsmanager.getSecretVersionOutput({ secretId: rds.masterSecretArn }, { parent: rds });
  return new OutsideDatabase(
    "database",
    {
      runner,
      secrets,
      image: image("postgres"),
      address: pulumi.interpolate`${rds.host}:${rds.port}`,
      administrator: {
        name: "lakestack",
        password: pulumi.secret(
          master.secretString.apply((text) => (JSON.parse(text) as { password: string }).password),
        ),
      },
      authorities:
        config.databaseAuthoritiesFile === ""
          ? undefined
          : readPemFile("databaseAuthoritiesFile", config.databaseAuthoritiesFile),
    },
    options,
  );
}

/** Ports of the nodes that the load balancers send to. */
function nodePorts({ doors: wanted }: AwsConfig): Record<string, Door> {
  return {
    ...(wanted.trino === "none"
      ? {}
      : { trino: { kind: "node-port", nodePort: doors.trino.nodePort } as const }),
    ...(wanted.airflow === "none"
      ? {}
      : { "airflow-api": { kind: "node-port", nodePort: doors.airflow.nodePort } as const }),
  };
}

/** Where a pod asks for its role's keys: the agent on its node. */
function podIdentityAgent() {
  return [{ to: [{ ipBlock: { cidr: "169.254.170.23/32" } }], ports: [{ protocol: "TCP", port: 80 }] }];
}

/** Names that Trino's own certificate is for: inside the cluster, and at the end of a port-forward. */
export const certificateHosts = (stack: string, namespace: string) => [
  ...trinoHosts(stack),
  ...["", ".svc", ".svc.cluster.local"].map((end) => `trino.${namespace}${end}`),
];
