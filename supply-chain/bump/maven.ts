import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { copyFile, readdir } from "node:fs/promises";
import * as path from "node:path";
import { coordinates, mavenPins } from "../maven-pins";
import { runProgram } from "./program";
import { type Changes, readVersions, versionsFile, withValues } from "./versions-file";
import { withScratch } from "../../toolchain/scratch";
import type { Task } from "../../toolchain/progress";

/** Milliseconds: the largest file is 0.8 GB. */
const limit = 30 * 60_000;

/** Versions that take part in Spark's extra jars, by the property of its pom.xml that has them. */
export const sparkProperties: Readonly<Record<string, string>> = {
  SPARK_LINE: "spark.line",
  SCALA_LINE: "scala.line",
  ICEBERG_VERSION: "iceberg.version",
  HADOOP_VERSION: "hadoop.version",
  AWS_SDK_VERSION: "awssdk.version",
  OPENLINEAGE_VERSION: "openlineage.version",
};

/** A version of artifacts whose hashes stand beside it: each is fetched through Maven, so a configured mirror is honoured. */
export async function bumpArtifacts(
  folder: string,
  key: string,
  version: string,
  task: Task,
): Promise<Changes> {
  const values: Record<string, string> = { [key]: version };
  for (const pin of mavenPins.filter((each) => each.version === key)) {
    if (pin.hash === undefined) continue;
    const artifact = coordinates(pin, version);
    task.update(`fetching ${artifact}`);
    values[pin.hash] = await withScratch("bump", async (scratch) => {
      await maven(folder, scratch, "copy", [`-Dartifact=${artifact}`], scratch, task);
      const [file] = await readdir(path.join(scratch, "fetched"));
      if (file === undefined) throw new Error(`Maven fetched no file for ${artifact}`);
      return sha256(path.join(scratch, "fetched", file));
    });
  }
  return new Map([[versionsFile, withValues(folder, "buildArgs", values)]]);
}

/** A version that decides on Spark's extra jars: all are fetched and their hashes written anew, for one brings others. */
export async function bumpSparkJars(
  folder: string,
  key: string,
  version: string,
  task: Task,
): Promise<Changes> {
  const buildArgs: Record<string, string> = { ...readVersions(folder).buildArgs, [key]: version };
  task.update("fetching Spark's extra jars");
  const hashes = await withScratch("bump", async (scratch) => {
    await copyFile(path.join(folder, "images/spark/pom.xml"), path.join(scratch, "pom.xml"));
    const properties = Object.entries(sparkProperties).map(
      ([arg, property]) => `-D${property}=${buildArgs[arg] ?? ""}`,
    );
    await maven(folder, scratch, "copy-dependencies", properties, scratch, task);
    const files = (await readdir(path.join(scratch, "fetched"))).sort();
    return Promise.all(
      files.map(async (file) => `${await sha256(path.join(scratch, "fetched", file))}  ${file}\n`),
    );
  });
  return new Map([
    [versionsFile, withValues(folder, "buildArgs", { [key]: version })],
    ["images/spark/SHA256SUMS", hashes.join("")],
  ]);
}

/** A goal of the pinned dependency plugin, with a repository of its own: nothing of an earlier download is trusted. */
async function maven(
  folder: string,
  scratch: string,
  goal: string,
  args: readonly string[],
  cwd: string,
  task: Task,
): Promise<void> {
  const { MAVEN_DEPENDENCY_PLUGIN_VERSION = "" } = readVersions(folder).buildArgs;
  await runProgram(
    "mvn",
    [
      "-q",
      "-B",
      "-Dstyle.color=never",
      `-Dmaven.repo.local=${path.join(scratch, "repository")}`,
      `org.apache.maven.plugins:maven-dependency-plugin:${MAVEN_DEPENDENCY_PLUGIN_VERSION}:${goal}`,
      ...args,
      `-DoutputDirectory=${path.join(scratch, "fetched")}`,
    ],
    "Install Maven (apt-get install maven, brew install maven)",
    { cwd, limit, task },
  );
}

async function sha256(file: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return hash.digest("hex");
}
