import { existsSync, readdirSync, readFileSync } from "node:fs";
import { chmod, copyFile, link, readFile, rm, writeFile } from "node:fs/promises";
import * as path from "node:path";
import { contentKey, replaceFile } from "./cache";
import { projectFolder } from "./project";

/** A resource plugin of ours, for where the official one cannot be had. */
export interface PluginStandIn {
  /** The plugin's name, as in `pulumi-resource-NAME`. */
  name: string;
  /** The npm package whose version it stands in for. */
  package: string;
  /** Its main module, in this folder. */
  main: string;
  /** Only some stacks use it: Pulumi itself gets the official one when a program first does. */
  whenUsed: boolean;
}

export const pluginStandIns: readonly PluginStandIn[] = [
  { name: "docker", package: "@pulumi/docker", main: "docker-plugin/main.ts", whenUsed: false },
  { name: "kubernetes", package: "@pulumi/kubernetes", main: "kubernetes-plugin/main.ts", whenUsed: true },
  { name: "aws", package: "@pulumi/aws", main: "aws-plugin/main.ts", whenUsed: true },
];

/** Beside a stand-in lies its bundle; the official plugin has no such file. */
const bundleName = "stand-in.js";

const leanLoading = path.join(__dirname, "lean-loading.cjs");

/** Puts the engine into a folder for the PATH. */
export async function installEngine(executable: string, folder: string): Promise<void> {
  await replaceFile(path.join(folder, "pulumi"), async (temporary) => {
    // A symbolic link would not do: the engine looks for its language hosts beside the file that it really is.
    await link(executable, temporary).catch(() => copyFile(executable, temporary));
  });
}

/** Puts the language host, and a runner of the dynamic providers that the SDK brings, beside the engine. */
export async function installLanguageHost(folder: string): Promise<void> {
  await installBundle("language-host/main.ts", folder, "pulumi-language-nodejs", "language-host.js");
  const preload = "lean-loading.cjs";
  await replaceFile(path.join(folder, preload), (temporary) => copyFile(leanLoading, temporary));
  await replaceFile(path.join(folder, "pulumi-resource-pulumi-nodejs"), async (temporary) => {
    await writeFile(temporary, dynamicProviderRunner(preload));
    await chmod(temporary, 0o755);
  });
}

/** What the SDK's own runner does, in one process of Node instead of two, and without what the providers don't need. */
function dynamicProviderRunner(preload: string): string {
  const script =
    'require(require.resolve("@pulumi/pulumi/cmd/dynamic-provider", { paths: [process.cwd()] }))';
  return `#!/bin/sh\nexec node --require "$(cd "$(dirname "$0")" && pwd)/${preload}" --eval '${script}' dynamic-provider "$@"\n`;
}

/** Puts a stand-in where the engine looks for plugins, in place of an earlier version of it. */
export async function installStandIn(standIn: PluginStandIn, pulumiHome: string): Promise<void> {
  const folder = pluginFolder(standIn, pulumiHome);
  await installBundle(standIn.main, folder, `pulumi-resource-${standIn.name}`, bundleName);
  // The engine takes a plugin for installed when this file is there, and nothing says that it is only half so.
  await writeFile(`${folder}.lock`, "");
}

export async function removeStandIn(standIn: PluginStandIn, pulumiHome: string): Promise<void> {
  const folder = pluginFolder(standIn, pulumiHome);
  await rm(folder, { recursive: true, force: true });
  await rm(`${folder}.lock`, { force: true });
}

export type PluginState = "official" | "stand-in" | "missing";

export function pluginState(standIn: PluginStandIn, pulumiHome: string): PluginState {
  const folder = pluginFolder(standIn, pulumiHome);
  if (!existsSync(path.join(folder, `pulumi-resource-${standIn.name}`))) return "missing";
  return existsSync(path.join(folder, bundleName)) ? "stand-in" : "official";
}

export function pluginVersion(standIn: PluginStandIn): string {
  const manifest = readFileSync(path.join(installedPackage(standIn.package), "package.json"), "utf8");
  return (JSON.parse(manifest) as { version: string }).version;
}

function pluginFolder(standIn: PluginStandIn, pulumiHome: string): string {
  return path.join(pulumiHome, "plugins", `resource-${standIn.name}-v${pluginVersion(standIn)}`);
}

/**
 * Bundles a program of ours into one file, which starts several times faster than its sources would, and puts an
 * executable beside it that runs it. Nothing is done if the sources are those that the bundle was made from.
 */
async function installBundle(
  main: string,
  folder: string,
  executable: string,
  bundle: string,
): Promise<void> {
  const target = path.join(folder, bundle);
  const mark = `// made from sources ${await sourcesKey()}`;
  if (existsSync(target) && readFileSync(target, "utf8").startsWith(mark)) return;

  const { build } = await import("esbuild");
  await replaceFile(target, async (temporary) => {
    await build({
      entryPoints: [path.join(__dirname, main)],
      outfile: temporary,
      banner: { js: mark },
      bundle: true,
      platform: "node",
      target: "node20",
      keepNames: true,
      logLevel: "silent",
      // Native parts of the SSH client are optional, and cannot be bundled.
      external: ["*.node", "cpu-features"],
    });
  });
  await replaceFile(path.join(folder, executable), async (temporary) => {
    await writeFile(temporary, `#!/bin/sh\nexec node "$(dirname "$0")/${bundle}" "$@"\n`);
    await chmod(temporary, 0o755);
  });
}

/** Changes whenever a bundle made from this folder would: with our sources, and with the packages installed. */
async function sourcesKey(): Promise<string> {
  const names = readdirSync(__dirname, { recursive: true, encoding: "utf8" }).filter((name) =>
    name.endsWith(".ts"),
  );
  const sources = names.sort().map((name) => path.join(__dirname, name));
  const files = [...sources, path.join(projectFolder, "package-lock.json")];
  return contentKey(await Promise.all(files.map((file) => readFile(file, "utf8"))));
}

function installedPackage(name: string): string {
  return path.join(projectFolder, "node_modules", name);
}
