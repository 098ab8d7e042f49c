/** What the buckets of the object store are for: the tables, data that is ingested, Spark's event logs, lineage, who did what. */
export const bucketPurposes = ["warehouse", "source", "events", "lineage", "audit"] as const;
export type BucketPurpose = (typeof bucketPurposes)[number];

/** Days after which objects of the audit log go: what they told is in its tables. Longer than a year of books. */
export const auditObjectDays = 400;

/** Read; read, write and delete; or put objects there that one can't list or read afterwards. */
export type BucketUse = "read" | "write" | "add";

/** One service's right on one bucket. */
export interface BucketAccess {
  bucket: BucketPurpose;
  use: BucketUse;
}

/**
 * Who may do what in the object store: one identity a service, each with the buckets it works on and no more. MinIO's
 * users and AWS's roles are made from it. Tables are read and written with keys that the catalog lends, so only the
 * catalog is at home in the warehouse. What tells of lineage can only add to it, and so can what keeps the audit log;
 * Spark reads both like any source, and nobody changes them.
 */
export const objectStoreAccess = {
  catalog: [{ bucket: "warehouse", use: "write" }],
  spark: [
    { bucket: "source", use: "read" },
    { bucket: "events", use: "write" },
    { bucket: "lineage", use: "read" },
    { bucket: "audit", use: "read" },
  ],
  lineage: [{ bucket: "lineage", use: "add" }],
  audit: [{ bucket: "audit", use: "add" }],
} as const satisfies Record<string, readonly BucketAccess[]>;

/** Services that are users of the store. */
export type StoreUser = keyof typeof objectStoreAccess;

/** S3 actions on a bucket and on its objects that a use needs. */
export function storeActions(use: BucketUse): { bucket: string[]; objects: string[] } {
  switch (use) {
    case "read":
      return { bucket: ["s3:ListBucket", "s3:GetBucketLocation"], objects: ["s3:GetObject"] };
    case "write":
      return {
        bucket: ["s3:ListBucket", "s3:GetBucketLocation", "s3:ListBucketMultipartUploads"],
        objects: [
          "s3:GetObject",
          "s3:PutObject",
          "s3:DeleteObject",
          "s3:AbortMultipartUpload",
          "s3:ListMultipartUploadParts",
        ],
      };
    case "add":
      return { bucket: [], objects: ["s3:PutObject"] };
  }
}
