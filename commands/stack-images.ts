import type Docker from "dockerode";
import { imageBuilds } from "../infra/image-builds";
import { ignoreAbsence } from "./stack-containers";

export interface StackImage {
  id: string;
  /** With its tag. */
  name: string;
  /** Bytes. */
  size: number;
}

/** The images of a stack, of this and of earlier contents. */
export async function stackImages(docker: Docker, stack: string): Promise<StackImage[]> {
  // One filter an image: with "lakestack-dev-*" the images of a stack "dev-2" would be found, too.
  const reference = imageBuilds().map(({ name }) => `lakestack-${stack}-${name}`);
  const found = await docker.listImages({ filters: { reference } });
  return found.flatMap(({ RepoTags, Id, Size }) =>
    (RepoTags ?? []).map((name) => ({ id: Id, name, size: Size })),
  );
}

/** Takes the names away, and the images with them unless they have others. */
export async function removeImages(docker: Docker, names: readonly string[]): Promise<void> {
  for (const name of names) await ignoreAbsence(docker.getImage(name).remove({ force: true }));
}

/**
 * Removes what builds left of images whose names are gone: stages of a build have no name, and nothing but their
 * parents tells whose they are.
 *
 * @param roots IDs of the images, taken before their names went. One that still has a name is another stack's, too,
 *   and keeps what was built on it.
 */
export async function removeBuildRemains(docker: Docker, roots: readonly string[]): Promise<void> {
  const images = await docker.listImages({ all: true });
  const named = new Set(images.filter(({ RepoTags }) => !isUnnamed(RepoTags)).map(({ Id }) => Id));
  const gone = new Set(roots.filter((id) => !named.has(id)));
  for (const id of unnamedDescendants(images, gone)) {
    try {
      await docker.getImage(id).remove();
    } catch {
      // A container still runs it, or the engine took it away with its last child.
    }
  }
}

/** Images without a name and without children that are one of the roots or were built on one. */
export function unnamedDescendants(
  images: readonly Pick<Docker.ImageInfo, "Id" | "ParentId" | "RepoTags">[],
  roots: ReadonlySet<string>,
): string[] {
  const parents = new Map(images.map(({ Id, ParentId }) => [Id, ParentId]));
  const withChildren = new Set(images.map(({ ParentId }) => ParentId));
  const descends = (id: string): boolean => {
    for (let at: string | undefined = id; at !== undefined && at !== ""; at = parents.get(at)) {
      if (roots.has(at)) return true;
    }
    return false;
  };
  return images
    .filter(({ Id, RepoTags }) => !withChildren.has(Id) && isUnnamed(RepoTags) && descends(Id))
    .map(({ Id }) => Id);
}

const isUnnamed = (tags: readonly string[] | null | undefined) =>
  (tags ?? []).every((tag) => tag === "<none>:<none>");
