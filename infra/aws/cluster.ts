import * as ec2 from "@pulumi/aws/ec2";
import * as eks from "@pulumi/aws/eks";
import * as iam from "@pulumi/aws/iam";
import * as pulumi from "@pulumi/pulumi";
import { type Account, managedPolicy } from "./account";
import { installAddons } from "./addons";
import type { Encryption } from "./encryption";
import type { Network } from "./network";
import { trustService } from "./policy-document";
import type { Architecture, Sizes } from "./sizes";

export interface ClusterArgs {
  account: Account;
  network: Network;
  encryption: Encryption;
  sizes: Sizes;
  architecture: Architecture;
  kubernetesVersion: string;
  /** Address ranges that may reach the API from outside; none: only from inside the network. */
  endpointAllowList: string[];
  adminArns: string[];
  /** Throw-away stacks can be deleted. */
  ephemeral: boolean;
  /** The log groups that the cluster writes to: made before it, so that it does not make them without a key. */
  logGroups: pulumi.Resource[];
}

/** What sets the nodes of the two groups apart; platforms select by it. */
export const nodeLabel = "lakestack.io/nodes";
export type NodeKind = "services" | "workers";

/** EKS: the control plane, its two groups of nodes, and AWS's add-ons. */
export class Cluster extends pulumi.ComponentResource {
  readonly eks: eks.Cluster;
  /** Group of the nodes and of the control plane's network cards. */
  readonly securityGroupId: pulumi.Output<string>;
  readonly services: eks.NodeGroup;
  readonly workers: eks.NodeGroup;
  /** The cluster runs pods, with volumes, roles and names: what is put onto it depends on these. */
  readonly ready: pulumi.Resource[];
  /** For `kubectl` and for Pulumi: asks the aws command for a token. Holds no secret. */
  readonly kubeconfig: pulumi.Output<string>;

  constructor(name: string, args: ClusterArgs, options?: pulumi.ComponentResourceOptions) {
    super("lakestack:aws:Cluster", name, {}, options);
    this.eks = this.controlPlane(args);
    this.securityGroupId = this.eks.vpcConfig.clusterSecurityGroupId;
    const access = this.admins(args);
    const before = installAddons("beforeNodes", this.eks, args, this);
    const nodeRole = this.nodeRole(args);
    const template = this.template(args);
    const needs = [...before, ...args.network.ways];
    this.services = this.nodes("services", nodeRole, template, args, needs);
    this.workers = this.nodes("workers", nodeRole, template, args, needs);
    const after = installAddons("afterNodes", this.eks, args, this, [this.services]);
    this.ready = [this.eks, ...access, ...before, this.services, this.workers, ...after];
    this.kubeconfig = renderKubeconfig(this.eks, args.account);
    this.registerOutputs({ name: this.eks.name });
  }

  private controlPlane(args: ClusterArgs): eks.Cluster {
    const { account, network, encryption, endpointAllowList } = args;
    const role = new iam.Role(
      "control-plane",
      { name: `${account.prefix}-control-plane`, assumeRolePolicy: trustService("eks.amazonaws.com") },
      { parent: this },
    );
    const policy = attach("AmazonEKSClusterPolicy", "control-plane", role, account);
    return new eks.Cluster(
      "cluster",
      {
        name: account.prefix,
        version: args.kubernetesVersion,
        roleArn: role.arn,
        vpcConfig: {
          subnetIds: network.privateSubnetIds,
          endpointPrivateAccess: true,
          endpointPublicAccess: endpointAllowList.length > 0,
          ...(endpointAllowList.length > 0 ? { publicAccessCidrs: endpointAllowList } : {}),
        },
        accessConfig: { authenticationMode: "API", bootstrapClusterCreatorAdminPermissions: true },
        encryptionConfig: { provider: { keyArn: encryption.cluster.arn }, resources: ["secrets"] },
        enabledClusterLogTypes: ["api", "audit", "authenticator", "controllerManager", "scheduler"],
        // A version that is no longer supported is upgraded, in place of six times the price.
        upgradePolicy: { supportType: "STANDARD" },
        // The add-ons are resources of their own below.
        bootstrapSelfManagedAddons: false,
        deletionProtection: !args.ephemeral,
      },
      { parent: this, protect: !args.ephemeral, dependsOn: [policy, ...args.logGroups] },
    );
  }

  private admins({ account, adminArns }: ClusterArgs): pulumi.Resource[] {
    return adminArns.map((principalArn, index) => {
      const name = `admin-${index + 1}`;
      const entry = new eks.AccessEntry(name, { clusterName: this.eks.name, principalArn }, { parent: this });
      return new eks.AccessPolicyAssociation(
        name,
        {
          clusterName: this.eks.name,
          principalArn: entry.principalArn,
          policyArn: pulumi.interpolate`arn:${account.partition}:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy`,
          accessScope: { type: "cluster" },
        },
        { parent: entry },
      );
    });
  }

  /** Nodes may join and pull images. What pods may do is the pods' own roles' affair. */
  private nodeRole({ account }: ClusterArgs): { role: iam.Role; policies: pulumi.Resource[] } {
    const role = new iam.Role(
      "nodes",
      { name: `${account.prefix}-nodes`, assumeRolePolicy: trustService("ec2.amazonaws.com") },
      { parent: this },
    );
    const policies = ["AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryPullOnly"].map((policy) =>
      attach(policy, "nodes", role, account),
    );
    return { role, policies };
  }

  private template({ account, encryption, sizes }: ClusterArgs): ec2.LaunchTemplate {
    return new ec2.LaunchTemplate(
      "nodes",
      {
        name: `${account.prefix}-nodes`,
        updateDefaultVersion: true,
        // One hop: a pod that is not on the host's network cannot ask for the node's keys.
        metadataOptions: { httpEndpoint: "enabled", httpTokens: "required", httpPutResponseHopLimit: 1 },
        blockDeviceMappings: [
          {
            deviceName: "/dev/xvda",
            ebs: {
              volumeSize: sizes.nodeDisk,
              volumeType: "gp3",
              encrypted: "true",
              kmsKeyId: encryption.cluster.arn,
              deleteOnTermination: "true",
            },
          },
        ],
        tagSpecifications: ["instance", "volume"].map((resourceType) => ({
          resourceType,
          tags: { Name: `${account.prefix}-node` },
        })),
      },
      { parent: this },
    );
  }

  private nodes(
    kind: NodeKind,
    { role, policies }: { role: iam.Role; policies: pulumi.Resource[] },
    template: ec2.LaunchTemplate,
    { account, network, sizes, architecture }: ClusterArgs,
    needs: pulumi.Resource[],
  ): eks.NodeGroup {
    const isWorkers = kind === "workers";
    const [least, most] = isWorkers
      ? [sizes.workerNodes, sizes.workerNodesMost]
      : [sizes.serviceNodes, sizes.serviceNodesMost];
    return new eks.NodeGroup(
      kind,
      {
        clusterName: this.eks.name,
        nodeGroupName: `${account.prefix}-${kind}`,
        nodeRoleArn: role.arn,
        subnetIds: network.privateSubnetIds,
        // EKS drains a spot node when it hears that the node will be taken away.
        capacityType: isWorkers ? "SPOT" : "ON_DEMAND",
        instanceTypes: isWorkers ? sizes.workerInstances : [sizes.serviceInstance],
        amiType: architecture === "arm64" ? "AL2023_ARM_64_STANDARD" : "AL2023_x86_64_STANDARD",
        scalingConfig: { minSize: least, maxSize: most, desiredSize: least },
        updateConfig: { maxUnavailable: 1 },
        nodeRepairConfig: { enabled: true },
        launchTemplate: { id: template.id, version: template.latestVersion.apply(String) },
        labels: { [nodeLabel]: kind },
        // Only what can lose its node at any time says that it bears this.
        taints: isWorkers ? [{ key: nodeLabel, value: kind, effect: "NO_SCHEDULE" }] : [],
      },
      // How many there are is the autoscaler's to say after the first time. It knows the groups by tags that EKS gives them.
      { parent: this, dependsOn: [...needs, ...policies], ignoreChanges: ["scalingConfig.desiredSize"] },
    );
  }
}

function attach(policy: string, owner: string, role: iam.Role, account: Account): iam.RolePolicyAttachment {
  return new iam.RolePolicyAttachment(
    `${owner}-${policy}`,
    { role: role.name, policyArn: managedPolicy(account, policy) },
    { parent: role },
  );
}

function renderKubeconfig(cluster: eks.Cluster, { region }: Account): pulumi.Output<string> {
  const name = "lakestack";
  return pulumi.jsonStringify({
    apiVersion: "v1",
    kind: "Config",
    "current-context": name,
    contexts: [{ name, context: { cluster: name, user: name } }],
    clusters: [
      {
        name,
        cluster: {
          server: cluster.endpoint,
          "certificate-authority-data": cluster.certificateAuthority.apply(({ data }) => data),
        },
      },
    ],
    users: [
      {
        name,
        user: {
          exec: {
            apiVersion: "client.authentication.k8s.io/v1beta1",
            command: "aws",
            args: ["--region", region, "eks", "get-token", "--cluster-name", cluster.name],
            interactiveMode: "Never",
          },
        },
      },
    ],
  });
}
