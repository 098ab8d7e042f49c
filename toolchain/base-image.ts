import { existsSync } from "node:fs";
import * as path from "node:path";
import type Docker from "dockerode";
import versions from "../versions.json";
import { cacheFolder, contentKey, makeOnce } from "./cache";
import { bootstrap } from "./debian-bootstrap";
import { dockerClient } from "./docker-client";
import { ifExists } from "./docker-plugin/engine-messages";
import { loadImage, pullImage, saveImage, untilFinished } from "./image-transfer";
import type { Reporter, Task } from "./progress";
import { withScratch } from "./scratch";

/** Part of the key of the image made here: raise the number when the way it is made changes. */
const recipe = ["trixie minbase", "1"];

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

  const { architecture, key, tag } = await own(docker);
  const file = path.join(cacheFolder(), "base", `${key}.tar`);
  const keep = () => makeOnce(file, (temporary) => saveImage(docker, tag, temporary));
  if (await isPresent(docker, tag)) {
    await keep();
    return tag;
  }

  const task = reporter.task("Base image");
  try {
    if (existsSync(file)) {
      task.update("loading from the cache");
      await loadImage(docker, file);
      task.done("loaded from the cache");
      return tag;
    }
    task.update("asking the registry");
    const refusal = await pullImage(docker, versions.baseImage, task, signal);
    if (refusal === undefined) {
      task.done("pulled");
      return undefined;
    }
    signal?.throwIfAborted();
    task.log(`${versions.baseImage} could not be pulled: ${refusal}`);
    await make(docker, architecture, tag, task);
    await keep();
    task.done("made from Debian's packages, as no registry answers");
    return tag;
  } catch (error) {
    task.fail("not to be had");
    throw error;
  }
}

/**
 * The base image that the engine has already.
 *
 * @returns undefined if that is the pinned Debian image, or if there is none; else the tag of one made here.
 */
export async function presentBaseImage(docker: Docker): Promise<string | undefined> {
  if (await isPresent(docker, versions.baseImage)) return undefined;
  const { tag } = await own(docker);
  return (await isPresent(docker, tag)) ? tag : undefined;
}

/** What an image made here is called. */
async function own(docker: Docker): Promise<{ architecture: string; key: string; tag: string }> {
  const { Architecture: architecture } = (await docker.info()) as { Architecture: string };
  const key = contentKey([...recipe, architecture]);
  return { architecture, key, tag: `lakestack-base:${key}` };
}

async function isPresent(docker: Docker, image: string): Promise<boolean> {
  return (await ifExists(docker.getImage(image).inspect())) !== undefined;
}

async function make(docker: Docker, architecture: string, tag: string, task: Task): Promise<void> {
  await withScratch("base", async (scratch) => {
    const root = path.join(scratch, "root.tar");
    await bootstrap(root, architecture, task);
    task.update("importing into Docker");
    const [repo, label] = tag.split(":");
    const stream = await docker.importImage(root, { repo, tag: label, changes: 'CMD ["bash"]' });
    await untilFinished(stream);
  });
}
