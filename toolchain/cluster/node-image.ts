import * as path from "node:path";
import type Docker from "dockerode";
import { cacheFolder, contentKey } from "../cache";
import { ensureImage, ImageBuildError } from "../docker-plugin/image-builder";
import type { Reporter } from "../progress";
import { projectFolder } from "../project";
import { UserError } from "../user-error";

/** What the node's image is built with. */
export interface NodeImageSources {
  docker: Docker;
  /** Debian, as under all images of the project. */
  baseImage: string;
  /** The project's image of build tools, with Go and the host's certificates. */
  builderImage: string;
  reporter: Reporter;
  signal?: AbortSignal;
}

interface Part {
  name: string;
  folder: string;
  /** What takes long the first time. */
  expectation: string;
}

const programs: Part = {
  name: "programs",
  folder: "programs",
  expectation: "compiling Kubernetes, once: about ten minutes on two cores",
};

const node: Part = { name: "node", folder: "node", expectation: "putting the node together" };

/**
 * The image of a Kubernetes node, from the cache if it was built before. Its programs are an image of their own, so that
 * a change of the agent does not compile Kubernetes again.
 *
 * @returns the image's name.
 */
export async function ensureNodeImage(sources: NodeImageSources): Promise<string> {
  const programsImage = await ensure(programs, {}, sources);
  return ensure(node, { BASE_IMAGE: sources.baseImage, PROGRAMS_IMAGE: programsImage }, sources);
}

async function ensure(
  { name, folder, expectation }: Part,
  buildArgs: Record<string, string>,
  { docker, builderImage, reporter, signal }: NodeImageSources,
): Promise<string> {
  const context = path.join(projectFolder, "toolchain", "cluster", folder);
  // A folder is one version of the project's: clones with other versions do not take each other's names away.
  const reference = `lakestack-cluster-${name}:${contentKey([context])}`;
  const task = reporter.task(`Cluster ${name}`);
  try {
    const { how } = await ensureImage(
      { name: reference, context, buildArgs, toolImages: { BUILDER_IMAGE: builderImage } },
      {
        docker,
        cacheFolder: cacheFolder(),
        onProgress: () => {
          task.update(expectation);
        },
        signal,
      },
    );
    task.done({ built: "built", cache: "loaded from the cache", present: "there already" }[how]);
    return reference;
  } catch (error) {
    task.fail(signal?.aborted ? "stopped" : "could not be built");
    if (!(error instanceof ImageBuildError)) throw error;
    throw new UserError(
      error.message,
      "Most often a download failed: check the network and proxy settings, and run the command again.",
      { cause: error },
    );
  }
}
