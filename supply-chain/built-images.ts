import type Docker from "dockerode";
import { imageBuilds, imageReference } from "../infra/image-builds";
import { dockerClient, presentBaseImage, type Task } from "../toolchain/index";
import type { Component } from "./component";
import { imageContents, withPinned } from "./image-contents";
import { type Inventory, pinnedInventories } from "./inventory";

/**
 * What is pinned; of an image that the stack has built, what is in it instead. Without Docker all is what is pinned.
 *
 * @param task is told each image's name before it is read.
 */
export async function builtInventories(
  stack: string,
  { signal, task }: { signal: AbortSignal; task: Task },
): Promise<Inventory[]> {
  const docker = dockerClient();
  const inventories = pinnedInventories();
  if (!(await succeeds(docker.ping()))) return inventories;
  const builds = imageBuilds({ baseImage: await presentBaseImage(docker) });
  const looked: Inventory[] = [];
  for (const inventory of inventories) {
    signal.throwIfAborted();
    const build = builds.find(({ name }) => inventory.name === `image-${name}`);
    const reference = build && imageReference(stack, build);
    if (reference === undefined || !(await succeeds(docker.getImage(reference).inspect()))) {
      looked.push(inventory);
      continue;
    }
    task.update(inventory.name);
    const contents = await readImage(docker, reference, inventory.components);
    looked.push({ ...inventory, source: "image", components: withPinned(contents, inventory.components) });
  }
  return looked;
}

/** The container that is exported is never started. */
async function readImage(
  docker: Docker,
  reference: string,
  pinned: readonly Component[],
): Promise<Component[]> {
  const container = await docker.createContainer({ Image: reference, NetworkDisabled: true });
  try {
    return await imageContents(await container.export(), pinned);
  } finally {
    await container.remove({ force: true });
  }
}

async function succeeds(attempt: Promise<unknown>): Promise<boolean> {
  return attempt.then(
    () => true,
    () => false,
  );
}
