import * as kms from "@pulumi/aws/kms";
import * as pulumi from "@pulumi/pulumi";
import type { Account } from "./account";
import { policyDocument } from "./policy-document";
import type { Statement } from "./policy-document";
import { dataOptions } from "./protection";

export interface EncryptionArgs {
  account: Account;
  ephemeral: boolean;
}

/** The stack's own keys. Three, so that who may read logs or start nodes cannot read tables. */
export class Encryption extends pulumi.ComponentResource {
  /** Buckets, database, passwords. Without it the data is lost. */
  readonly data: kms.Key;
  /** The cluster's secrets, the disks of nodes and pods, images. */
  readonly cluster: kms.Key;
  /** Logs and alarms. */
  readonly logs: kms.Key;

  constructor(name: string, args: EncryptionArgs, options?: pulumi.ComponentResourceOptions) {
    super("lakestack:aws:Encryption", name, {}, options);
    this.data = this.key("data", "buckets, database, passwords", args, []);
    this.cluster = this.key("cluster", "cluster secrets, disks, images", args, disksMayUse(args.account));
    this.logs = this.key("logs", "logs and alarms", args, logsMayUse(args.account));
    this.registerOutputs({ data: this.data.arn, cluster: this.cluster.arn, logs: this.logs.arn });
  }

  private key(
    name: string,
    what: string,
    { account, ephemeral }: EncryptionArgs,
    statements: Statement[],
  ): kms.Key {
    const key = new kms.Key(
      name,
      {
        description: `${account.prefix}: ${what}`,
        enableKeyRotation: true,
        deletionWindowInDays: ephemeral ? 7 : 30,
        policy: policyDocument([accountMayUse(account), ...statements]),
      },
      dataOptions(this, ephemeral),
    );
    new kms.Alias(
      name,
      { name: `alias/${account.prefix}-${name}`, targetKeyId: key.keyId },
      { parent: this },
    );
    return key;
  }
}

/** Hands the key to the account's IAM policies: without this statement nobody could ever change the key again. */
function accountMayUse({ id, partition }: Account): Statement {
  return {
    Sid: "Account",
    Effect: "Allow",
    Principal: { AWS: pulumi.interpolate`arn:${partition}:iam::${id}:root` },
    Action: ["kms:*"],
    Resource: ["*"],
  };
}

/**
 * Whoever may use disks in this account may use the key by way of EC2, as with AWS's own key for disks: among them
 * autoscaling, which starts the nodes. Its role cannot be named here, since a clean account does not have it yet.
 */
function disksMayUse({ id, region }: Account): Statement[] {
  return [
    {
      Sid: "Disks",
      Effect: "Allow",
      Principal: { AWS: "*" },
      Action: [
        "kms:Encrypt",
        "kms:Decrypt",
        "kms:ReEncrypt*",
        "kms:GenerateDataKey*",
        "kms:CreateGrant",
        "kms:DescribeKey",
      ],
      Resource: ["*"],
      Condition: {
        StringEquals: { "kms:CallerAccount": id, "kms:ViaService": `ec2.${region}.amazonaws.com` },
      },
    },
  ];
}

/** CloudWatch encrypts log groups of this account only, and publishes its alarms to an encrypted topic. */
function logsMayUse({ id, partition, region }: Account): Statement[] {
  return [
    {
      Sid: "LogGroups",
      Effect: "Allow",
      Principal: { Service: `logs.${region}.amazonaws.com` },
      Action: ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"],
      Resource: ["*"],
      Condition: {
        StringLike: {
          "kms:EncryptionContext:aws:logs:arn": pulumi.interpolate`arn:${partition}:logs:${region}:${id}:log-group:*`,
        },
      },
    },
    {
      Sid: "Alarms",
      Effect: "Allow",
      Principal: { Service: "cloudwatch.amazonaws.com" },
      Action: ["kms:Decrypt", "kms:GenerateDataKey*"],
      Resource: ["*"],
      Condition: { StringEquals: { "aws:SourceAccount": id } },
    },
  ];
}
