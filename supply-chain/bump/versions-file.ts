import { readFileSync } from "node:fs";
import * as path from "node:path";

/** versions.json, as far as it is changed here. */
export interface Versions {
  locked: Record<string, string>;
  buildArgs: Record<string, string>;
}

/** New texts of files, by their path in the project. Written together when all are known, so that nothing is half changed. */
export type Changes = Map<string, string>;

export const versionsFile = "versions.json";

export function readVersions(folder: string): Versions {
  return JSON.parse(readFileSync(path.join(folder, versionsFile), "utf8")) as Versions;
}

/** versions.json with some values in the place of others; what else is in it stays as it is. */
export function withValues(
  folder: string,
  section: keyof Versions,
  values: Readonly<Record<string, string>>,
): string {
  const versions = readVersions(folder);
  for (const key of Object.keys(values))
    if (!(key in versions[section])) throw new Error(`${versionsFile}: "${section}" has no ${key} to change`);
  Object.assign(versions[section], values);
  return `${JSON.stringify(versions, null, 2)}\n`;
}
