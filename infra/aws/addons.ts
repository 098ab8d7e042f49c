import * as eks from "@pulumi/aws/eks";
import * as iam from "@pulumi/aws/iam";
import * as pulumi from "@pulumi/pulumi";
import { type Account, managedPolicy } from "./account";
import type { Encryption } from "./encryption";
import { policyDocument, trustPods } from "./policy-document";
import type { Statement } from "./policy-document";

interface AddonArgs {
  account: Account;
  encryption: Encryption;
  kubernetesVersion: string;
}

interface Addon {
  name: string;
  configuration?: object;
  /** Rights of the add-on's own pods. */
  rights?: { serviceAccount: string; managed: string; own?: (args: AddonArgs) => Statement[] };
}

/** Nodes are not ready without these, so they come first; the others need nodes to run on. */
const addons: Record<"beforeNodes" | "afterNodes", Addon[]> = {
  beforeNodes: [
    // Gives pods their roles' keys.
    { name: "eks-pod-identity-agent" },
    {
      name: "vpc-cni",
      configuration: { enableNetworkPolicy: "true", env: { ENABLE_PREFIX_DELEGATION: "true" } },
      rights: { serviceAccount: "aws-node", managed: "AmazonEKS_CNI_Policy" },
    },
    { name: "kube-proxy" },
  ],
  afterNodes: [
    { name: "coredns" },
    {
      name: "aws-ebs-csi-driver",
      rights: {
        serviceAccount: "ebs-csi-controller-sa",
        managed: "service-role/AmazonEBSCSIDriverPolicy",
        own: encryptVolumes,
      },
    },
    { name: "metrics-server" },
    {
      // Logs and metrics of nodes and pods go to CloudWatch.
      name: "amazon-cloudwatch-observability",
      configuration: { containerLogs: { enabled: true } },
      rights: { serviceAccount: "cloudwatch-agent", managed: "CloudWatchAgentServerPolicy" },
    },
  ],
};

/** Installs one half of the add-ons, in the versions that EKS holds to be the cluster version's. */
export function installAddons(
  half: keyof typeof addons,
  cluster: eks.Cluster,
  args: AddonArgs,
  parent: pulumi.Resource,
  dependsOn: pulumi.Resource[] = [],
): eks.Addon[] {
  return addons[half].map((addon) => {
    const role = addon.rights === undefined ? undefined : addonRole(addon.name, addon.rights, args, parent);
    return new eks.Addon(
      addon.name,
      {
        clusterName: cluster.name,
        addonName: addon.name,
        addonVersion: eks.getAddonVersionOutput(
          { addonName: addon.name, kubernetesVersion: args.kubernetesVersion },
          { parent },
        ).version,
        ...(addon.configuration === undefined
          ? {}
          : { configurationValues: JSON.stringify(addon.configuration) }),
        resolveConflictsOnCreate: "OVERWRITE",
        resolveConflictsOnUpdate: "OVERWRITE",
        ...(role === undefined
          ? {}
          : { podIdentityAssociations: [{ roleArn: role.role.arn, serviceAccount: role.serviceAccount }] }),
      },
      { parent, dependsOn: [...dependsOn, ...(role?.policies ?? [])] },
    );
  });
}

function addonRole(
  name: string,
  { serviceAccount, managed, own }: NonNullable<Addon["rights"]>,
  args: AddonArgs,
  parent: pulumi.Resource,
) {
  const role = new iam.Role(
    name,
    { name: `${args.account.prefix}-${name}`, assumeRolePolicy: trustPods() },
    { parent },
  );
  const policies: pulumi.Resource[] = [
    new iam.RolePolicyAttachment(
      name,
      { role: role.name, policyArn: managedPolicy(args.account, managed) },
      { parent: role },
    ),
  ];
  if (own !== undefined) {
    policies.push(
      new iam.RolePolicy(name, { role: role.name, policy: policyDocument(own(args)) }, { parent: role }),
    );
  }
  return { role, serviceAccount, policies };
}

/** AWS's policy for the driver knows nothing of keys. The statements are those of the driver's own documentation. */
function encryptVolumes({ encryption }: AddonArgs): Statement[] {
  const Resource = [encryption.cluster.arn];
  return [
    {
      Sid: "Grants",
      Effect: "Allow",
      Action: ["kms:CreateGrant", "kms:ListGrants", "kms:RevokeGrant"],
      Resource,
      Condition: { Bool: { "kms:GrantIsForAWSResource": "true" } },
    },
    {
      Sid: "Volumes",
      Effect: "Allow",
      Action: ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"],
      Resource,
    },
  ];
}
