import type Docker from "dockerode";
import {
  dockerClient,
  ensureBaseImage,
  ensureDocker,
  ensurePulumi,
  type Reporter,
  type Tools,
} from "../toolchain/index";
import { prebuildImages } from "./prebuild";

export interface PrepareOptions {
  stack: string;
  reporter: Reporter;
  signal: AbortSignal;
  /** Makes what only tests need, too. Default false. */
  forTests?: boolean;
}

/** A machine on which `pulumi up` can run. */
export interface Prepared {
  docker: Docker;
  tools: Tools;
  /** References of the images that were built beforehand, by name. */
  images: Map<string, string>;
}

/** Installs and starts what is missing: Docker, a base image, the engine with its plugins, images. */
export async function prepareMachine(options: PrepareOptions): Promise<Prepared> {
  const { reporter, signal, forTests = false } = options;
  await ensureDocker(reporter);
  const docker = dockerClient();
  signal.throwIfAborted();
  const baseImage = await ensureBaseImage(reporter, signal);
  // Where no registry answers, the engine is compiled, which takes minutes: the images are built at the same time.
  // Otherwise `pulumi up` builds them.
  const early = baseImage !== undefined || forTests;
  const [tools, images] = await Promise.all([
    ensurePulumi(reporter, signal),
    early ? prebuildImages({ ...options, docker, baseImage }) : new Map<string, string>(),
  ]);
  return { docker, tools, images };
}
