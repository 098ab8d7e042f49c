import * as cloudwatch from "@pulumi/aws/cloudwatch";
import * as iam from "@pulumi/aws/iam";
import * as pulumi from "@pulumi/pulumi";
import type { Account } from "./account";
import { policyDocument, trustService } from "./policy-document";

export interface ObservabilityArgs {
  account: Account;
  keyArn: pulumi.Input<string>;
  retentionDays: number;
}

/** Log groups that AWS's agents write to, by what they hold. */
type Log = "control-plane" | "application" | "dataplane" | "host" | "performance" | "network";

/**
 * Log groups, made before those who write to them: what AWS makes by itself has no key of ours and is kept for ever.
 * Their names are given by AWS.
 */
export class Observability extends pulumi.ComponentResource {
  readonly groups: Record<Log, cloudwatch.LogGroup>;
  /** For the network's flow log. */
  readonly flowLog: { roleArn: pulumi.Output<string>; logGroupArn: pulumi.Output<string> };

  constructor(name: string, args: ObservabilityArgs, options?: pulumi.ComponentResourceOptions) {
    super("lakestack:aws:Observability", name, {}, options);
    const { prefix } = args.account;
    const group = (log: Log, path: string) =>
      new cloudwatch.LogGroup(
        log,
        { name: path, kmsKeyId: args.keyArn, retentionInDays: args.retentionDays },
        { parent: this },
      );
    this.groups = {
      "control-plane": group("control-plane", `/aws/eks/${prefix}/cluster`),
      application: group("application", `/aws/containerinsights/${prefix}/application`),
      dataplane: group("dataplane", `/aws/containerinsights/${prefix}/dataplane`),
      host: group("host", `/aws/containerinsights/${prefix}/host`),
      performance: group("performance", `/aws/containerinsights/${prefix}/performance`),
      network: group("network", `/aws/vpc/${prefix}/refused`),
    };
    this.flowLog = { roleArn: this.flowLogRole(args).arn, logGroupArn: this.groups.network.arn };
    this.registerOutputs({});
  }

  /** The groups that the cluster's own agents would otherwise make. */
  clusterGroups(): pulumi.Resource[] {
    return Object.values(this.groups).filter((group) => group !== this.groups.network);
  }

  private flowLogRole({ account }: ObservabilityArgs): iam.Role {
    const role = new iam.Role(
      "flow-log",
      { name: `${account.prefix}-flow-log`, assumeRolePolicy: trustService("vpc-flow-logs.amazonaws.com") },
      { parent: this },
    );
    new iam.RolePolicy(
      "flow-log",
      {
        role: role.name,
        policy: policyDocument([
          {
            Sid: "Write",
            Effect: "Allow",
            Action: ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"],
            Resource: [pulumi.interpolate`${this.groups.network.arn}:*`],
          },
        ]),
      },
      { parent: role },
    );
    return role;
  }
}
