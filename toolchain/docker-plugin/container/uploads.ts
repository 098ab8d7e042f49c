import { readFile } from "node:fs/promises";
import * as path from "node:path";
import type Docker from "dockerode";
import * as tar from "tar-stream";
import { ifExists } from "../engine-messages";
import type { Upload } from "./storage";

/** Puts files into a container that has not started yet, in one archive. */
export async function uploadFiles(container: Docker.Container, uploads: Upload[]): Promise<void> {
  if (uploads.length === 0) return;
  const archive = tar.pack();
  for (const folder of await missingFolders(container, uploads)) {
    archive.entry({ name: `${folder.slice(1)}/`, type: "directory", mode: 0o755, mtime: new Date() });
  }
  for (const upload of uploads) {
    archive.entry(
      { name: upload.file.slice(1), mode: modeOf(upload), mtime: new Date() },
      await contentOf(upload),
    );
  }
  archive.finalize();
  await container.putArchive(archive as unknown as NodeJS.ReadableStream, { path: "/" });
}

function modeOf({ permissions, executable }: Upload): number {
  if (permissions) return parseInt(permissions, 8);
  return executable ? 0o744 : 0o644;
}

async function contentOf({ content, contentBase64, source }: Upload): Promise<Buffer> {
  if (content) return Buffer.from(content);
  return contentBase64 ? Buffer.from(contentBase64, "base64") : readFile(source ?? "");
}

/**
 * The folders above the files that the container does not have, the outer ones first. Left to itself, an engine before 23
 * makes them so that only root can enter. Those that are there keep their owner and mode.
 */
async function missingFolders(container: Docker.Container, uploads: Upload[]): Promise<string[]> {
  const isThere = new Map<string, boolean>([["/", true]]);
  const look = async (folder: string): Promise<boolean> => {
    const known = isThere.get(folder);
    if (known !== undefined) return known;
    const parentIsThere = await look(path.posix.dirname(folder));
    const found = parentIsThere && (await ifExists(container.infoArchive({ path: folder }))) !== undefined;
    isThere.set(folder, found);
    return found;
  };
  for (const { file } of uploads) await look(path.posix.dirname(file));
  return [...isThere].filter(([, there]) => !there).map(([folder]) => folder);
}
