import { createReadStream, createWriteStream, existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import * as os from "node:os";
import * as path from "node:path";
import { pipeline } from "node:stream/promises";
import type Docker from "dockerode";
import versions from "../versions.json";
import { cacheFolder, contentKey, makeOnce } from "./cache";
import { bootstrap } from "./debian-bootstrap";
import { dockerClient } from "./docker-client";
import { engineMessages, ifExists, reason } from "./docker-plugin/engine-messages";
import type { Reporter, Task } from "./progress";

/** Part of the key of the image made here: raise the number when the way it is made changes. */
const recipe = ["trixie minbase", "1"];

/** How long a registry may take to begin a download, in milliseconds. */
const answerLimit = 15_000;

/**
 * Makes sure that there is an image for all others to start from.
 *
 * @returns undefined if the engine has the pinned Debian image; else the tag of one made from Debian's packages. Once
 *   made, that one is kept to: with another base every other image would be built again.
 * @throws UserError where neither can be had.
 */
export async function ensureBaseImage(reporter: Reporter, signal?: AbortSignal): Promise<string | undefined> {
  const docker = dockerClient();
  if (await isPresent(docker, versions.baseImage)) return undefined;

  const { Architecture: architecture } = (await docker.info()) as { Architecture: string };
  const key = contentKey([...recipe, architecture]);
  const tag = `lakestack-base:${key}`;
  if (await isPresent(docker, tag)) return tag;

  const task = reporter.task("Base image");
  try {
    const file = path.join(cacheFolder(), "base", `${key}.tar`);
    if (existsSync(file)) {
      task.update("loading from the cache");
      await load(docker, file);
      task.done("loaded from the cache");
      return tag;
    }
    task.update("asking the registry");
    const refusal = await pull(docker, versions.baseImage, task, signal);
    if (refusal === undefined) {
      task.done("pulled");
      return undefined;
    }
    signal?.throwIfAborted();
    task.log(`${versions.baseImage} could not be pulled: ${refusal}`);
    await make(docker, architecture, tag, task);
    await makeOnce(file, (temporary) => save(docker, tag, temporary));
    task.done("made from Debian's packages, as no registry answers");
    return tag;
  } catch (error) {
    task.fail("not to be had");
    throw error;
  }
}

async function isPresent(docker: Docker, image: string): Promise<boolean> {
  return (await ifExists(docker.getImage(image).inspect())) !== undefined;
}

/**
 * Tries to pull. Gives up if no download has begun in time, but waits for one that has.
 *
 * @returns why it could not be pulled, or undefined if it was.
 */
async function pull(
  docker: Docker,
  image: string,
  task: Task,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  const silence = new AbortController();
  const limit = setTimeout(() => {
    silence.abort();
  }, answerLimit);
  const abortSignal = AbortSignal.any([silence.signal, ...(signal ? [signal] : [])]);
  try {
    for await (const message of engineMessages(await docker.pull(image, { abortSignal }))) {
      clearTimeout(limit);
      if (message.error !== undefined) return message.error;
      task.update(`pulling: ${message.status ?? ""}`);
    }
    return undefined;
  } catch (error) {
    return silence.signal.aborted ? `no answer within ${answerLimit / 1000} seconds` : reason(error);
  } finally {
    clearTimeout(limit);
  }
}

async function make(docker: Docker, architecture: string, tag: string, task: Task): Promise<void> {
  const scratch = await mkdtemp(path.join(os.tmpdir(), "lakestack-base-"));
  try {
    const root = path.join(scratch, "root.tar");
    await bootstrap(root, architecture, task);
    task.update("importing into Docker");
    const [repo, label] = tag.split(":");
    const stream = await docker.importImage(root, { repo, tag: label, changes: 'CMD ["bash"]' });
    await finished(stream);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** In the form of `docker save`, so that the image keeps its ID wherever it is loaded. */
async function save(docker: Docker, tag: string, file: string): Promise<void> {
  await pipeline(await docker.getImage(tag).get(), createWriteStream(file));
}

async function load(docker: Docker, file: string): Promise<void> {
  await finished(await docker.loadImage(createReadStream(file)));
}

async function finished(stream: NodeJS.ReadableStream): Promise<void> {
  for await (const message of engineMessages(stream)) {
    if (message.error !== undefined) throw new Error(message.error);
  }
}
