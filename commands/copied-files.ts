import type { Readable } from "node:stream";
import {
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { UserError } from "../toolchain/index";
import { messageOf } from "./command";

/** How to reach an object store. */
export interface StoreAccess {
  /** URL; AWS's own of the region if absent. */
  endpoint?: string | undefined;
  region: string;
  pathStyle: boolean;
  /** Without them, the client looks for keys where AWS's tools do: environment, profile, role. */
  keys?: { id: string; secret: string } | undefined;
}

/** An object store as the files of tables are copied from and to it. */
export class FileStore {
  private readonly client: S3Client;

  /**
   * @param name of the stack that it belongs to, for messages.
   * @param option by which another address is given.
   */
  constructor(
    private readonly access: StoreAccess,
    private readonly name: string,
    private readonly option: string,
    private readonly signal: AbortSignal,
  ) {
    // The SDK would print, in the middle of ours, when it will drop this version of Node.js.
    process.env["AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED"] = "true";
    const { endpoint, region, pathStyle, keys } = access;
    this.client = new S3Client({
      region,
      forcePathStyle: pathStyle,
      ...(endpoint === undefined ? {} : { endpoint }),
      ...(keys === undefined ? {} : { credentials: { accessKeyId: keys.id, secretAccessKey: keys.secret } }),
      // A file streams from one store to the other; what it should have been is seen in the rows.
      requestChecksumCalculation: "WHEN_REQUIRED",
      responseChecksumValidation: "WHEN_REQUIRED",
    });
  }

  /** Sizes of the objects below a location, by their URL; bytes. */
  async list(location: string): Promise<Map<string, number>> {
    const { bucket, key } = objectOf(`${location}/`);
    const found = new Map<string, number>();
    let token: string | undefined;
    do {
      const command = new ListObjectsV2Command({ Bucket: bucket, Prefix: key, ContinuationToken: token });
      const page = await this.explained(location, () =>
        this.client.send(command, { abortSignal: this.signal }),
      );
      for (const { Key, Size } of page.Contents ?? [])
        if (Key !== undefined) found.set(`s3://${bucket}/${Key}`, Size ?? 0);
      token = page.NextContinuationToken;
    } while (token !== undefined);
    return found;
  }

  async remove(urls: Iterable<string>): Promise<void> {
    for (const url of urls) {
      const { bucket, key } = objectOf(url);
      // One at a time: some stores want a checksum of the list where many are removed at once.
      const command = new DeleteObjectCommand({ Bucket: bucket, Key: key });
      await this.explained(url, () => this.client.send(command, { abortSignal: this.signal }));
    }
  }

  /** Copies one object into another store, as it comes: in memory is never more than a part of it. */
  async copyTo(url: string, size: number, other: FileStore, target: string): Promise<void> {
    const from = objectOf(url);
    const to = objectOf(target);
    for (let attempt = 1; ; attempt++) {
      try {
        const get = new GetObjectCommand({ Bucket: from.bucket, Key: from.key });
        const { Body } = await this.explained(url, () => this.client.send(get, { abortSignal: this.signal }));
        const put = new PutObjectCommand({
          Bucket: to.bucket,
          Key: to.key,
          Body: Body as Readable,
          ContentLength: size,
        });
        await other.explained(target, () => other.client.send(put, { abortSignal: this.signal }));
        return;
      } catch (error) {
        // The SDK does not send a stream a second time.
        if (attempt === attempts || this.signal.aborted) throw error;
      }
    }
  }

  close(): void {
    this.client.destroy();
  }

  private async explained<T>(place: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      this.signal.throwIfAborted();
      const { endpoint = "AWS", keys } = this.access;
      throw new UserError(
        `The object store of stack ${this.name} (${endpoint}) did not do what was asked of ${place}: ${messageOf(error)}`,
        `Is it reachable from here? Another address, such as the end of a port-forward: ${this.option} URL. ` +
          (keys === undefined
            ? "The keys are those that AWS's own tools would use here (AWS_PROFILE, AWS_ACCESS_KEY_ID): they need to read and write the warehouse. "
            : "") +
          "Then run the same command again; it goes on where it stopped.",
      );
    }
  }
}

/** How often a file is tried. */
const attempts = 3;

/** Bucket and key of an object's URL, as tables have them: s3://bucket/key. */
export function objectOf(url: string): { bucket: string; key: string } {
  const [, bucket, key] = /^s3[an]?:\/\/([^/]+)\/(.*)$/.exec(url) ?? [];
  if (bucket === undefined || key === undefined)
    throw new UserError(
      `A file of a table is at ${url}, expected an address such as s3://bucket/key.`,
      "Only tables in an S3 object store can be copied.",
    );
  return { bucket, key };
}

/**
 * Where each file goes, and what is there that is none of them: it came from an export that was given up.
 *
 * @param files size by URL, as exported.
 * @param present size by URL, of what is at the target's location.
 */
export function transfers(
  files: ReadonlyMap<string, number>,
  location: string,
  present: ReadonlyMap<string, number>,
): { missing: { from: string; to: string; size: number }[]; strays: string[] } {
  const placed = [...files].map(([from, size]) => ({
    from,
    size,
    to: `${location}/${from.slice(from.lastIndexOf("/") + 1)}`,
  }));
  const wanted = new Set(placed.map(({ to }) => to));
  return {
    missing: placed.filter(({ to, size }) => present.get(to) !== size),
    strays: [...present.keys()].filter((url) => !wanted.has(url)),
  };
}
