import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import * as path from "node:path";
import { pipeline } from "node:stream/promises";
import type Docker from "dockerode";
import { engineMessages, ifExists, statusCode } from "./engine-messages";

/** Images kept of one name: so many states of a Dockerfile can be gone back to without building. */
const KEPT_PER_NAME = 3;

/** What is known of an image that was built from a key. */
interface CachedImage {
  imageId: string;
  /** The name it was first built under: for people who look into the folder. */
  name: string;
  /** Bytes, uncompressed. */
  size: number;
  /** When it was built, ISO 8601. */
  made: string;
  /** The nameless images of the Dockerfile's earlier stages. */
  stages: string[];
}

/**
 * Built images by the digest of everything that went into them: `<key>.json` tells the image's ID, `<key>.tar` is the
 * image itself, for an engine that has lost it.
 */
export class ImageCache {
  private readonly folder: string;

  constructor(
    cacheFolder: string,
    private readonly docker: Docker,
  ) {
    this.folder = path.join(cacheFolder, "images");
  }

  async prepare(): Promise<void> {
    await mkdir(this.folder, { recursive: true });
  }

  lockFile(key: string): string {
    return path.join(this.folder, `${key}.lock`);
  }

  /** The image's ID, if it was built before and can be had again. */
  async find(key: string): Promise<{ imageId: string; how: "present" | "cache" } | undefined> {
    const imageId = (await this.record(`${key}.json`))?.imageId;
    if (imageId === undefined) return undefined;
    if (await this.isInEngine(imageId)) return { imageId, how: "present" };
    if ((await this.load(key)) && (await this.isInEngine(imageId))) return { imageId, how: "cache" };
    return undefined;
  }

  async remember(key: string, imageId: string, name: string, stages: string[]): Promise<void> {
    const { Size: size } = await this.docker.getImage(imageId).inspect();
    const record: CachedImage = { imageId, name, size, made: new Date().toISOString(), stages };
    await this.write(this.file(key, "json"), (partial) =>
      writeFile(partial, JSON.stringify(record, undefined, 2)),
    );
  }

  /**
   * To be called when an image was removed: if the engine no longer has it under any name, what its build left behind goes
   * too, but for the stages that an image in use was built from as well.
   */
  async removeStages(imageId: string): Promise<void> {
    if (await this.isInEngine(imageId)) return;
    const stages = new Set<string>();
    const inUse = new Set<string>();
    for (const record of (await this.records()).values()) {
      const target =
        record.imageId === imageId ? stages : (await this.isInEngine(record.imageId)) ? inUse : undefined;
      for (const stage of record.stages) target?.add(stage);
    }
    for (const stage of stages) if (!inUse.has(stage)) await this.removeIfNameless(stage);
  }

  /**
   * Saves the image to disk unless that was done before. By ID, so that loading it brings no name back. Older images of
   * the same name make room.
   */
  async keep(key: string, imageId: string): Promise<void> {
    const target = this.file(key, "tar");
    if (await exists(target)) return;
    await this.write(target, async (partial) => {
      await pipeline(await this.docker.getImage(imageId).get(), createWriteStream(partial));
    });
    await this.makeRoom(key);
  }

  private async makeRoom(key: string): Promise<void> {
    const repository = ({ name }: CachedImage) => name.replace(/:[^:/]*$/, "");
    const records = await this.records();
    const kept = records.get(key);
    const alike = [...records].filter(([, record]) => kept && repository(record) === repository(kept));
    const newestFirst = alike.sort(([, a], [, b]) => b.made.localeCompare(a.made));
    for (const [old] of newestFirst.slice(KEPT_PER_NAME)) {
      await rm(this.file(old, "tar"), { force: true });
      await rm(this.file(old, "json"), { force: true });
    }
  }

  /** What cannot be read, or was written by another version of this file, counts as nothing. */
  private async record(file: string): Promise<CachedImage | undefined> {
    try {
      const record = JSON.parse(await readFile(path.join(this.folder, file), "utf8")) as Partial<CachedImage>;
      const { imageId, name, size, made, stages } = record;
      if (!imageId || !name || size === undefined || !made) return undefined;
      return { imageId, name, size, made, stages: stages ?? [] };
    } catch {
      return undefined;
    }
  }

  private async records(): Promise<Map<string, CachedImage>> {
    const records = new Map<string, CachedImage>();
    for (const file of await readdir(this.folder).catch(() => [])) {
      const record = file.endsWith(".json") ? await this.record(file) : undefined;
      if (record) records.set(path.basename(file, ".json"), record);
    }
    return records;
  }

  private async removeIfNameless(image: string): Promise<void> {
    const found = await ifExists(this.docker.getImage(image).inspect());
    if (!found || found.RepoTags.length > 0) return;
    // Others may still be built upon it, or run from it.
    await ifExists(this.docker.getImage(image).remove()).catch((error: unknown) => {
      if (statusCode(error) !== 409) throw error;
    });
  }

  private async isInEngine(imageId: string): Promise<boolean> {
    return (await ifExists(this.docker.getImage(imageId).inspect())) !== undefined;
  }

  /** An archive that cannot be loaded is thrown away: the image is built again. */
  private async load(key: string): Promise<boolean> {
    const archive = this.file(key, "tar");
    if (!(await exists(archive))) return false;
    try {
      const answer = await this.docker.loadImage(createReadStream(archive), { quiet: true });
      for await (const message of engineMessages(answer)) if (message.error) throw new Error(message.error);
      return true;
    } catch {
      await rm(archive, { force: true });
      return false;
    }
  }

  /** Under a temporary name first, so that an interrupted write leaves nothing under the final one. */
  private async write(target: string, make: (partial: string) => Promise<void>): Promise<void> {
    const partial = `${target}.partial`;
    try {
      await make(partial);
      await rename(partial, target);
    } finally {
      await rm(partial, { force: true });
    }
  }

  private file(key: string, extension: "json" | "tar"): string {
    return path.join(this.folder, `${key}.${extension}`);
  }
}

async function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}
