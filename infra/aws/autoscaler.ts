import * as eks from "@pulumi/aws/eks";
import * as iam from "@pulumi/aws/iam";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { Account } from "./account";
import type { Cluster } from "./cluster";
import { policyDocument, trustPods } from "./policy-document";

export interface AutoscalerArgs {
  account: Account;
  cluster: Cluster;
  /** The cluster autoscaler's image, by digest. */
  image: string;
  kubernetes: k8s.Provider;
}

const name = "cluster-autoscaler";
const namespace = "kube-system";

/** Adds nodes when pods wait for room, and takes away those that are little used. */
export class Autoscaler extends pulumi.ComponentResource {
  constructor(resourceName: string, args: AutoscalerArgs, options?: pulumi.ComponentResourceOptions) {
    super("lakestack:aws:Autoscaler", resourceName, {}, options);
    const association = this.rights(args);
    const inCluster = { parent: this, provider: args.kubernetes, dependsOn: [association] };
    const metadata = { name, namespace, labels: { app: name } };
    const account = new k8s.core.v1.ServiceAccount(name, { metadata }, inCluster);
    const roles = this.kubernetesRights(inCluster);
    new k8s.apps.v1.Deployment(
      name,
      {
        metadata,
        spec: {
          replicas: 1,
          selector: { matchLabels: { app: name } },
          template: { metadata: { labels: { app: name } }, spec: this.pod(args) },
        },
      },
      { ...inCluster, dependsOn: [account, ...roles, association] },
    );
    this.registerOutputs({});
  }

  private pod({ account, image }: AutoscalerArgs): k8s.types.input.core.v1.PodSpec {
    return {
      serviceAccountName: name,
      priorityClassName: "system-cluster-critical",
      nodeSelector: { "lakestack.io/nodes": "services" },
      securityContext: { runAsNonRoot: true, runAsUser: 65534, seccompProfile: { type: "RuntimeDefault" } },
      containers: [
        {
          name,
          image,
          command: [
            "./cluster-autoscaler",
            "--cloud-provider=aws",
            `--node-group-auto-discovery=asg:tag=k8s.io/cluster-autoscaler/enabled,k8s.io/cluster-autoscaler/${account.prefix}`,
            "--balance-similar-node-groups",
            "--expander=least-waste",
            "--skip-nodes-with-system-pods=false",
            // Spark's and Trino's workers keep scratch data in emptyDir: they may go.
            "--skip-nodes-with-local-storage=false",
            "--scale-down-unneeded-time=10m",
          ],
          env: [{ name: "AWS_REGION", value: account.region }],
          resources: { requests: { cpu: "100m", memory: "300Mi" }, limits: { memory: "600Mi" } },
          livenessProbe: { httpGet: { path: "/health-check", port: 8085 }, initialDelaySeconds: 60 },
          securityContext: {
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ["ALL"] },
          },
        },
      ],
    };
  }

  /** In AWS: look at everything that scales, change this cluster's groups only. */
  private rights({ account, cluster }: AutoscalerArgs): eks.PodIdentityAssociation {
    const role = new iam.Role(
      name,
      { name: `${account.prefix}-${name}`, assumeRolePolicy: trustPods() },
      { parent: this },
    );
    new iam.RolePolicy(
      name,
      {
        role: role.name,
        policy: policyDocument([
          {
            Sid: "Look",
            Effect: "Allow",
            Action: [
              "autoscaling:DescribeAutoScalingGroups",
              "autoscaling:DescribeAutoScalingInstances",
              "autoscaling:DescribeLaunchConfigurations",
              "autoscaling:DescribeScalingActivities",
              "autoscaling:DescribeTags",
              "ec2:DescribeImages",
              "ec2:DescribeInstanceTypes",
              "ec2:DescribeLaunchTemplateVersions",
              "ec2:GetInstanceTypesFromInstanceRequirements",
              "eks:DescribeNodegroup",
            ],
            Resource: ["*"],
          },
          {
            Sid: "Scale",
            Effect: "Allow",
            Action: ["autoscaling:SetDesiredCapacity", "autoscaling:TerminateInstanceInAutoScalingGroup"],
            Resource: [
              pulumi.interpolate`arn:${account.partition}:autoscaling:${account.region}:${account.id}:autoScalingGroup:*`,
            ],
            Condition: {
              StringEquals: { [`aws:ResourceTag/k8s.io/cluster-autoscaler/${account.prefix}`]: "owned" },
            },
          },
        ]),
      },
      { parent: role },
    );
    return new eks.PodIdentityAssociation(
      name,
      {
        clusterName: cluster.eks.name,
        namespace,
        serviceAccount: name,
        roleArn: role.arn,
        disableSessionTags: true,
      },
      { parent: role },
    );
  }

  /** In the cluster: what its own documentation asks for. */
  private kubernetesRights(options: pulumi.CustomResourceOptions): pulumi.Resource[] {
    const read = (apiGroup: string, ...resources: string[]) => ({
      apiGroups: [apiGroup],
      resources,
      verbs: ["get", "list", "watch"],
    });
    const rules = [
      read(
        "",
        "pods",
        "services",
        "replicationcontrollers",
        "persistentvolumeclaims",
        "persistentvolumes",
        "namespaces",
      ),
      read("apps", "daemonsets", "replicasets", "statefulsets"),
      read("batch", "jobs", "cronjobs"),
      read("policy", "poddisruptionbudgets"),
      read(
        "storage.k8s.io",
        "storageclasses",
        "csinodes",
        "csidrivers",
        "csistoragecapacities",
        "volumeattachments",
      ),
      read("resource.k8s.io", "resourceclaims", "resourceslices", "deviceclasses"),
      { apiGroups: [""], resources: ["nodes"], verbs: ["get", "list", "watch", "update", "patch"] },
      { apiGroups: [""], resources: ["events", "endpoints"], verbs: ["create", "patch"] },
      { apiGroups: [""], resources: ["pods/eviction"], verbs: ["create"] },
      { apiGroups: [""], resources: ["pods/status"], verbs: ["update"] },
      { apiGroups: ["coordination.k8s.io"], resources: ["leases"], verbs: ["create"] },
      {
        apiGroups: ["coordination.k8s.io"],
        resources: ["leases"],
        resourceNames: [name],
        verbs: ["get", "update"],
      },
      { apiGroups: [""], resources: ["configmaps"], verbs: ["create", "list", "watch"] },
      {
        apiGroups: [""],
        resources: ["configmaps"],
        resourceNames: [`${name}-status`, `${name}-priority-expander`],
        verbs: ["get", "update", "delete", "watch"],
      },
    ];
    const metadata = { name: `lakestack-${name}` };
    const role = new k8s.rbac.v1.ClusterRole(name, { metadata, rules }, options);
    const binding = new k8s.rbac.v1.ClusterRoleBinding(
      name,
      {
        metadata,
        roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: metadata.name },
        subjects: [{ kind: "ServiceAccount", name, namespace }],
      },
      options,
    );
    return [role, binding];
  }
}
