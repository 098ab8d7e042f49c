import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import * as os from "node:os";
import * as path from "node:path";
import { dockerClient, ensureBaseImage, ensureDocker, terminalReporter } from "../../toolchain/index";
import { ensureImage } from "../../toolchain/docker-plugin/image-builder";
import versions from "../../versions.json";

/** The engine that the tests talk to: a real one. */
export const docker = dockerClient();

/** Begins the name of everything that a run of these tests makes, so that runs beside each other do not meet. */
export const prefix = `lakestack-plugin-test-${randomBytes(3).toString("hex")}`;

/** What the stack's images are built upon: made or pulled here if this machine has not had it yet. */
export async function baseImage(): Promise<string> {
  const reporter = terminalReporter();
  await ensureDocker(reporter);
  return (await ensureBaseImage(reporter)) ?? versions.baseImage;
}

const DOCKERFILE = `ARG BASE
FROM \${BASE} AS base
RUN mkdir /small && cd /usr/bin && cp --parents -L /bin/sh $(for tool in cat dd env id ls mkdir rm sleep stat touch; do \\
      echo /usr/bin/$tool; ldd $tool | grep -o '/[^ ]*'; done | sort -u) /small
FROM scratch
COPY --from=base /small /
ENV PATH=/usr/bin:/bin FROM_IMAGE=yes
LABEL from-image=yes
`;

/** An image of a few MB with a shell and some tools, an environment and a label of its own. Returns its ID. */
export async function smallImage(name: string): Promise<string> {
  const folder = await mkdtemp(path.join(os.tmpdir(), "lakestack-small-"));
  try {
    await writeFile(path.join(folder, "Dockerfile"), DOCKERFILE);
    const spec = { name, context: folder, buildArgs: { BASE: await baseImage() } };
    const cacheFolder = path.join(folder, "cache");
    return (await ensureImage(spec, { docker, cacheFolder, onProgress: () => undefined })).imageId;
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Removes what the tests made, whatever state they left it in. */
export async function removeAll(): Promise<void> {
  const isOurs = (name: string | undefined) => name?.replace(/^\//, "").startsWith(prefix) ?? false;
  const ignore = () => undefined;
  for (const container of await docker.listContainers({ all: true })) {
    if (container.Names.some(isOurs))
      await docker.getContainer(container.Id).remove({ force: true, v: true }).catch(ignore);
  }
  for (const network of await docker.listNetworks()) {
    if (isOurs(network.Name)) await docker.getNetwork(network.Id).remove().catch(ignore);
  }
  for (const volume of (await docker.listVolumes()).Volumes) {
    if (isOurs(volume.Name)) await docker.getVolume(volume.Name).remove().catch(ignore);
  }
  for (const image of await docker.listImages()) {
    for (const tag of (image.RepoTags ?? []).filter(isOurs))
      await docker.getImage(tag).remove({ force: true }).catch(ignore);
  }
}
