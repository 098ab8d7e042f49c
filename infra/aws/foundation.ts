import { Provider } from "@pulumi/aws/provider";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { type Account, lookUpAccount } from "./account";
import { Autoscaler } from "./autoscaler";
import { Cluster } from "./cluster";
import type { AwsConfig } from "./config";
import { Database } from "./database";
import { Encryption } from "./encryption";
import { Identity } from "./identity";
import { Network } from "./network";
import { Observability } from "./observability";
import { Storage } from "./storage";

/** Class of encrypted volumes. */
export const storageClass = "lakestack-encrypted";

/** What AWS gives the services in place of containers of our own. */
export interface Foundation {
  account: Account;
  /** For everything else that is made in the account. */
  options: pulumi.ComponentResourceOptions;
  encryption: Encryption;
  observability: Observability;
  network: Network;
  cluster: Cluster;
  /** Made last and removed first: whatever is put onto the cluster goes before the cluster does. */
  kubernetes: k8s.Provider;
  storage: Storage;
  database: Database;
  identity: Identity;
}

/**
 * Makes everything that the services stand on, in one account and region.
 *
 * @param namespace of the services in the cluster.
 * @param sourceBuckets beside the stack's own, that sources are read from without keys.
 */
export function makeFoundation(
  config: AwsConfig,
  stack: string,
  namespace: string,
  sourceBuckets: string[],
): Foundation {
  const { region, ephemeral, sizes, logRetentionDays } = config;
  const provider = new Provider("aws", {
    region,
    ...(config.accountId === undefined ? {} : { allowedAccountIds: [config.accountId] }),
    defaultTags: { tags: { project: "lakestack", stack } },
  });
  const options = { providers: { aws: provider } };
  const account = lookUpAccount(region, `lakestack-${stack}`, provider);

  const encryption = new Encryption("encryption", { account, ephemeral }, options);
  const observability = new Observability(
    "observability",
    { account, keyArn: encryption.logs.arn, retentionDays: logRetentionDays },
    options,
  );
  const network = new Network(
    "network",
    { account, choice: config.network, natGateways: sizes.natGateways, flowLog: observability.flowLog },
    options,
  );
  const cluster = new Cluster(
    "cluster",
    {
      ...{ account, network, encryption, sizes, ephemeral },
      architecture: config.architecture,
      kubernetesVersion: config.kubernetesVersion,
      endpointAllowList: config.endpointAllowList,
      adminArns: config.adminArns,
      logGroups: observability.clusterGroups(),
    },
    options,
  );
  const database = new Database(
    "database",
    {
      ...{ account, network, encryption, sizes, ephemeral, logRetentionDays },
      clientGroupId: cluster.securityGroupId,
      backupDays: config.backupDays,
    },
    options,
  );
  const storage = new Storage(
    "storage",
    { account, keyArn: encryption.data.arn, existing: config.existingBuckets, ephemeral },
    options,
  );
  const identity = new Identity(
    "identity",
    {
      account,
      buckets: storage.buckets,
      dataKeyArn: encryption.data.arn,
      sourceKeyArn: config.sourceKeyArn,
      sourceBuckets,
      clusterName: cluster.eks.name,
      namespace,
    },
    options,
  );

  const kubernetes = new k8s.Provider(
    "cluster",
    {
      kubeconfig: cluster.kubeconfig,
      // A file of a workload changes in place: its pods are replaced by their checksum, not by another name.
      enableConfigMapMutable: true,
      enableSecretMutable: true,
    },
    { dependsOn: [...cluster.ready, ...identity.associations] },
  );
  if (config.autoscalerImage === undefined) {
    void pulumi.log.warn(
      "The cluster keeps the number of nodes that its size says, whatever the load: lakestack:awsAutoscalerImage is not set (docs/production.md).",
    );
  } else {
    new Autoscaler("autoscaler", { account, cluster, image: config.autoscalerImage, kubernetes }, options);
  }
  encryptedVolumes(kubernetes, encryption);
  return {
    ...{ account, options, encryption, observability, network, cluster, kubernetes },

    ...{ storage, database, identity },
  };
}

/** Disks for pods, encrypted with the stack's key, in the zone where the pod is. */
function encryptedVolumes(provider: k8s.Provider, encryption: Encryption): void {
  new k8s.storage.v1.StorageClass(
    "encrypted",
    {
      metadata: { name: storageClass },
      provisioner: "ebs.csi.aws.com",
      parameters: { type: "gp3", encrypted: "true", kmsKeyId: encryption.cluster.arn },
      volumeBindingMode: "WaitForFirstConsumer",
      allowVolumeExpansion: true,
    },
    { provider },
  );
}
