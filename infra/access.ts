/** What the stack keeps in its object store, whatever the store and whatever the buckets' names. */
export const places = ["warehouse", "source", "events"] as const;
export type Place = (typeof places)[number];

/** One service's right on one place. */
export interface PlaceAccess {
  place: Place;
  write: boolean;
}

/**
 * Who may do what in the object store: one identity a service, each with the places it works on and no more. MinIO's
 * users and AWS's roles are made from it. Tables are read and written with keys that the catalog lends, so only the
 * catalog is at home in the warehouse.
 */
export const objectStoreAccess = {
  catalog: [{ place: "warehouse", write: true }],
  spark: [
    { place: "source", write: false },
    { place: "events", write: true },
  ],
} as const satisfies Record<string, readonly PlaceAccess[]>;

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
