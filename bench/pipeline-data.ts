import { mkdir, readFile, writeFile } from "node:fs/promises";
import * as path from "node:path";
import { PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { parse, stringify } from "yaml";
import { sampleFolders, sampleObjects } from "../commands/sample-data";
import type { StackOutputs } from "../commands/stack-outputs";
import { projectFolder, toolFolder } from "../toolchain/index";

const sourcesFile = path.join(toolFolder, "bench-sources.yaml");

/** A source whose every line is faulty. */
export const brokenSource = "broken";

/** Days from the first of a month of 2024. */
export const daysOf = (month: string, count: number) =>
  Array.from({ length: count }, (_, index) => `2024-${month}-${String(index + 1).padStart(2, "0")}`);

const prefix = (source: string) => `bench/${source}/`;

/**
 * Declares sources like the sample's media, each with a table of its own, and the broken one.
 *
 * @returns the file, as the stack's setting names it.
 */
export async function declareSources(names: readonly string[]): Promise<string> {
  const { sources } = parse(await readFile(path.join(projectFolder, "sources.yaml"), "utf8")) as {
    sources: { name: string }[];
  };
  const media = sources.find(({ name }) => name === "media");
  if (media === undefined) throw new Error("sources.yaml has no source media to take the columns from");
  const declared = [...names, brokenSource].map((name) => ({
    ...media,
    name,
    prefix: prefix(name),
    table: `bench.${name}`,
    retries: 0,
  }));
  await mkdir(toolFolder, { recursive: true });
  await writeFile(sourcesFile, stringify({ sources: declared }));
  return path.relative(projectFolder, sourcesFile);
}

/** Puts days of a source into the bucket: the sample's rows of media over and over, each with a key of its own. */
export async function putDays(
  { objectStoreUrl, objectStoreUser, objectStorePassword }: StackOutputs,
  source: string,
  days: readonly string[],
  rows: number,
): Promise<void> {
  process.env["AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED"] = "true";
  const client = new S3Client({
    endpoint: objectStoreUrl,
    region: "us-east-1",
    forcePathStyle: true,
    credentials: { accessKeyId: objectStoreUser, secretAccessKey: objectStorePassword },
  });
  try {
    for (const day of days) {
      await client.send(
        new PutObjectCommand({
          Bucket: "source",
          Key: `${prefix(source)}${day.replaceAll("-", "/")}/rows.json`,
          Body: source === brokenSource ? "no JSON\n".repeat(rows) : await linesOf(day, rows),
        }),
      );
    }
  } finally {
    client.destroy();
  }
}

async function linesOf(day: string, rows: number): Promise<string> {
  const folder = sampleFolders.find(({ source }) => source === "media");
  if (folder === undefined) throw new Error("There is no sample data of media");
  const files = (await sampleObjects(folder, "all")).filter(({ file }) => file.endsWith(".json"));
  const texts = await Promise.all(files.map(({ file }) => readFile(file, "utf8")));
  const sample = texts
    .flatMap((text) => text.split("\n"))
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as { id: string });
  return Array.from({ length: rows }, (_, index) => {
    const row = sample[index % sample.length];
    return `${JSON.stringify({ ...row, id: `${row?.id ?? ""}-${day}-${index}` })}\n`;
  }).join("");
}
