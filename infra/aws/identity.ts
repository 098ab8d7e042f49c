import * as eks from "@pulumi/aws/eks";
import * as iam from "@pulumi/aws/iam";
import * as pulumi from "@pulumi/pulumi";
import { objectStoreAccess, storeActions } from "../access";
import type { BucketPurpose, BucketAccess, StoreUser } from "../access";
import { auditKeeper } from "../connections";
import type { Account } from "./account";
import { policyDocument, trustPods } from "./policy-document";
import type { Statement } from "./policy-document";
import type { BucketRef } from "./storage";

export interface IdentityArgs {
  account: Account;
  buckets: Record<BucketPurpose, BucketRef>;
  /** Key of the buckets that this stack makes. */
  dataKeyArn: pulumi.Input<string>;
  /** Key of an existing source bucket, if it has one of its own. */
  sourceKeyArn?: string;
  /** Buckets beside the stack's own that sources are read from as the pods' roles, without keys. */
  sourceBuckets: string[];
  clusterName: pulumi.Input<string>;
  /** Namespace of the services' accounts. */
  namespace: string;
}

interface PodRights {
  /** As which users of the object store its workload works. */
  users: readonly StoreUser[];
  workload: string;
  /** The only bucket of its users' that it works on. Default: all. */
  only?: BucketPurpose;
}

/**
 * The roles of pods. A workload that is not here has no rights in AWS at all: Trino reads and writes tables with keys
 * that the catalog lends it.
 */
const podRoles = {
  catalog: { users: ["catalog"], workload: "catalog" },
  spark: { users: ["spark"], workload: "spark-worker" },
  "spark-history": { users: ["spark"], workload: "spark-history", only: "events" },
  // Beside its tasks are the drivers of their jobs.
  scheduler: { users: ["spark", "lineage"], workload: "airflow-scheduler" },
  audit: { users: ["audit"], workload: auditKeeper },
} as const satisfies Record<string, PodRights>;

type PodRole = keyof typeof podRoles;

/** One role a service, least rights, from the same declaration as MinIO's users. */
export class Identity extends pulumi.ComponentResource {
  readonly roles: Record<PodRole, iam.Role>;
  /** The role whose keys the catalog lends, each cut down to one table. */
  readonly lending: iam.Role;
  /** Which service account works as which role. A pod gets its keys only if it starts after this is known. */
  readonly associations: pulumi.Resource[];

  constructor(name: string, args: IdentityArgs, options?: pulumi.ComponentResourceOptions) {
    super("lakestack:aws:Identity", name, {}, options);
    this.roles = {
      catalog: this.podRole("catalog", args),
      spark: this.podRole("spark", args),
      "spark-history": this.podRole("spark-history", args),
      scheduler: this.podRole("scheduler", args),
      audit: this.podRole("audit", args),
    };
    this.lending = this.lendingRole(this.roles.catalog, args);
    this.associations = this.associate(args);
    this.registerOutputs({ lending: this.lending.arn });
  }

  /** A service account is named like its workload. */
  private associate({ clusterName, namespace }: IdentityArgs): pulumi.Resource[] {
    return (Object.entries(this.roles) as [PodRole, iam.Role][]).map(([name, role]) => {
      const serviceAccount = podRoles[name].workload;
      return new eks.PodIdentityAssociation(
        serviceAccount,
        // Session tags would have to be allowed again at each further role, and nothing here asks for them.
        { clusterName, namespace, serviceAccount, roleArn: role.arn, disableSessionTags: true },
        { parent: role },
      );
    });
  }

  private podRole(name: PodRole, args: IdentityArgs): iam.Role {
    const role = new iam.Role(
      name,
      { name: `${args.account.prefix}-${name}`, assumeRolePolicy: trustPods() },
      { parent: this },
    );
    const { users, only }: PodRights = podRoles[name];
    const access = users
      .flatMap((user): readonly BucketAccess[] => objectStoreAccess[user])
      .filter(({ bucket }) => only === undefined || bucket === only);
    const statements = bucketStatements(access, args);
    new iam.RolePolicy(name, { role: role.name, policy: policyDocument(statements) }, { parent: role });
    return role;
  }

  /**
   * Only the catalog may take this role, and it does so with a session policy for the one table that it was asked for.
   * A role taken by a role lasts an hour at most (IAM: role chaining).
   */
  private lendingRole(catalog: iam.Role, args: IdentityArgs): iam.Role {
    const name = "catalog-lending";
    const role = new iam.Role(
      name,
      {
        name: `${args.account.prefix}-${name}`,
        maxSessionDuration: 3600,
        assumeRolePolicy: policyDocument([
          { Sid: "Catalog", Effect: "Allow", Principal: { AWS: catalog.arn }, Action: ["sts:AssumeRole"] },
        ]),
      },
      { parent: this },
    );
    const statements = bucketStatements(objectStoreAccess.catalog, args);
    new iam.RolePolicy(name, { role: role.name, policy: policyDocument(statements) }, { parent: role });
    new iam.RolePolicy(
      "catalog-may-lend",
      {
        role: catalog.name,
        policy: policyDocument([
          { Sid: "Lend", Effect: "Allow", Action: ["sts:AssumeRole"], Resource: [role.arn] },
        ]),
      },
      { parent: catalog },
    );
    return role;
  }
}

/** The statements for a declared access: buckets, their objects, and the keys that the objects are encrypted with. */
function bucketStatements(access: readonly BucketAccess[], args: IdentityArgs): Statement[] {
  const buckets = access.flatMap(({ bucket, use }): Statement[] => {
    const { arn } = args.buckets[bucket];
    const actions = storeActions(use);
    const sid = [use, bucket].map((word) => `${word.charAt(0).toUpperCase()}${word.slice(1)}`).join("");
    const statements: Statement[] = [
      { Sid: `${sid}Bucket`, Effect: "Allow", Action: actions.bucket, Resource: [arn] },
      {
        Sid: `${sid}Objects`,
        Effect: "Allow",
        Action: actions.objects,
        Resource: [pulumi.interpolate`${arn}/*`],
      },
    ];
    return statements.filter(({ Action }) => Action.length > 0);
  });
  const writes = access.some(({ use }) => use !== "read");
  const actions = writes ? ["kms:Decrypt", "kms:GenerateDataKey"] : ["kms:Decrypt"];
  const foreign =
    args.sourceKeyArn !== undefined && access.some(({ bucket }) => bucket === "source")
      ? [keyStatement("SourceKey", args.sourceKeyArn, ["kms:Decrypt"])]
      : [];
  return [
    ...buckets,
    ...otherBuckets(access, args),
    keyStatement("Key", args.dataKeyArn, actions),
    ...foreign,
  ];
}

/** Whoever reads the source's bucket reads those that sources name beside it, too. */
function otherBuckets(
  access: readonly BucketAccess[],
  { account, sourceBuckets }: IdentityArgs,
): Statement[] {
  if (sourceBuckets.length === 0 || !access.some(({ bucket }) => bucket === "source")) return [];
  const actions = storeActions("read");
  const arns = sourceBuckets.map((name) => pulumi.interpolate`arn:${account.partition}:s3:::${name}`);
  return [
    { Sid: "ReadOtherBuckets", Effect: "Allow", Action: actions.bucket, Resource: arns },
    {
      Sid: "ReadOtherObjects",
      Effect: "Allow",
      Action: actions.objects,
      Resource: arns.map((arn) => pulumi.interpolate`${arn}/*`),
    },
  ];
}

/** A key, but only by way of S3, which asks for it on the caller's behalf; in whatever region the bucket is. */
function keyStatement(Sid: string, keyArn: pulumi.Input<string>, Action: string[]): Statement {
  return {
    Sid,
    Effect: "Allow",
    Action,
    Resource: [keyArn],
    Condition: { StringLike: { "kms:ViaService": "s3.*.amazonaws.com" } },
  };
}
