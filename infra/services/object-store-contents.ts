import * as pulumi from "@pulumi/pulumi";

/** How the machine that runs Pulumi reaches the store, as its root user. */
export interface StoreConnection {
  endpoint: string;
  region: string;
  accessKey: string;
  secretKey: string;
}

interface BucketInputs extends StoreConnection {
  bucket: string;
  /** Empty objects that stand for folders, each ending in "/". */
  folders?: string[];
  /** Days after which objects go. For ever, if absent. */
  keepDays?: number;
}

/** One user of the store, and the S3 actions that it may take on buckets and on their objects. */
export interface StoreIdentity {
  /** Access key, 3 to 20 characters. */
  name: string;
  secretKey: string;
  access: { bucket: string; actions: { bucket: string[]; objects: string[] } }[];
}

interface IdentitiesInputs extends StoreConnection {
  identities: StoreIdentity[];
}

export type Inputs<T> = { [K in keyof T]: pulumi.Input<T[K]> };

/*
 * Dynamic providers: Pulumi serialises their functions into the state and runs them in a process of its own,
 * so each requires what it needs inside itself. Every operation can be repeated without harm.
 */

const bucketProvider: pulumi.dynamic.ResourceProvider<BucketInputs, BucketInputs> = {
  async create(inputs) {
    await makeBucket(inputs);
    return { id: inputs.bucket, outs: inputs };
  },
  async update(_id, _old, inputs) {
    await makeBucket(inputs);
    return { outs: inputs };
  },
  diff(_id, old, inputs) {
    const keys = ["bucket", "folders", "keepDays", "endpoint", "region", "accessKey", "secretKey"] as const;
    const changes = keys.some((key) => JSON.stringify(old[key]) !== JSON.stringify(inputs[key]));
    return Promise.resolve({ changes, replaces: old.bucket === inputs.bucket ? [] : ["bucket"] });
  },
};

export async function makeBucket(inputs: BucketInputs): Promise<void> {
  // The SDK's notice about Node.js versions is for developers, and would stand among the deployment's messages.
  process.env["AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED"] = "true";
  const { S3Client, CreateBucketCommand, PutBucketLifecycleConfigurationCommand, PutObjectCommand } =
    await import("@aws-sdk/client-s3");
  const client = new S3Client({
    endpoint: inputs.endpoint,
    region: inputs.region,
    forcePathStyle: true,
    credentials: { accessKeyId: inputs.accessKey, secretAccessKey: inputs.secretKey },
  });
  try {
    await client.send(new CreateBucketCommand({ Bucket: inputs.bucket }));
  } catch (error) {
    if (!(error instanceof Error && error.name === "BucketAlreadyOwnedByYou")) throw error;
  }
  for (const folder of inputs.folders ?? []) {
    await client.send(
      new PutObjectCommand({ Bucket: inputs.bucket, Key: folder, Body: "", ContentLength: 0 }),
    );
  }
  if (inputs.keepDays === undefined) return;
  const rule = {
    ID: "expire",
    Status: "Enabled",
    Filter: { Prefix: "" },
    Expiration: { Days: inputs.keepDays },
  } as const;
  await client.send(
    new PutBucketLifecycleConfigurationCommand({
      Bucket: inputs.bucket,
      LifecycleConfiguration: { Rules: [rule] },
    }),
  );
}

/** A bucket of the object store, made if it is missing. */
export class Bucket extends pulumi.dynamic.Resource {
  constructor(name: string, args: Inputs<BucketInputs>, options?: pulumi.CustomResourceOptions) {
    super(
      bucketProvider,
      name,
      args,
      { ...options, additionalSecretOutputs: ["secretKey"] },
      "services",
      "Bucket",
    );
  }
}

const identitiesProvider: pulumi.dynamic.ResourceProvider<IdentitiesInputs, IdentitiesInputs> = {
  async create(inputs) {
    await importIdentities(inputs);
    return { id: "identities", outs: inputs };
  },
  async update(_id, _old, inputs) {
    await importIdentities(inputs);
    return { outs: inputs };
  },
};

/** Users and their policies in the form that MinIO's admin API takes: one zip file. The same content, the same bytes. */
export async function identitiesArchive(identities: StoreIdentity[]): Promise<Uint8Array> {
  const { strToU8, zipSync } = await import("fflate");

  const statements = ({ bucket, actions }: StoreIdentity["access"][number]) =>
    [
      { Effect: "Allow", Action: actions.bucket, Resource: [`arn:aws:s3:::${bucket}`] },
      { Effect: "Allow", Action: actions.objects, Resource: [`arn:aws:s3:::${bucket}/*`] },
    ].filter(({ Action }) => Action.length > 0);
  const each = (value: (identity: StoreIdentity) => unknown) =>
    strToU8(
      JSON.stringify(Object.fromEntries(identities.map((identity) => [identity.name, value(identity)]))),
    );
  return zipSync(
    {
      "iam-assets/policies.json": each(({ access }) => ({
        Version: "2012-10-17",
        Statement: access.flatMap(statements),
      })),
      "iam-assets/users.json": each(({ secretKey }) => ({ secretKey, status: "enabled" })),
      "iam-assets/user_mappings.json": each(({ name }) => ({
        version: 1,
        policy: name,
        updatedAt: "2026-01-01T00:00:00Z",
      })),
    },
    { level: 0, mtime: new Date(1980, 0, 1) },
  );
}

/** MinIO's admin API takes users and policies as one zip file; no client of MinIO's own is needed. */
export async function importIdentities(inputs: IdentitiesInputs): Promise<void> {
  const { SignatureV4 } = await import("@smithy/signature-v4");
  const { Sha256 } = await import("@aws-crypto/sha256-js");
  const body = await identitiesArchive(inputs.identities);

  const url = new URL("/minio/admin/v3/import-iam-v2", inputs.endpoint);
  const signer = new SignatureV4({
    service: "s3",
    region: inputs.region,
    sha256: Sha256,
    credentials: { accessKeyId: inputs.accessKey, secretAccessKey: inputs.secretKey },
  });
  const signed = await signer.sign({
    method: "PUT",
    protocol: url.protocol,
    hostname: url.hostname,
    port: Number(url.port),
    path: url.pathname,
    headers: { host: url.host, "content-type": "application/octet-stream" },
    body,
  });
  const response = await fetch(url, {
    method: "PUT",
    // A refused body is not read to its end: the connection is of no use after that.
    headers: { ...signed.headers, connection: "close" },
    body: Buffer.from(body),
  });
  const answer = await response.text();
  if (!response.ok) throw new Error(`The object store refused the identities: ${response.status} ${answer}`);
  const { failed } = JSON.parse(answer || "{}") as { failed?: Record<string, unknown[] | null> };
  const failures = Object.entries(failed ?? {}).filter(([, list]) => (list?.length ?? 0) > 0);
  if (failures.length > 0)
    throw new Error(`The object store refused some identities: ${JSON.stringify(failures)}`);
}

/** The users of the object store and their policies, all brought in at once. */
export class StoreIdentities extends pulumi.dynamic.Resource {
  constructor(
    name: string,
    args: Inputs<StoreConnection> & { identities: pulumi.Input<Inputs<StoreIdentity>[]> },
    options?: pulumi.CustomResourceOptions,
  ) {
    super(
      identitiesProvider,
      name,
      args,
      { ...options, additionalSecretOutputs: ["secretKey", "identities"] },
      "services",
      "StoreIdentities",
    );
  }
}
