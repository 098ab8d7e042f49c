import * as path from "node:path";
import type Docker from "dockerode";
import {
  buildArguments,
  type ImageBuild,
  imageBuilds,
  imageReference,
  isForDocker,
  prepareBuilderContext,
  withNeeds,
} from "../infra/image-builds";
import { ensureImage, ImageBuildError } from "../toolchain/docker-plugin/image-builder";
import { cacheFolder, projectFolder, type Reporter, type Task, UserError } from "../toolchain/index";

export interface PrebuildOptions {
  docker: Docker;
  stack: string;
  /** Image under all others; default: the pinned Debian. */
  baseImage?: string;
  /** Builds those that only tests use, too. Default false. */
  forTests?: boolean;
  /** Names of the images that are wanted; what they need is built, too. Default: all. */
  only?: string[];
  reporter: Reporter;
  signal: AbortSignal;
}

/**
 * Builds the stack's images under the names that the program gives them, each as soon as those that it needs are
 * there. What is there already costs next to nothing.
 *
 * @returns the reference of each image, by its name.
 */
export async function prebuildImages(options: PrebuildOptions): Promise<Map<string, string>> {
  const { stack, baseImage, forTests = false } = options;
  const all = imageBuilds({ baseImage });
  const builds =
    options.only === undefined
      ? all.filter(({ name }) => forTests || isForDocker(name))
      : withNeeds(options.only, all);
  const { mirrors } = prepareBuilderContext();
  // The first failure ends the others: their output would bury it.
  const failure = new AbortController();
  const signal = AbortSignal.any([options.signal, failure.signal]);

  const started = new Map<string, Promise<void>>();
  for (const build of builds) {
    const args = { ...buildArguments(stack, build, all), ...(build.name === "builder" ? mirrors : {}) };
    // Those that others need come first in the list.
    const needed = build.needs.flatMap((name) => started.get(name) ?? []);
    const work = Promise.all(needed).then(() => buildOne(build, args, { ...options, signal }));
    work.catch((error: unknown) => {
      failure.abort(error);
    });
    started.set(build.name, work);
  }
  try {
    await Promise.all(started.values());
  } catch {
    await Promise.allSettled(started.values());
    options.signal.throwIfAborted();
    throw buildFailure(failure.signal.reason);
  }
  return new Map(builds.map((build) => [build.name, imageReference(stack, build)]));
}

async function buildOne(
  build: ImageBuild,
  buildArgs: Record<string, string>,
  { docker, stack, reporter, signal }: PrebuildOptions,
): Promise<void> {
  signal.throwIfAborted();
  const name = imageReference(stack, build);
  const progress = new LateTask(reporter, `Image ${build.name}`);
  try {
    const { how } = await ensureImage(
      { name, context: path.join(projectFolder, build.context), buildArgs },
      {
        docker,
        cacheFolder: cacheFolder(),
        onProgress: (line) => {
          progress.update(line.replace(`${name}: `, ""));
        },
        signal,
      },
    );
    progress.done({ built: "built", cache: "loaded from the cache", present: "there already" }[how]);
  } catch (error) {
    progress.fail(signal.aborted ? "stopped" : "failed");
    throw error;
  }
}

/** A task that is shown only if there is something to do, or to wait for. */
class LateTask {
  private task: Task | undefined;
  private readonly timer = setTimeout(() => {
    this.update("waiting for its turn");
  }, 2000);

  constructor(
    private readonly reporter: Reporter,
    private readonly name: string,
  ) {}

  update(text: string): void {
    this.task ??= this.reporter.task(this.name);
    this.task.update(text);
  }

  done(text: string): void {
    clearTimeout(this.timer);
    this.task?.done(text);
  }

  fail(text: string): void {
    clearTimeout(this.timer);
    this.task?.fail(text);
  }
}

function buildFailure(error: unknown): unknown {
  if (!(error instanceof ImageBuildError)) return error;
  return new UserError(
    error.message,
    "When the cause is mended, run the same command again: images and steps that were built are not built again.",
  );
}
