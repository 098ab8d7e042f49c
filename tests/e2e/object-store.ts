import { readFile } from "node:fs/promises";
import { PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { outputs } from "./lakestack";

// The SDK would print when it will drop this version of Node.js.
process.env["AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED"] = "true";

/** Puts files into the bucket of the sources: key in the bucket, file on this machine. */
export async function put(files: ReadonlyMap<string, string>): Promise<void> {
  const client = new S3Client({
    endpoint: outputs.objectStoreUrl,
    region: "us-east-1",
    forcePathStyle: true,
    credentials: { accessKeyId: outputs.objectStoreUser, secretAccessKey: outputs.objectStorePassword },
  });
  try {
    const send = async ([key, file]: [string, string]) =>
      client.send(new PutObjectCommand({ Bucket: "source", Key: key, Body: await readFile(file) }));
    await Promise.all([...files].map(send));
  } finally {
    client.destroy();
  }
}
