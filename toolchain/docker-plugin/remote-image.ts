import * as path from "node:path";
import type { RemoteImageArgs } from "@pulumi/docker";
import type Docker from "dockerode";
import { cacheFolder } from "../cache";
import { ifExists, reason, statusCode } from "./engine-messages";
import { findOrPull } from "./find-image";
import { ensureImage } from "./image-builder";
import { ImageCache } from "./image-cache";
import type { Values } from "../plugin-protocol/provider";
import type { InputsOf, PropertyTable } from "./property-table";
import { readProperties } from "./property-table";
import type { ResourceType, Work } from "./resource-type";
import { flag, list, object, record, set, text, UNSUPPORTED } from "./shape";

type Inputs = InputsOf<RemoteImageArgs>;
type Build = NonNullable<Inputs["build"]>;

const build = object<Build>({
  context: { shape: text(), required: true },
  dockerfile: { shape: text(), default: "Dockerfile" },
  buildArgs: { shape: record() },
  platform: { shape: text() },
  target: { shape: text() },
  tags: { shape: list(text()) },
  label: { shape: record() },
  labels: { shape: record() },
  networkMode: { shape: text() },
  extraHosts: { shape: list(text()) },
  noCache: { shape: flag() },
  // Intermediate containers are always removed.
  remove: { shape: flag(), default: true },
  forceRemove: { shape: flag() },
  additionalContexts: UNSUPPORTED,
  authConfigs: UNSUPPORTED,
  buildId: UNSUPPORTED,
  buildLogFile: UNSUPPORTED,
  builder: UNSUPPORTED,
  cacheFroms: UNSUPPORTED,
  cacheTos: UNSUPPORTED,
  cgroupParent: UNSUPPORTED,
  cpuPeriod: UNSUPPORTED,
  cpuQuota: UNSUPPORTED,
  cpuSetCpus: UNSUPPORTED,
  cpuSetMems: UNSUPPORTED,
  cpuShares: UNSUPPORTED,
  isolation: UNSUPPORTED,
  memory: UNSUPPORTED,
  memorySwap: UNSUPPORTED,
  provenance: UNSUPPORTED,
  pullParent: UNSUPPORTED,
  remoteContext: UNSUPPORTED,
  sbom: UNSUPPORTED,
  secrets: UNSUPPORTED,
  securityOpts: UNSUPPORTED,
  sessionId: UNSUPPORTED,
  shmSize: UNSUPPORTED,
  squash: UNSUPPORTED,
  suppressOutput: UNSUPPORTED,
  ulimits: UNSUPPORTED,
  useLegacyBuilder: UNSUPPORTED,
  version: UNSUPPORTED,
});

/** Nothing here is read back: an image does not change, its name only comes to mean another. */
const table: PropertyTable<RemoteImageArgs, never, never> = {
  name: { shape: text(), required: true, change: "replace" },
  build: { shape: build, change: "replace" },
  triggers: { shape: record(), change: "replace" },
  pullTriggers: { shape: set(text()), change: "replace" },
  platform: { shape: text(), change: "replace" },
  keepLocally: { shape: flag(), change: "note" },
  forceRemove: { shape: flag(), change: "note" },
};

export const remoteImage: ResourceType = {
  table,
  autoName: false,
  deleteBeforeReplace: false,

  async create(values, work) {
    const inputs = values as unknown as Inputs;
    if (inputs.build) await buildImage(inputs, inputs.build, work);
    const image = await findOrPull(work.docker, inputs.name, inputs.platform, work);
    return describe(image, values);
  },

  async read(id, recorded, { docker }) {
    const name = (recorded as Partial<Inputs>).name ?? id.replace(/^sha256:[0-9a-f]{64}/, "");
    const image = await ifExists(docker.getImage(name).inspect());
    return image && describe(image, { ...recorded, name });
  },

  update(_id, recorded, inputs) {
    const { imageId, repoDigest } = recorded;
    return Promise.resolve({ ...inputs, imageId, repoDigest });
  },

  async delete(_id, recorded, { docker }) {
    const { name, keepLocally, forceRemove, imageId } = recorded as unknown as Inputs & { imageId: string };
    if (keepLocally) return;
    try {
      // Takes the name away, and the image itself only if no other name is left.
      await ifExists(docker.getImage(name).remove({ force: forceRemove ?? false }));
    } catch (error) {
      const advice = statusCode(error) === 409 ? " (forceRemove removes it all the same)" : "";
      throw new Error(`Image ${name}: ${reason(error)}${advice}`, { cause: error });
    }
    await new ImageCache(cacheFolder(), docker).removeStages(imageId);
  },
};

async function buildImage({ name, platform }: Inputs, spec: Build, work: Work): Promise<void> {
  const started = Date.now();
  const { how } = await ensureImage(
    {
      name,
      // As the official plugin has it: relative to where the engine runs the plugin, the project's folder.
      context: path.resolve(spec.context),
      dockerfile: spec.dockerfile,
      buildArgs: spec.buildArgs,
      platform: spec.platform ?? platform,
      target: spec.target,
      labels: spec.labels ?? spec.label,
      networkMode: spec.networkMode,
      extraHosts: spec.extraHosts,
      noCache: spec.noCache,
    },
    {
      docker: work.docker,
      cacheFolder: cacheFolder(),
      onProgress: (line) => {
        work.status(line);
      },
      signal: work.signal,
    },
  );
  for (const tag of spec.tags ?? []) await addName(work.docker, name, tag);
  const seconds = Math.round((Date.now() - started) / 1000);
  if (how === "built") work.info(`${name}: built in ${seconds} s`);
  else if (how === "cache") work.info(`${name}: loaded from the cache in ${seconds} s`);
  else work.status(`${name}: unchanged, already in the engine`);
}

async function addName(docker: Docker, name: string, other: string): Promise<void> {
  const [repo = other, tag = "latest"] = other.split(/:(?=[^/]*$)/);
  await docker.getImage(name).tag({ repo, tag });
}

function describe(image: Docker.ImageInspectInfo, recorded: Values): { id: string; outputs: Values } {
  const { name } = recorded as unknown as Inputs;
  const repository = name.replace(/(@.*|:[^:/]+)$/, "");
  const digests = (image.RepoDigests as string[] | null) ?? [];
  const repoDigest = digests.find((digest) => digest.startsWith(`${repository}@`)) ?? "";
  const values = readProperties(table, undefined as never, recorded);
  return { id: image.Id + name, outputs: { ...values, imageId: image.Id, repoDigest } };
}
