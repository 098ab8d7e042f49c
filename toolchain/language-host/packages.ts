import { existsSync, readdirSync, readFileSync } from "node:fs";
import * as path from "node:path";

export interface InstalledPackage {
  name: string;
  version: string;
}

/** A resource plugin that an installed package needs. */
export interface RequiredPlugin {
  name: string;
  version: string;
  /** Where to download it from, if not from Pulumi; empty otherwise. */
  server: string;
}

/** The fields of a package.json that matter here. */
interface Manifest {
  name?: string;
  version?: string;
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
  pulumi?: { resource?: boolean; name?: string; version?: string; server?: string };
}

/** The plugins that the packages installed for a program declare in the `pulumi` section of their package.json. */
export function requiredPlugins(programFolder: string): RequiredPlugin[] {
  const plugins = new Map<string, RequiredPlugin>();
  for (const { name = "", version = "", pulumi } of installedManifests(programFolder)) {
    if (!pulumi?.resource) continue;
    const plugin = {
      name: pulumi.name ?? name.replace(/^@pulumi\//, ""),
      version: pulumi.version ?? version,
      server: pulumi.server ?? "",
    };
    plugins.set(`${plugin.name}@${plugin.version}`, plugin);
  }
  return [...plugins.values()];
}

/** Every package installed for a program, whoever needs it. */
export function installedPackages(programFolder: string): InstalledPackage[] {
  return installedManifests(programFolder).flatMap(({ name, version }) =>
    name && version ? [{ name, version }] : [],
  );
}

/** The packages that the program's own package.json asks for, at the versions installed. */
export function directDependencies(programFolder: string): InstalledPackage[] {
  const project = ancestors(programFolder).find((folder) => existsSync(path.join(folder, "package.json")));
  if (project === undefined) return [];
  const { dependencies, devDependencies } = readManifest(project) ?? {};
  return Object.keys({ ...dependencies, ...devDependencies }).flatMap((name) => {
    const version = readManifest(path.join(project, "node_modules", name))?.version;
    return version ? [{ name, version }] : [];
  });
}

/** Node looks for packages in the `node_modules` of the program's folder and of every folder above it. */
function installedManifests(programFolder: string): Manifest[] {
  return ancestors(programFolder).flatMap((folder) => manifestsIn(path.join(folder, "node_modules")));
}

function manifestsIn(modules: string): Manifest[] {
  return folders(modules)
    .flatMap((name) =>
      name.startsWith("@")
        ? folders(path.join(modules, name)).map((inner) => path.join(name, inner))
        : [name],
    )
    .flatMap((name) => {
      const folder = path.join(modules, name);
      const manifest = readManifest(folder);
      return [...(manifest ? [manifest] : []), ...manifestsIn(path.join(folder, "node_modules"))];
    });
}

function ancestors(folder: string): string[] {
  const parent = path.dirname(folder);
  return parent === folder ? [folder] : [folder, ...ancestors(parent)];
}

function folders(parent: string): string[] {
  if (!existsSync(parent)) return [];
  return readdirSync(parent, { withFileTypes: true })
    .filter((entry) => !entry.name.startsWith(".") && (entry.isDirectory() || entry.isSymbolicLink()))
    .map((entry) => entry.name);
}

/** Nothing if the folder has no package.json or one that cannot be read: a package broken like that is npm's matter. */
function readManifest(folder: string): Manifest | undefined {
  try {
    return JSON.parse(readFileSync(path.join(folder, "package.json"), "utf8")) as Manifest;
  } catch {
    return undefined;
  }
}
