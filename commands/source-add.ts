import { readFile, writeFile } from "node:fs/promises";
import * as path from "node:path";
import { stringify } from "yaml";
import { loadSources } from "../infra/sources";
import type { Declaration } from "../infra/sources";
import { projectFolder, UserError } from "../toolchain/index";
import { type Command, readOptions } from "./command";
import { cellValue, columnNames, guessKey, inferColumns, renamed, type Row } from "./infer-columns";
import { csvRecords, jsonArrayRows, jsonLinesRows } from "./sample-rows";
import { bucketFiles, localFiles, type SourceFiles } from "./source-files";
import { layoutOf } from "./source-layout";

const usage = `npm run source:add -- PATH or s3://BUCKET/PREFIX [options]
     looks at real files and prints a first declaration of a source, for you to correct
  --write            adds it to sources.yaml
  --name NAME        of the source (default: from the prefix)
  --table TABLE      <namespace>.<table> (default: newtral.<name>)
  --bucket BUCKET    that the files will be in, if PATH is on this machine (default: source)
  --endpoint URL     of the object store (default: AWS's)
  --region REGION
  --anonymous        the bucket is public`;

/** Files that are read, from the first to the last, to see what changes over time. */
const samples = 40;

type Format = Declaration["format"];

interface Options {
  name?: string | undefined;
  table?: string | undefined;
  bucket?: string | undefined;
  endpoint?: string | undefined;
  region?: string | undefined;
  anonymous: boolean;
}

/** A declaration, as far as files tell it, and what a person should look at. */
export interface Draft {
  declaration: Record<string, unknown>;
  remarks: string[];
}

export const command: Command = {
  usage,
  async run(args) {
    const { values, positionals } = readOptions(
      usage,
      args,
      {
        write: { type: "boolean", default: false },
        name: { type: "string" },
        table: { type: "string" },
        bucket: { type: "string" },
        endpoint: { type: "string" },
        region: { type: "string" },
        anonymous: { type: "boolean", default: false },
      },
      true,
    );
    const [place, ...others] = positionals;
    if (place === undefined || others.length > 0) throw new UserError("Name one place to look at.", usage);
    const { declaration, remarks } = await draftOf(place, values);
    const text = declarationText(declaration, remarks);
    if (!values.write) {
      console.log(text);
      return 0;
    }
    const file = path.join(projectFolder, "sources.yaml");
    await addTo(file, text);
    console.log(`${text}\nAdded to sources.yaml. Correct it, then run npm run up (or pulumi up).`);
    return 0;
  },
};

/** Looks at the files of a place. */
export async function draftOf(place: string, options: Options): Promise<Draft> {
  const url = /^s3a?:\/\/([^/]+)\/?(.*)$/.exec(place);
  const files =
    url === null
      ? await localFiles(place)
      : await bucketFiles(url[1] ?? "", url[2] ?? "", { ...options, anonymous: options.anonymous });
  const bucket = url?.[1] ?? options.bucket ?? "source";
  return draft(files, place, bucket, options, url !== null);
}

async function draft(
  files: SourceFiles,
  place: string,
  bucket: string,
  options: Options,
  isBucket: boolean,
): Promise<Draft> {
  const names = files.names.filter((name) => ending(name) !== undefined && !/(^|\/)[._]/.test(name)).sort();
  if (names.length === 0) {
    throw new UserError(
      `${place} has no file that ends in .json, .jsonl, .ndjson, .csv, these with .gz, or .parquet.`,
      "Name the folder above the days' folders.",
    );
  }
  const layout = layoutOf(names);
  if (layout === undefined) {
    throw new UserError(
      `No file in ${place} lies in a folder by day, for example ${names[0] ?? ""}.`,
      "Objects of a source lie in a folder for each day, such as 2018/04/16/ or dt=2018-04-16/; name the folder above these.",
    );
  }
  const chosen = spread(names, samples);
  const contents = await Promise.all(chosen.map(async (name) => ({ name, content: await files.read(name) })));
  const format = formatOf(contents);
  const { rows: found, remarks } = rowsOf(format, contents);
  const called = format.startsWith("json") ? columnNames(found) : new Map<string, string>();
  const rows = renamed(found, called);
  const { columns, leftOut } = inferColumns(rows);
  if (columns.size === 0) {
    throw new UserError(
      `No row could be read from ${chosen.join(", ")}.`,
      "Declare the source by hand in sources.yaml.",
    );
  }
  const key = guessKey(rows, columns);
  const name = options.name ?? nameFrom(layout.prefix || path.basename(path.resolve(place)));
  if (leftOut.length > 0) remarks.push(`Left out, for no column can be called so: ${leftOut.join(", ")}.`);
  remarks.push(
    key === undefined
      ? "No column is different in every row: name the key's columns, or leave onExistingKey: append."
      : `The key is a guess: ${key} is different in the ${rows.length} rows that were looked at.`,
  );
  if (!isBucket)
    remarks.push(
      "Bucket and prefix are as if the folder's content lay at the top of the bucket: correct them.",
    );
  return {
    remarks,
    declaration: {
      name,
      bucket,
      prefix: layout.prefix,
      ...(options.endpoint === undefined
        ? isBucket
          ? { endpoint: `https://s3.${options.region ?? "us-east-1"}.amazonaws.com` }
          : {}
        : { endpoint: options.endpoint }),
      ...(options.region === undefined ? {} : { region: options.region }),
      ...(options.anonymous ? { credentials: "anonymous" } : {}),
      ...(layout.dates === "%Y/%m/%d" ? {} : { dates: layout.dates }),
      ...(format === "json-lines" ? {} : { format }),
      startDate: layout.first,
      table: options.table ?? `newtral.${name}`,
      ...(key === undefined ? { onExistingKey: "append" } : { key: [key] }),
      columns: Object.fromEntries(columns),
      ...(called.size === 0
        ? {}
        : { fields: Object.fromEntries([...called].map(([field, column]) => [column, field])) }),
    },
  };
}

/** The declaration as an item of the list in sources.yaml. */
export function declarationText(declaration: Record<string, unknown>, remarks: readonly string[]): string {
  const comments = remarks.map((remark) => `  # ${remark}\n`).join("");
  const yaml = stringify([declaration], { lineWidth: 0, flowCollectionPadding: false });
  const item = yaml.replace(/^( *)key:\n\s+- (.*)$/m, "$1key: [$2]");
  return comments + item.replace(/^(?=.)/gm, "  ");
}

/** Appends a declaration to the file; what the file then says must be right, or it stays as it was. */
export async function addTo(file: string, text: string): Promise<void> {
  const before = await readFile(file, "utf8");
  await writeFile(file, `${before.trimEnd()}\n\n${text}`);
  try {
    loadSources(file);
  } catch (error) {
    await writeFile(file, before);
    throw new UserError(
      `The declaration does not fit into the file: ${(error as Error).message}`,
      "Give it another --name or --table, or print it without --write and add it by hand.",
    );
  }
}

function ending(name: string): string | undefined {
  return /\.(?:(json|jsonl|ndjson|csv)(?:\.gz)?|parquet)$/.exec(name)?.[0];
}

function formatOf(contents: readonly { name: string; content: Buffer }[]): Format {
  const [{ name, content } = { name: "", content: Buffer.alloc(0) }] = contents.filter(
    (each) => each.content.length > 0,
  );
  if (name.endsWith(".parquet")) return "parquet";
  if (/\.csv(\.gz)?$/.test(name)) return "csv";
  return /^[\s\ufeff]*\[/.test(content.toString("utf8", 0, 1000)) ? "json-array" : "json-lines";
}

function rowsOf(
  format: Format,
  contents: readonly { name: string; content: Buffer }[],
): { rows: Row[]; remarks: string[] } {
  if (format === "parquet") {
    throw new UserError(
      "Parquet files are not looked into here: their columns have to be declared by hand.",
      "Declare the source in sources.yaml with format: parquet.",
    );
  }
  const rows: Row[] = [];
  const remarks: string[] = [];
  for (const { name, content } of contents) {
    const text = content.toString("utf8").replace(/^\ufeff/, "");
    const read = { "json-lines": jsonLinesRows, "json-array": jsonArrayRows, csv: csvRecords }[format];
    const { rows: found, unreadable } = read(text);
    rows.push(...(format === "csv" ? found.map(cells) : found));
    if (unreadable > 0) remarks.push(`${unreadable} lines of ${name} could not be read.`);
  }
  return { rows, remarks };
}

function cells(row: Row): Row {
  return Object.fromEntries(Object.entries(row).map(([name, text]) => [name, cellValue(String(text))]));
}

/** Some of a list, the first and the last among them. */
function spread<T>(list: readonly T[], count: number): T[] {
  if (list.length <= count) return [...list];
  return Array.from(
    { length: count },
    (_, index) => list[Math.round((index * (list.length - 1)) / (count - 1))] as T,
  );
}

function nameFrom(prefix: string): string {
  const last = prefix.split("/").filter(Boolean).at(-1) ?? "source";
  const name = last
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "_")
    .replace(/^[^a-z]+|_+$/g, "");
  return name.slice(0, 40) || "source";
}
