import type Docker from "dockerode";
import { imageBuilds, imageReference } from "../infra/image-builds";
import { presentBaseImage } from "../toolchain/index";
import type { Component } from "./component";
import { imageContents, withPinned } from "./image-contents";
import type { Inventory } from "./inventory";

/**
 * Replaces what is pinned for an image by what is in it, where it has been built. Without Docker nothing is replaced.
 *
 * @param onImage is told each image's name before it is read.
 */
export async function lookIntoImages(
  docker: Docker,
  inventories: readonly Inventory[],
  stack: string,
  { signal, onImage }: { signal: AbortSignal; onImage: (name: string) => void },
): Promise<Inventory[]> {
  if (!(await succeeds(docker.ping()))) return [...inventories];
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
    onImage(inventory.name);
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
