import type Docker from "dockerode";
import { engineMessages, ifExists, reason } from "./engine-messages";
import type { Work } from "./resource-type";

/** The image of that name or ID; pulled if the engine does not have it. */
export async function findOrPull(
  docker: Docker,
  name: string,
  platform: string | undefined,
  work: Work,
): Promise<Docker.ImageInspectInfo> {
  const image = docker.getImage(name);
  const found = await ifExists(image.inspect());
  if (found) return found;
  try {
    await pull(docker, name, platform, work);
    return await image.inspect();
  } catch (error) {
    work.signal.throwIfAborted();
    throw new Error(
      `Image ${name} is not in the engine and cannot be pulled: ${reason(error)}. ` +
        `If it needs a login, pull it yourself: docker pull ${name}`,
      { cause: error },
    );
  }
}

async function pull(docker: Docker, name: string, platform: string | undefined, work: Work): Promise<void> {
  const options = { ...(platform ? { platform } : {}), abortSignal: work.signal };
  // Without a tag, the engine would pull them all.
  const reference = /[:@][^/]*$/.test(name) ? name : `${name}:latest`;
  for await (const { status, id, error } of engineMessages(await docker.pull(reference, options))) {
    if (error) throw new Error(error);
    if (status) work.status(`pulling ${name}: ${id ? `${id} ` : ""}${status}`);
  }
}
