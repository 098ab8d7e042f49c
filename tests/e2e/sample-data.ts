import { readdirSync, readFileSync } from "node:fs";
import * as path from "node:path";
import { gunzipSync } from "node:zlib";
import manifest from "../../sample-data/MANIFEST.json";
import { projectFolder } from "../../toolchain/project";

export type Folder = "Media" | "TiktokComment";

interface Amounts {
  files: number;
  rows: number;
  distinct_ids: number;
}

const samples = path.join(projectFolder, "sample-data");

/** What the manifest says about a month (2018-03) or a day (2018-03-01) of a source. */
export function manifestOf(folder: Folder, period: string): Amounts {
  const months: Record<string, Amounts & { days: Record<string, Amounts> }> = manifest.sources[folder].months;
  const month = months[period.slice(0, 7)];
  const found = period.length === 7 ? month : month?.days[period];
  if (found === undefined) throw new Error(`The manifest has no ${period} of ${folder}`);
  return found;
}

/** The objects of a month or a day: key in the bucket, file on this machine. */
export function objectsOf(folder: Folder, period: string): Map<string, string> {
  const below = path.join(folder, ...period.split("-"));
  const names = readdirSync(path.join(samples, below), { recursive: true, withFileTypes: true });
  const files = names
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name));
  return new Map(files.map((file) => [path.relative(samples, file).split(path.sep).join("/"), file]));
}

/** The malformed files, as objects of a day of Media. README.md is about them and not one of them. */
export function badObjects(day: string): Map<string, string> {
  const names = readdirSync(path.join(samples, "bad")).filter((name) => name !== "README.md");
  const prefix = `Media/${day.replaceAll("-", "/")}`;
  return new Map(names.map((name) => [`${prefix}/${name}`, path.join(samples, "bad", name)]));
}

/** The distinct ids of some days together: a day may repeat rows of the day before. */
export function idsOf(folder: Folder, days: readonly string[]): Set<string> {
  const files = days.flatMap((day) => [...objectsOf(folder, day).values()]);
  return new Set(files.flatMap((file) => rowsOf(file).map(({ id }) => id)));
}

function rowsOf(file: string): { id: string }[] {
  const content = readFileSync(file);
  const text = (file.endsWith(".gz") ? gunzipSync(content) : content).toString();
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as { id: string });
}

/** Each day from the first to the last. */
export function daysBetween(first: string, last: string): string[] {
  const days: string[] = [];
  for (let day = new Date(first); day <= new Date(last); day.setUTCDate(day.getUTCDate() + 1)) {
    days.push(day.toISOString().slice(0, 10));
  }
  return days;
}
