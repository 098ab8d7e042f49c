import type * as pulumi from "@pulumi/pulumi";
import type { BucketPurpose, StoreUser } from "../access";
import type { Deployment } from "../platform";
import type { Secrets } from "../secrets";

export type { BucketPurpose, StoreUser } from "../access";

/** A key pair of the store. */
export interface StoreKeys {
  user: pulumi.Input<string>;
  key: pulumi.Input<string>;
}

/** An S3 object store, as the services need to know it: the stack's own, or any other. */
export interface ObjectStorage {
  /** URL without a path; AWS's own, by the region, if absent. */
  readonly endpoint?: string;
  readonly region: string;
  /** Bucket names in the path (MinIO), not in the host name (AWS). */
  readonly pathStyle: boolean;
  readonly buckets: Readonly<Record<BucketPurpose, pulumi.Input<string>>>;
  /** Undefined: the platform gives the service's pods their identity. */
  keys(user: StoreUser): StoreKeys | undefined;
  /** How the catalog lends keys for single tables (STS). */
  readonly lending: {
    /** The role whose rights are lent, cut down to the table. MinIO takes any. */
    role: pulumi.Input<string>;
    /** URL of the token service; AWS's own if absent. */
    endpoint?: string;
    /** Hours that a key is good for: longer than the longest job. A role that a role has taken on allows one. */
    hours: number;
  };
  /** The store answers, and holds the buckets and identities. */
  readonly deployment: Deployment;
}

/** Where an object store is, once the names are known. */
export interface StoreSettings {
  endpoint?: string;
  region: string;
  pathStyle: boolean;
  user?: string;
  key?: string;
}

/** MinIO takes any role: what it lends is cut down from the rights of the user who asks. */
export const anyRole = "arn:aws:iam::000000000000:role/lakestack";

export interface OutsideObjectStoreArgs {
  secrets: Secrets;
  endpoint?: string;
  region: string;
  pathStyle: boolean;
  buckets: Record<BucketPurpose, string>;
}

/**
 * An S3 store that others run, with its buckets, the users `catalog`, `spark`, `lineage` and `audit` and their keys. The keys are
 * those of the stack's secrets, which can be set (`catalogObjectStoreKey`, `sparkObjectStoreKey`, …).
 */
export function outsideObjectStore(args: OutsideObjectStoreArgs): ObjectStorage {
  return {
    ...args,
    keys: (user) => storeKeys(args.secrets, user),
    lending: { role: anyRole, endpoint: args.endpoint, hours: 12 },
    deployment: { ready: [] },
  };
}

/** A service's name and key in a store where each has its own. */
export function storeKeys(secrets: Secrets, user: StoreUser): StoreKeys {
  const keys: Record<StoreUser, pulumi.Output<string>> = {
    catalog: secrets.catalogObjectStoreKey,
    spark: secrets.sparkObjectStoreKey,
    lineage: secrets.lineageObjectStoreKey,
    audit: secrets.auditObjectStoreKey,
  };
  return { user, key: keys[user] };
}
