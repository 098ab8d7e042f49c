import { createHash } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import * as path from "node:path";
import { ListObjectsV2Command, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { projectFolder, type Reporter } from "../toolchain/index";

/** How much of the sample data to load. */
export type SampleSize = "few" | "all" | "none";

/** A folder of the sample data: objects of one source. */
export interface SampleFolder {
  /** Source as the sources file and its DAGs call it. */
  source: string;
  /** First part of every key. */
  folder: string;
  /** Days of the small sample, the first and the last, YYYY-MM-DD. */
  few: [string, string];
}

export const sampleFolders: SampleFolder[] = [
  { source: "media", folder: "Media", few: ["2018-04-14", "2018-04-18"] },
  { source: "tiktokcomment", folder: "TiktokComment", few: ["2015-05-24", "2015-05-28"] },
];

/** An object of the sample data. */
export interface SampleObject {
  /** Key in the bucket, the same as the path in the folder of sample data: Media/2018/04/14/part-00.json. */
  key: string;
  file: string;
  /** YYYY-MM-DD */
  day: string;
}

/** Where objects are put. */
export interface Store {
  endpoint: string;
  user: string;
  password: string;
  bucket: string;
}

const samplesRoot = path.join(projectFolder, "sample-data");

/** The objects of one folder for the size asked for, in the order of their days. */
export async function sampleObjects(
  { folder, few: [first, last] }: SampleFolder,
  size: SampleSize,
  root = samplesRoot,
): Promise<SampleObject[]> {
  if (size === "none") return [];
  const names = await readdir(path.join(root, folder), { recursive: true });
  return names
    .sort()
    .flatMap((name) => {
      const [, year, month, day] = /^(\d{4})\/(\d{2})\/(\d{2})\/[^/]+$/.exec(name) ?? [];
      if (year === undefined || month === undefined || day === undefined) return [];
      const key = `${folder}/${name}`;
      return [{ key, file: path.join(root, key), day: `${year}-${month}-${day}` }];
    })
    .filter(({ day }) => size === "all" || (day >= first && day <= last));
}

/** The months, YYYY-MM, that the objects belong to. */
export function months(objects: readonly SampleObject[]): string[] {
  return [...new Set(objects.map(({ day }) => day.slice(0, 7)))].sort();
}

/**
 * Puts the objects into the bucket; those that are there with the same content stay as they are.
 *
 * @returns the objects that were put.
 */
export async function upload(
  objects: readonly SampleObject[],
  store: Store,
  { reporter, title, signal }: { reporter: Reporter; title: string; signal: AbortSignal },
): Promise<SampleObject[]> {
  // The SDK would print, in the middle of ours, when it will drop this version of Node.js.
  process.env["AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED"] = "true";
  const client = new S3Client({
    endpoint: store.endpoint,
    // MinIO takes any; the client insists on one.
    region: "us-east-1",
    forcePathStyle: true,
    credentials: { accessKeyId: store.user, secretAccessKey: store.password },
  });
  try {
    const present = await listAll(client, store.bucket, commonPrefix(objects.map(({ key }) => key)), signal);
    const absent: SampleObject[] = [];
    for (const object of objects) {
      const known = present.get(object.key);
      if (known === undefined || !(await isSame(object.file, known))) absent.push(object);
    }
    if (absent.length === 0) return [];

    const task = reporter.task(title);
    for (const [index, { key, file }] of absent.entries()) {
      task.update(`${index} of ${absent.length} objects`);
      const put = new PutObjectCommand({ Bucket: store.bucket, Key: key, Body: await readFile(file) });
      await client.send(put, { abortSignal: signal });
    }
    task.done(`${absent.length} objects put into the bucket ${store.bucket}`);
    return absent;
  } finally {
    client.destroy();
  }
}

interface Stored {
  size: number;
  etag: string;
}

async function listAll(
  client: S3Client,
  bucket: string,
  prefix: string,
  signal: AbortSignal,
): Promise<Map<string, Stored>> {
  const found = new Map<string, Stored>();
  let token: string | undefined;
  do {
    const page = await client.send(
      new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, ContinuationToken: token }),
      { abortSignal: signal },
    );
    for (const { Key, Size, ETag } of page.Contents ?? []) {
      if (Key !== undefined) found.set(Key, { size: Size ?? 0, etag: (ETag ?? "").replaceAll('"', "") });
    }
    token = page.NextContinuationToken;
  } while (token !== undefined);
  return found;
}

/** An object put in one piece has its MD5 as entity tag. */
async function isSame(file: string, stored: Stored): Promise<boolean> {
  if ((await stat(file)).size !== stored.size) return false;
  return (
    createHash("md5")
      .update(await readFile(file))
      .digest("hex") === stored.etag
  );
}

function commonPrefix(keys: readonly string[]): string {
  const [first = "", ...rest] = keys;
  let length = first.length;
  for (const key of rest) while (!key.startsWith(first.slice(0, length))) length -= 1;
  return first.slice(0, length);
}
