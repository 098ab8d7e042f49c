import * as s3 from "@pulumi/aws/s3";
import * as pulumi from "@pulumi/pulumi";
import { auditObjectDays, bucketPurposes } from "../access";
import type { BucketPurpose } from "../access";
import type { Account } from "./account";
import { policyDocument } from "./policy-document";
import { dataOptions } from "./protection";

export interface StorageArgs {
  account: Account;
  /** Key of the buckets' objects. */
  keyArn: pulumi.Input<string>;
  /** Buckets that exist already, by name: taken as they are. */
  existing: { [P in BucketPurpose]?: string };
  ephemeral: boolean;
}

/** A bucket as the services see it. */
export interface BucketRef {
  name: pulumi.Output<string>;
  arn: pulumi.Output<string>;
}

/** Days after which what is of no more use goes. */
const days = { incompleteUpload: 7, oldVersion: 30, eventLog: 90, accessLog: 90 };

/** The buckets: tables, source data, Spark's event logs, lineage, the audit log, and who asked for what. */
export class Storage extends pulumi.ComponentResource {
  readonly buckets: Record<BucketPurpose, BucketRef>;
  /** The buckets are there with all their settings. */
  readonly ready: pulumi.Resource[] = [];

  constructor(name: string, args: StorageArgs, options?: pulumi.ComponentResourceOptions) {
    super("lakestack:aws:Storage", name, {}, options);
    const own = bucketPurposes.filter((place) => args.existing[place] === undefined);
    const logs = own.length > 0 ? this.accessLogs(args) : undefined;
    const made = new Map(own.map((place) => [place, this.bucket(place, args, logs)]));
    this.buckets = Object.fromEntries(
      bucketPurposes.map((place) => {
        const bucket = made.get(place);
        const existing = args.existing[place] ?? "";
        return [
          place,
          {
            name: bucket?.bucket ?? pulumi.output(existing),
            arn: bucket?.arn ?? pulumi.interpolate`arn:${args.account.partition}:s3:::${existing}`,
          },
        ];
      }),
    ) as Record<BucketPurpose, BucketRef>;
    this.registerOutputs({});
  }

  private bucket(place: BucketPurpose, args: StorageArgs, logs: s3.Bucket | undefined): s3.Bucket {
    const bucket = this.closed(place, args, [
      {
        applyServerSideEncryptionByDefault: { sseAlgorithm: "aws:kms", kmsMasterKeyId: args.keyArn },
        // One call to KMS for many objects: a tenth of the price and no throttling of a wide scan.
        bucketKeyEnabled: true,
      },
    ]);
    new s3.BucketVersioning(
      place,
      { bucket: bucket.bucket, versioningConfiguration: { status: "Enabled" } },
      { parent: this },
    );
    new s3.BucketLifecycleConfiguration(
      place,
      {
        bucket: bucket.bucket,
        rules: [
          tidy,
          ...(place === "events" ? [expire("event-logs", days.eventLog)] : []),
          // What is older is in the tables.
          ...(place === "audit" ? [expire("audit", auditObjectDays)] : []),
        ],
      },
      { parent: this },
    );
    if (logs !== undefined) {
      new s3.BucketLogging(
        place,
        { bucket: bucket.bucket, targetBucket: logs.bucket, targetPrefix: `${place}/` },
        { parent: this },
      );
    }
    if (place === "events") {
      // Spark's history server fails on a prefix that isn't there.
      const prefix = new s3.BucketObjectv2(
        "spark-events",
        { bucket: bucket.bucket, key: "spark-events/", content: "\n", kmsKeyId: args.keyArn },
        { parent: this, dependsOn: this.ready },
      );
      this.ready.push(prefix);
    }
    return bucket;
  }

  /** Where S3 writes who asked for what. S3 can write only to a bucket that is encrypted with its own key. */
  private accessLogs(args: StorageArgs): s3.Bucket {
    const bucket = this.closed(
      "access-logs",
      args,
      [{ applyServerSideEncryptionByDefault: { sseAlgorithm: "AES256" } }],
      (arn) => [
        {
          Sid: "AccessLogs",
          Effect: "Allow",
          Principal: { Service: "logging.s3.amazonaws.com" },
          Action: ["s3:PutObject"],
          Resource: [pulumi.interpolate`${arn}/*`],
          Condition: { StringEquals: { "aws:SourceAccount": args.account.id } },
        },
      ],
    );
    new s3.BucketLifecycleConfiguration(
      "access-logs",
      { bucket: bucket.bucket, rules: [tidy, expire("access-logs", days.accessLog)] },
      { parent: this },
    );
    return bucket;
  }

  /** A bucket that nobody outside the account reaches, and nobody without TLS. */
  private closed(
    name: string,
    { account, ephemeral }: StorageArgs,
    encryption: s3.BucketServerSideEncryptionConfigurationArgs["rules"],
    statements: (arn: pulumi.Output<string>) => Parameters<typeof policyDocument>[0] = () => [],
  ): s3.Bucket {
    const bucket = new s3.Bucket(
      name,
      { bucket: pulumi.interpolate`${account.prefix}-${name}-${account.id}`, forceDestroy: ephemeral },
      dataOptions(this, ephemeral),
    );
    // Not the bucket: what belongs to something protected is protected with it, and these may be changed.
    const parent = { parent: this };
    const block = new s3.BucketPublicAccessBlock(
      name,
      {
        bucket: bucket.bucket,
        blockPublicAcls: true,
        blockPublicPolicy: true,
        ignorePublicAcls: true,
        restrictPublicBuckets: true,
      },
      parent,
    );
    new s3.BucketOwnershipControls(
      name,
      { bucket: bucket.bucket, rule: { objectOwnership: "BucketOwnerEnforced" } },
      parent,
    );
    const encrypted = new s3.BucketServerSideEncryptionConfiguration(
      name,
      { bucket: bucket.bucket, rules: encryption },
      parent,
    );
    const policy = new s3.BucketPolicy(
      name,
      {
        bucket: bucket.bucket,
        policy: policyDocument([
          {
            Sid: "OnlyTls",
            Effect: "Deny",
            Principal: "*",
            Action: ["s3:*"],
            Resource: [bucket.arn, pulumi.interpolate`${bucket.arn}/*`],
            Condition: { Bool: { "aws:SecureTransport": "false" } },
          },
          ...statements(bucket.arn),
        ]),
      },
      { parent: this, dependsOn: [block] },
    );
    this.ready.push(encrypted, policy);
    return bucket;
  }
}

/** Uploads that were never finished cost like objects and are shown nowhere. */
const tidy = {
  id: "tidy",
  status: "Enabled",
  filter: { prefix: "" },
  abortIncompleteMultipartUpload: { daysAfterInitiation: days.incompleteUpload },
  noncurrentVersionExpiration: { noncurrentDays: days.oldVersion },
};

const expire = (id: string, after: number) => ({
  id,
  status: "Enabled",
  filter: { prefix: "" },
  expiration: { days: after },
});
