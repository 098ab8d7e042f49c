import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import * as os from "node:os";
import type Docker from "dockerode";
import type { BuildContext } from "./build-context";
import { stageImages } from "./build-stages";
import { digestContext, packContext, readBuildContext } from "./build-context";
import { engineMessages, ifExists, reason } from "./engine-messages";
import { withFileLock } from "./file-lock";
import { ImageCache } from "./image-cache";

/** An image to be built from a folder. */
export interface ImageSpec {
  /** Name with tag that the image gets. */
  name: string;
  /** Absolute path of the folder that is sent to the engine. */
  context: string;
  /** Absolute, or relative to the context. Default "Dockerfile". */
  dockerfile?: string;
  /** A value that names a local image (`name:tag` or `sha256:…`) counts as that image's content. */
  buildArgs?: Record<string, string>;
  /** For example "linux/arm64". Default: the engine's own. */
  platform?: string;
  /** Stage to build. Default: the last. */
  target?: string;
  labels?: Record<string, string>;
  /** Network that RUN steps see. Default: the engine's. */
  networkMode?: string;
  /** Hosts known to RUN steps, as `host:ip`. */
  extraHosts?: string[];
  /** Builds every step, whatever was built before. Default false. */
  noCache?: boolean;
}

export interface BuildOptions {
  docker: Docker;
  /** The user's cache; images go into its folder `images`. */
  cacheFolder: string;
  /** Called with each line of the builder's that names a step, and with what is done around it. */
  onProgress: (line: string) => void;
  signal?: AbortSignal;
}

export interface BuiltImage {
  /** `sha256:…` */
  imageId: string;
  /** The engine had it; it was loaded from the cache; it was built. */
  how: "present" | "cache" | "built";
}

/** A step of a Dockerfile failed. */
export class ImageBuildError extends Error {
  override readonly name = "ImageBuildError";
}

/** Lines of output shown with a failed step. */
const SHOWN_LINES = 30;

const isDiskFull = (text: string): boolean => /no space left on device|ENOSPC/i.test(text);

/**
 * Sees to it that the engine has the image under its name, with the least work: nothing if the same content was built
 * before and is still there, loading it from the cache if the engine has lost it, building it otherwise.
 */
export async function ensureImage(spec: ImageSpec, options: BuildOptions): Promise<BuiltImage> {
  const cache = new ImageCache(options.cacheFolder, options.docker);
  await cache.prepare();
  const context = await readBuildContext(await existingFolder(spec), spec.dockerfile ?? "Dockerfile");
  const key = await imageKey(spec, context, options.docker);

  return withFileLock(
    cache.lockFile(key),
    async () => {
      const found = spec.noCache ? undefined : await cache.find(key);
      if (found) {
        await tagImage(options.docker, found.imageId, spec.name);
        await keep(spec, options, () => cache.keep(key, found.imageId));
        return found;
      }
      const { imageId, stages } = await takingTurns(() => build(spec, context, options));
      await keep(spec, options, async () => {
        // A base image that the build pulled has an ID now: the next call will ask for the image by that.
        const keyNow = await imageKey(spec, context, options.docker);
        await cache.remember(keyNow, imageId, spec.name, stages);
        await cache.keep(keyNow, imageId);
      });
      return { imageId, how: "built" as const };
    },
    options.signal,
  );
}

async function existingFolder(spec: ImageSpec): Promise<string> {
  const isFolder = await stat(spec.context).then(
    (status) => status.isDirectory(),
    () => false,
  );
  if (!isFolder)
    throw new ImageBuildError(`Image ${spec.name}: the build context ${spec.context} is not a folder.`);
  return spec.context;
}

/** Everything that decides what is in the image. */
async function imageKey(spec: ImageSpec, context: BuildContext, docker: Docker): Promise<string> {
  const args: [string, string][] = [];
  for (const [name, value] of Object.entries(spec.buildArgs ?? {}).sort()) {
    args.push([name, await contentOf(value, docker)]);
  }
  const { platform, target, labels, networkMode, extraHosts } = spec;
  const parts = {
    context: await digestContext(context),
    args,
    platform,
    target,
    labels,
    networkMode,
    extraHosts,
  };
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex");
}

/**
 * The ID of the local image that a build argument names, else the argument itself. The engine would take a bare version
 * number for the beginning of an ID, so only `name:tag` and whole IDs are asked for; a digest names its content already.
 */
async function contentOf(value: string, docker: Docker): Promise<string> {
  const mayNameAnImage = /^sha256:[0-9a-f]{64}$|^[\w./-]+(:\d+\/[\w./-]+)?:[\w.-]+$/.test(value);
  if (!mayNameAnImage) return value;
  const image = await ifExists(docker.getImage(value).inspect());
  return image?.Id ?? value;
}

interface Build {
  imageId: string;
  stages: string[];
}

/** Builds with the classic builder, the one that every engine from 20.10 on has without a session. */
async function build(spec: ImageSpec, context: BuildContext, options: BuildOptions): Promise<Build> {
  const output: string[] = [];
  let step = "before the first step";
  let imageId: string | undefined;
  const fail = (why: string): never => {
    const lines = output.slice(-SHOWN_LINES).map((line) => `    ${line}`);
    const advice = isDiskFull([why, ...output].join("\n"))
      ? [
          "The Docker engine's disk is full: see `docker system df`, free some space and run the same command again.",
        ]
      : [];
    throw new ImageBuildError(
      [`Image ${spec.name}: failed at ${step}: ${why}`, ...advice, ...lines].join("\n"),
    );
  };

  options.onProgress(`${spec.name}: building`);
  try {
    const request: Docker.ImageBuildOptions = {
      t: spec.name,
      dockerfile: context.dockerfile,
      buildargs: spec.buildArgs,
      platform: spec.platform,
      target: spec.target,
      labels: spec.labels,
      networkmode: spec.networkMode,
      extrahosts: spec.extraHosts?.join(","),
      nocache: spec.noCache,
      rm: true,
      forcerm: true,
      abortSignal: options.signal,
    };
    // The client would send an undefined option as an empty one.
    const given = Object.fromEntries(Object.entries(request).filter(([, value]) => value !== undefined));
    const answer = await options.docker.buildImage(packContext(context), given);
    for await (const message of engineMessages(answer)) {
      for (const line of linesOf(message.stream)) {
        output.push(line);
        if (!/^Step \d+\/\d+ : /.test(line)) continue;
        step = line;
        options.onProgress(`${spec.name}: ${line}`);
      }
      if (message.error) fail(message.error);
      imageId = message.aux?.ID ?? imageId;
    }
  } catch (error) {
    options.signal?.throwIfAborted();
    if (error instanceof ImageBuildError) throw error;
    fail(reason(error));
  }
  imageId ??= fail("the engine closed the connection before the image was done");
  return { imageId, stages: stageImages(output) };
}

function linesOf(text: string | undefined): string[] {
  return (text ?? "").split("\n").filter((line) => line.trim() !== "");
}

async function tagImage(docker: Docker, imageId: string, name: string): Promise<void> {
  const [repo = name, tag = "latest"] = name.split(/:(?=[^/]*$)/);
  await docker.getImage(imageId).tag({ repo, tag });
}

/** The image is there whether it can be kept or not, so what goes wrong, such as a full disk, is said and not thrown. */
async function keep(spec: ImageSpec, options: BuildOptions, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    const why = isDiskFull(reason(error)) ? `the disk of ${options.cacheFolder} is full` : reason(error);
    options.onProgress(`${spec.name}: not kept in the cache: ${why}`);
  }
}

/** One more than there are cores: while some compile, one mostly waits for the network. */
const turns = os.availableParallelism() + 1;
let running = 0;
const waiting: (() => void)[] = [];

async function takingTurns<T>(work: () => Promise<T>): Promise<T> {
  if (running >= turns) await new Promise<void>((resolve) => waiting.push(resolve));
  else running++;
  try {
    return await work();
  } finally {
    const next = waiting.shift();
    if (next) next();
    else running--;
  }
}
