import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { hostCertificates } from "../toolchain/ca-bundle";
import { projectFolder } from "../toolchain/project";
import versions from "../versions.json";

/** How one of the folders in `images/` becomes an image. Says nothing of this machine: equal content, equal value. */
export interface ImageBuild {
  /** Name of the folder. */
  name: string;
  /** Folder that is sent to the engine, relative to the project. */
  context: string;
  /** Versions, hashes and the base image that the Dockerfile asks for. */
  args: Record<string, string>;
  /** Images of the project that the Dockerfile starts from, each in an argument of its own: `<NAME>_IMAGE`. */
  needs: string[];
  /** Names the content: 12 hexadecimal digits of the hash of all that goes in, the needed images included. */
  tag: string;
}

/** Images that no service runs: only tests have them built. */
export const testImages: ReadonlySet<string> = new Set(["checks", "keycloak", "moto"]);

/** Images that only clusters run. */
const clusterImages: ReadonlySet<string> = new Set(["gateway"]);

/** Whether a stack in Docker runs this image. */
export const isForDocker = (name: string) => !testImages.has(name) && !clusterImages.has(name);

export interface ImageSources {
  /** Image under all others. Default: `LAKESTACK_BASE_IMAGE`, which is set where no registry answers, else the pinned Debian. */
  baseImage?: string;
  /** Folder with a sub-folder for each image. Default: the project's. */
  folder?: string;
  /** Values of the Dockerfiles' arguments. Default: those in versions.json. */
  buildArgs?: Readonly<Record<string, string>>;
}

/**
 * The host's certificates, put into the builder's context for its sake. They are no part of any tag: the builder only fetches
 * what is checked by hash, so the same content comes out whatever the host trusts, and must have the same tag everywhere.
 */
const certificatesFile = "ca-bundle.pem";

/** All images, those that others need first. What a Dockerfile needs is what its ARG lines without a default name. */
export function imageBuilds(sources: ImageSources = {}): ImageBuild[] {
  const folder = sources.folder ?? path.join(projectFolder, "images");
  const baseImage = sources.baseImage ?? process.env["LAKESTACK_BASE_IMAGE"] ?? versions.baseImage;
  const known: Readonly<Record<string, string>> = sources.buildArgs ?? versions.buildArgs;
  const names = readdirSync(folder)
    .filter((name) => existsSync(path.join(folder, name, "Dockerfile")))
    .sort();
  const builds = new Map<string, ImageBuild>();

  const add = (name: string, neededBy: string[]): ImageBuild => {
    const done = builds.get(name);
    if (done !== undefined) return done;
    if (neededBy.includes(name)) throw new Error(`images: ${[...neededBy, name].join(" needs ")}: a circle`);

    const args: Record<string, string> = {};
    const needed: ImageBuild[] = [];
    for (const arg of requiredArgs(path.join(folder, name, "Dockerfile"))) {
      const image = /^(\w+)_IMAGE$/.exec(arg)?.[1]?.toLowerCase();
      if (image === "base") args[arg] = baseImage;
      else if (image !== undefined && names.includes(image)) needed.push(add(image, [...neededBy, name]));
      else args[arg] = known[arg] ?? unknownArgument(name, arg);
    }
    const needs = needed.map((build) => build.name);
    const tag = digest([args, needed.map((build) => build.tag), contentOf(path.join(folder, name))]).slice(
      0,
      12,
    );
    const build = { name, context: `images/${name}`, args, needs, tag };
    builds.set(name, build);
    return build;
  };
  for (const name of names) add(name, []);
  return [...builds.values()];
}

/** What an image is called in a stack: stacks never share a name, so that one can be destroyed without the other. */
export function imageReference(stack: string, build: Pick<ImageBuild, "name" | "tag">): string {
  return `lakestack-${stack}-${build.name}:${build.tag}`;
}

/** An image's arguments in a stack: its own, and the references of the images it needs. */
export function buildArguments(
  stack: string,
  build: ImageBuild,
  builds: ImageBuild[],
): Record<string, string> {
  const references = builds
    .filter(({ name }) => build.needs.includes(name))
    .map((needed) => [`${needed.name.toUpperCase()}_IMAGE`, imageReference(stack, needed)]);
  return { ...build.args, ...(Object.fromEntries(references) as Record<string, string>) };
}

/** The named images and all that they need, in building order. */
export function withNeeds(names: string[], builds: ImageBuild[]): ImageBuild[] {
  const wanted = new Set(names);
  for (const name of names) {
    if (!builds.some((build) => build.name === name)) {
      throw new Error(`No image ${name}: images/ has ${builds.map((build) => build.name).join(", ")}`);
    }
  }
  for (const build of builds.toReversed()) {
    if (wanted.has(build.name)) for (const need of build.needs) wanted.add(need);
  }
  return builds.filter(({ name }) => wanted.has(name));
}

/** How this host reaches package registries. Reaches the builder image only. */
export interface HostAccess {
  /** The builder's optional arguments: the user's mirrors. May hold a password. */
  mirrors: Record<string, string>;
  /** Changes with the certificates and the mirrors. */
  digest: string;
}

/** Puts the host's certificates into the builder's context, if they are not there yet, and finds the user's mirrors. */
export function prepareBuilderContext(): HostAccess {
  const certificates = hostCertificates();
  const file = path.join(projectFolder, "images", "builder", certificatesFile);
  if (!existsSync(file) || readFileSync(file, "utf8") !== certificates) writeFileSync(file, certificates);
  const mirrors = userMirrors();
  return { mirrors, digest: digest([certificates, mirrors]).slice(0, 12) };
}

function userMirrors(): Record<string, string> {
  const { PIP_INDEX_URL, GOPROXY } = process.env;
  const settings = path.join(os.homedir(), ".m2", "settings.xml");
  const maven = existsSync(settings)
    ? /<mirror>[^]*?<url>\s*([^<\s]+)\s*<\/url>[^]*?<\/mirror>/.exec(readFileSync(settings, "utf8"))?.[1]
    : undefined;
  const found = Object.entries({ PIP_INDEX_URL, GOPROXY, MAVEN_MIRROR_URL: maven });
  return Object.fromEntries(found.filter((entry): entry is [string, string] => Boolean(entry[1])));
}

function requiredArgs(dockerfile: string): Set<string> {
  const matches = readFileSync(dockerfile, "utf8").matchAll(/^ARG (\w+)\s*$/gm);
  return new Set([...matches].flatMap(([, name]) => name ?? []));
}

function unknownArgument(image: string, arg: string): never {
  throw new Error(
    `images/${image}/Dockerfile: ARG ${arg} has no value. Expected it in "buildArgs" of versions.json, or a default in the Dockerfile.`,
  );
}

/** Path, executable bit and content of every file. */
function contentOf(folder: string): string[][] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name !== certificatesFile && statSync(path.join(folder, name)).isFile())
    .sort()
    .map((name) => {
      const file = path.join(folder, name);
      const executable = (statSync(file).mode & 0o100) !== 0;
      const content = createHash("sha256").update(readFileSync(file)).digest("hex");
      return [name.split(path.sep).join("/"), executable ? "executable" : "plain", content];
    });
}

function digest(value: unknown): string {
  return createHash("sha256").update(JSON.stringify(value)).digest("hex");
}
