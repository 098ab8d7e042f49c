import { existsSync } from "node:fs";
import { realpath } from "node:fs/promises";
import * as path from "node:path";
import versions from "../versions.json";
import { toolFolder } from "./project";
import { run } from "./run";

/** The first `pulumi` on the PATH that is the user's own, if it can be used here: see {@link fits}. */
export async function installedPulumi(): Promise<string | undefined> {
  const folders = (process.env["PATH"] ?? "").split(path.delimiter);
  // One of ours, or of another clone, is on the PATH of a shell that has taken over the environment of `npm run env`.
  const own = folders.filter((folder) => !folder.split(path.sep).includes(path.basename(toolFolder)));
  const executable = own.map((folder) => path.join(folder, "pulumi")).find((file) => existsSync(file));
  if (executable === undefined || !(await hasLanguageHost(executable, own))) return undefined;
  const version = await run(executable, ["version"], { limit: 15_000 }).catch(() => "");
  return fits(version.trim()) ? executable : undefined;
}

/** Of the same major version as the one this project is made with, and no older. */
export function fits(version: string, wanted: string = versions.pulumi): boolean {
  const [, major, minor] = /^v?(\d+)\.(\d+)\.\d+/.exec(version) ?? [];
  const [wantedMajor, wantedMinor] = wanted.split(".").map(Number);
  return Number(major) === wantedMajor && Number(minor) >= (wantedMinor ?? 0);
}

/** An engine that somebody compiled alone cannot run programs. */
async function hasLanguageHost(executable: string, folders: readonly string[]): Promise<boolean> {
  const beside = path.dirname(await realpath(executable));
  return [beside, ...folders].some((folder) => existsSync(path.join(folder, "pulumi-language-nodejs")));
}
