import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { chmod, mkdir, mkdtemp, rm } from "node:fs/promises";
import * as path from "node:path";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import * as tar from "tar-stream";
import versions from "../versions.json";
import { replaceFile } from "./cache";
import { downloadFile, downloadText } from "./download";
import type { Reporter } from "./progress";
import { toolFolder } from "./project";

/** Where Pulumi publishes its releases. A company's own mirror of it can be named instead. */
const releases = () => process.env["LAKESTACK_PULUMI_RELEASES"] ?? "https://get.pulumi.com/releases/sdk";

const limits = { answer: 5000, silence: 20_000 };

/**
 * Gets the official Pulumi for this host and unpacks it into a folder, checked against the published checksum.
 *
 * @returns false if it cannot be had: not published for this host, or the download does not answer within seconds.
 */
export async function downloadPulumi(reporter: Reporter, folder: string): Promise<boolean> {
  const version = versions.pulumi;
  const archive = `pulumi-v${version}-${process.platform}-${process.arch}.tar.gz`;
  const task = reporter.task("Pulumi");
  await mkdir(toolFolder, { recursive: true });
  const scratch = await mkdtemp(path.join(toolFolder, "download-"));
  try {
    task.update("asking for the official download");
    const checksum = checksumOf(
      archive,
      await downloadText(`${releases()}/pulumi-${version}-checksums.txt`, limits),
    );
    const file = path.join(scratch, archive);
    await downloadFile(`${releases()}/${archive}`, file, limits, (share) => {
      task.update(`downloading ${version}: ${Math.floor(share * 100)} %`);
    });
    const found = await sha256(file);
    if (found !== checksum) {
      throw new Error(`${archive} has SHA-256 ${found}, the published one is ${checksum}`);
    }
    await replaceFile(folder, async (temporary) => {
      await unpack(file, temporary);
      await rm(folder, { recursive: true, force: true });
    });
    task.done(`${version} downloaded`);
    return true;
  } catch (error) {
    task.done(`no official download: ${error instanceof Error ? error.message : String(error)}`);
    return false;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Finds a file's checksum in a list of `CHECKSUM  FILE` lines. */
export function checksumOf(file: string, list: string): string {
  const lines = list.split("\n").map((line) => line.trim().split(/\s+/));
  const [checksum] = lines.find(([, name]) => name === file) ?? [];
  if (checksum === undefined) throw new Error(`${file} is not in the list of published checksums`);
  return checksum;
}

async function sha256(file: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  return hash.digest("hex");
}

/** All executables of the archive are in its one folder, `pulumi`. */
async function unpack(archive: string, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const extract = tar.extract();
  const reading = pipeline(createReadStream(archive), createGunzip(), extract);
  for await (const entry of extract) {
    if (entry.header.type === "file") {
      const target = path.join(folder, path.basename(entry.header.name));
      await pipeline(entry, createWriteStream(target));
      await chmod(target, 0o755);
    } else {
      entry.resume();
    }
  }
  await reading;
}
