import { readFile } from "node:fs/promises";
import { PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { outputs } from "./lakestack";

// The SDK would print when it will drop this version of Node.js.
process.env["AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED"] = "true";

export const region = "us-east-1";

/** Works with the store as one of its users. */
export async function asUser<T>(
  user: string,
  secret: string,
  work: (client: S3Client) => Promise<T>,
): Promise<T> {
  const client = new S3Client({
    endpoint: outputs.objectStoreUrl,
    region,
    forcePathStyle: true,
    credentials: { accessKeyId: user, secretAccessKey: secret },
  });
  try {
    return await work(client);
  } finally {
    client.destroy();
  }
}

/** Works with the store as its administrator. */
export const asRoot = <T>(work: (client: S3Client) => Promise<T>) =>
  asUser(outputs.objectStoreUser, outputs.objectStorePassword, work);

/** Puts files into the bucket of the sources: key in the bucket, file on this machine. */
export async function put(files: ReadonlyMap<string, string>): Promise<void> {
  await asRoot(async (client) => {
    const send = async ([key, file]: [string, string]) =>
      client.send(new PutObjectCommand({ Bucket: "source", Key: key, Body: await readFile(file) }));
    await Promise.all([...files].map(send));
  });
}
