/** What the buckets of the object store are for: the tables, data that is ingested, Spark's event logs. */
export const bucketPurposes = ["warehouse", "source", "events"] as const;
export type BucketPurpose = (typeof bucketPurposes)[number];

/** One service's right on one bucket. */
export interface BucketAccess {
  bucket: BucketPurpose;
  write: boolean;
}

/**
 * Who may do what in the object store: one identity a service, each with the buckets it works on and no more. MinIO's
 * users and AWS's roles are made from it. Tables are read and written with keys that the catalog lends, so only the
 * catalog is at home in the warehouse.
 */
export const objectStoreAccess = {
  catalog: [{ bucket: "warehouse", write: true }],
  spark: [
    { bucket: "source", write: false },
    { bucket: "events", write: true },
  ],
} as const satisfies Record<string, readonly BucketAccess[]>;

/** Services that are users of the store. */
export type StoreUser = keyof typeof objectStoreAccess;

/** S3 actions on a bucket and on its objects that reading or writing needs. */
export function storeActions(write: boolean): { bucket: string[]; objects: string[] } {
  return write
    ? {
        bucket: ["s3:ListBucket", "s3:GetBucketLocation", "s3:ListBucketMultipartUploads"],
        objects: [
          "s3:GetObject",
          "s3:PutObject",
          "s3:DeleteObject",
          "s3:AbortMultipartUpload",
          "s3:ListMultipartUploadParts",
        ],
      }
    : { bucket: ["s3:ListBucket", "s3:GetBucketLocation"], objects: ["s3:GetObject"] };
}
