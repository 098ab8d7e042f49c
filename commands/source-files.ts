import { createReadStream } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import * as path from "node:path";
import type { Readable } from "node:stream";
import { constants, gunzipSync } from "node:zlib";
import { GetObjectCommand, ListObjectsV2Command, S3Client } from "@aws-sdk/client-s3";
import { UserError } from "../toolchain/index";

/** Files to look at, on this machine or in a bucket. */
export interface SourceFiles {
  /** Paths below the folder or in the bucket, with / between their parts; some thousands at most. */
  names: string[];
  /** Reads the beginning of a file, decompressed. */
  read(name: string): Promise<Buffer>;
}

export interface BucketAccess {
  endpoint?: string | undefined;
  region?: string | undefined;
  /** Without a key, as anybody may. */
  anonymous: boolean;
}

const mostNames = 5000;
/** Bytes of a file that are looked at. */
const mostBytes = 4 << 20;

/** A folder, or a single file, of this machine. */
export async function localFiles(place: string): Promise<SourceFiles> {
  const found = await stat(place).catch(() => undefined);
  if (found === undefined) {
    throw new UserError(
      `There is no file or folder ${place}.`,
      "Name one, or an object store's: s3://bucket/prefix/.",
    );
  }
  // The folders above a single file may be a day's.
  const root = found.isFile() ? path.parse(path.resolve(place)).root : path.resolve(place);
  const names = found.isFile()
    ? [path.relative(root, path.resolve(place))]
    : (await readdir(root, { recursive: true, withFileTypes: true }))
        .filter((entry) => entry.isFile())
        .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)));
  return {
    names: names.map((name) => name.split(path.sep).join("/")).slice(0, mostNames),
    read: async (name) =>
      unpacked(name, await beginning(createReadStream(path.join(root, name), { end: mostBytes }))),
  };
}

/** The objects of a bucket whose names begin with a prefix. */
export async function bucketFiles(
  bucket: string,
  prefix: string,
  access: BucketAccess,
): Promise<SourceFiles> {
  process.env["AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED"] = "true";
  const client = new S3Client({
    region: access.region ?? "us-east-1",
    forcePathStyle: access.endpoint !== undefined,
    ...(access.endpoint === undefined ? {} : { endpoint: access.endpoint }),
    // A signer that signs nothing.
    ...(access.anonymous ? { signer: { sign: (request) => Promise.resolve(request) } } : {}),
  });
  const names: string[] = [];
  let token: string | undefined;
  do {
    const page = await client
      .send(new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, ContinuationToken: token }))
      .catch((error: unknown) => {
        throw new UserError(
          `The bucket ${bucket} can't be listed: ${(error as Error).message}`,
          "Check its name, --endpoint and --region; for a private one set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, " +
            "for a public one add --anonymous.",
        );
      });
    names.push(...(page.Contents ?? []).flatMap(({ Key, Size }) => (Key !== undefined && Size ? [Key] : [])));
    token = page.NextContinuationToken;
  } while (token !== undefined && names.length < mostNames);
  return {
    names,
    read: async (name) => {
      const { Body } = await client.send(
        new GetObjectCommand({ Bucket: bucket, Key: name, Range: `bytes=0-${mostBytes}` }),
      );
      return unpacked(name, await beginning(Body as Readable));
    },
  };
}

async function beginning(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function unpacked(name: string, content: Buffer): Buffer {
  // A file of which only the beginning was read ends in the middle of a block.
  return name.endsWith(".gz") ? gunzipSync(content, { finishFlush: constants.Z_SYNC_FLUSH }) : content;
}
