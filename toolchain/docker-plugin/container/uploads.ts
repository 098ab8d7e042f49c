import { readFile } from "node:fs/promises";
import type Docker from "dockerode";
import * as tar from "tar-stream";
import type { Upload } from "./storage";

/** Puts files into a container that has not started yet, in one archive. The engine makes the folders above them. */
export async function uploadFiles(container: Docker.Container, uploads: Upload[]): Promise<void> {
  if (uploads.length === 0) return;
  const archive = tar.pack();
  for (const upload of uploads) {
    const name = upload.file.replace(/^\/+/, "");
    archive.entry({ name, mode: modeOf(upload), mtime: new Date() }, await contentOf(upload));
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
