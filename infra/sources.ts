import { readFileSync } from "node:fs";
import { basename } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { Ajv } from "ajv";
import type { ErrorObject } from "ajv";
import { LineCounter, isMap, isNode, isScalar, parseDocument } from "yaml";
import type { Document } from "yaml";
import schema from "../sources.schema.json";
import { parseColumnType, typeExpectation } from "./column-type";

export interface Column {
  name: string;
  /** As Trino spells it. */
  type: string;
  /** As Spark spells it. */
  sparkType: string;
}

/** A declared source, checked and complete. As JSON it is what the Spark job and the DAGs read. */
export interface Source {
  /** Unique; the pipelines are called etl_spark_<name>_daily and etl_spark_<name>_monthly. */
  name: string;
  bucket: string;
  /** The folder above YYYY/MM/DD: empty, or ending in "/". */
  prefix: string;
  /** URL of the object store; the stack's own if absent. */
  endpoint?: string;
  region?: string;
  /** "anonymous" or the name of a key pair in the stack's configuration; the stack's own if absent. */
  credentials?: string;
  /** "<namespace>.<table>" */
  table: string;
  /** Names of the columns whose values together are unique. */
  key: string[];
  /** What is read from the objects, in the table's order. */
  columns: Column[];
  /** What the system appends to every row. */
  lineage: Column[];
  /** Five cron fields, UTC. */
  schedule: string;
  /** What a run does whose interval has no object. */
  onEmpty: "fail" | "skip";
  /** With a greater part of its lines faulty, a batch is refused whole. */
  maxRejectedPercent: number;
  /** First day with data, YYYY-MM-DD. */
  startDate?: string;
  owner?: string;
}

/** A declaration as the file has it, once it fits the schema. */
interface Declaration extends Omit<Source, "columns" | "lineage"> {
  columns: Record<string, string>;
}

/** Appended to every table: when the batch was ingested, and the full path of the object that the row came from. */
const lineage: Column[] = [
  ["created_at_etl", "timestamp(6) with time zone"],
  ["source_file_name", "varchar"],
].map(([name = "", type = ""]) => column(name, type));

type Path = (string | number)[];

/** Something in the file that can't be used. */
export interface SourceFault {
  line: number;
  /** Where in the document, for example `sources[0].columns.date`. */
  key: string;
  found: string;
  expected: string;
}

/** All faults of the file, reported together. */
export class SourcesError extends pulumi.RunError {
  constructor(
    file: string,
    readonly faults: SourceFault[],
  ) {
    super(
      [
        `${file} has ${faults.length === 1 ? "a fault" : `${faults.length} faults`}:`,
        ...faults.map(
          ({ line, key, found, expected }) => `  line ${line}, ${key}: found ${found}, expected ${expected}`,
        ),
        `Correct ${file} and run the same command again.`,
      ].join("\n"),
    );
    this.name = "SourcesError";
  }
}

/**
 * Reads the declared sources.
 *
 * @throws SourcesError with every fault in the file.
 */
export function loadSources(path: string): Source[] {
  const file = basename(path);
  const lines = new LineCounter();
  const document = parseDocument(read(path), { lineCounter: lines });
  if (document.errors.length > 0) {
    const faults = document.errors.map((error) => ({
      line: error.linePos?.[0].line ?? 1,
      key: "the file",
      found: firstLine(error.message),
      expected: "YAML",
    }));
    throw new SourcesError(file, faults);
  }

  const value: unknown = document.toJS();
  const found = [...shapeFaults(value), ...meaningFaults(readable(value))];
  if (found.length > 0) {
    const faults = found.map(({ path, ...fault }) => ({
      line: lineOf(document, lines, path),
      key: keyOf(path),
      ...fault,
    }));
    throw new SourcesError(
      file,
      faults.sort((a, b) => a.line - b.line),
    );
  }
  return (value as { sources: Declaration[] }).sources.map(complete);
}

/** The sources as the Spark job and the DAGs read them. */
export function renderSources(sources: Source[]): string {
  return `${JSON.stringify(sources, undefined, 2)}\n`;
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new pulumi.RunError(
      `The file of declared sources, ${path}, can't be read: ${(error as Error).message}. ` +
        "Name it: pulumi config set sourcesFile FILE",
    );
  }
}

function complete({ columns, ...declaration }: Declaration): Source {
  return {
    ...declaration,
    columns: Object.entries(columns).map(([name, type]) => column(name, type)),
    lineage,
  };
}

function column(name: string, text: string): Column {
  const { trino, spark } = parseColumnType(text);
  return { name, type: trino, sparkType: spark };
}

/** A fault whose line is not known yet. */
interface Found {
  path: Path;
  found: string;
  expected: string;
}

/** What the schema says; it also fills in the defaults. */
function shapeFaults(value: unknown): Found[] {
  const validate = new Ajv({ allErrors: true, useDefaults: true, verbose: true }).compile(schema);
  if (validate(value)) return [];
  return (validate.errors ?? [])
    .filter(({ keyword, propertyName }) => keyword === "propertyNames" || propertyName === undefined)
    .map(shapeFault);
}

function shapeFault(error: ErrorObject): Found {
  const path = error.instancePath
    .split("/")
    .slice(1)
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"))
    .map((part) => (/^\d+$/.test(part) ? Number(part) : part));
  const parent = error.parentSchema as {
    description?: string;
    properties?: Record<string, { description?: string }>;
  };
  const parameter = (name: string) => String((error.params as Record<string, unknown>)[name]);
  switch (error.keyword) {
    case "additionalProperties":
      return {
        path: [...path, parameter("additionalProperty")],
        found: "a key that means nothing here",
        expected: `one of ${Object.keys(parent.properties ?? {}).join(", ")}`,
      };
    case "required": {
      const key = parameter("missingProperty");
      return {
        path: [...path, key],
        found: "nothing",
        expected: parent.properties?.[key]?.description ?? "a value",
      };
    }
    case "propertyNames":
      return {
        path: [...path, parameter("propertyName")],
        found: `the name "${parameter("propertyName")}"`,
        expected: "lower-case letters, digits and _, a letter or _ first",
      };
    default:
      return {
        path,
        found: show(error.data),
        expected: parent.description ?? error.message ?? "another value",
      };
  }
}

/** Of each source what has the right shape, so that its meaning can be looked at while other parts are wrong. */
function readable(value: unknown): Declaration[] {
  const list = isRecord(value) && Array.isArray(value["sources"]) ? (value["sources"] as unknown[]) : [];
  return list.map((item) => {
    const source = isRecord(item) ? item : {};
    const columns = isRecord(source["columns"]) ? source["columns"] : {};
    const key = Array.isArray(source["key"]) ? (source["key"] as unknown[]) : [];
    return {
      ...source,
      columns: Object.fromEntries(Object.entries(columns).filter(([, type]) => typeof type === "string")),
      key: key.filter((name) => typeof name === "string"),
      schedule: typeof source["schedule"] === "string" ? source["schedule"] : "* * * * *",
    } as Declaration;
  });
}

/** What a schema can't say: types, keys, schedules, and what sources must not share. */
function meaningFaults(sources: Declaration[]): Found[] {
  return sources.flatMap((source, index) => {
    const at = (...path: Path): Path => ["sources", index, ...path];
    const earlier = sources.slice(0, index);
    return [
      ...typeFaults(source, at),
      ...keyFaults(source, at),
      ...scheduleFaults(source, at),
      ...(["name", "table"] as const).flatMap((key) =>
        typeof source[key] === "string" && earlier.some((other) => other[key] === source[key])
          ? [{ path: at(key), found: `"${source[key]}" a second time`, expected: `a ${key} of its own` }]
          : [],
      ),
      ...earlier.flatMap((other) => bucketFaults(source, other, at)),
    ];
  });
}

function typeFaults({ columns }: Declaration, at: (...path: Path) => Path): Found[] {
  return Object.entries(columns).flatMap(([name, type]) => {
    if (lineage.some((column) => column.name === name)) {
      return [
        {
          path: at("columns", name),
          found: `a declared column "${name}"`,
          expected: "another name: the system appends this column itself",
        },
      ];
    }
    try {
      parseColumnType(type);
      return [];
    } catch (error) {
      return [
        {
          path: at("columns", name),
          found: `"${type}" (${(error as Error).message})`,
          expected: `a type in Trino's words: ${typeExpectation}`,
        },
      ];
    }
  });
}

function keyFaults({ key, columns }: Declaration, at: (...path: Path) => Path): Found[] {
  return key.flatMap((name, position) => {
    const type = columns[name];
    if (type === undefined) {
      const expected = `a declared column: ${Object.keys(columns).join(", ")}`;
      return [{ path: at("key", position), found: `"${name}"`, expected }];
    }
    return /^(array|row|map)\b/.test(type.trim())
      ? [
          {
            path: at("key", position),
            found: `"${name}" of type ${type}`,
            expected: "a column of a simple type",
          },
        ]
      : [];
  });
}

const cronFields = [
  { name: "minute", least: 0, most: 59 },
  { name: "hour", least: 0, most: 23 },
  { name: "day of month", least: 1, most: 31 },
  { name: "month", least: 1, most: 12 },
  { name: "day of week", least: 0, most: 7 },
];

function scheduleFaults({ schedule }: Declaration, at: (...path: Path) => Path): Found[] {
  const fault = (expected: string) => [{ path: at("schedule"), found: `"${schedule}"`, expected }];
  const fields = schedule.trim().split(/\s+/);
  if (fields.length !== cronFields.length) {
    return fault("five cron fields in UTC: minute hour day-of-month month day-of-week");
  }
  return cronFields.flatMap(({ name, least, most }, index) => {
    const good = (fields[index] ?? "").split(",").every((part) => isCronPart(part, least, most));
    return good ? [] : fault(`for the ${name} *, */n, or numbers and ranges from ${least} to ${most}`);
  });
}

function isCronPart(part: string, least: number, most: number): boolean {
  const match = /^(?:\*|(\d+)(?:-(\d+))?)(?:\/([1-9]\d*))?$/.exec(part);
  if (!match) return false;
  const from = Number(match[1] ?? least);
  const to = Number(match[2] ?? from);
  return from >= least && to <= most && from <= to;
}

/** Spark knows one way into a bucket. */
function bucketFaults(source: Declaration, other: Declaration, at: (...path: Path) => Path): Found[] {
  if (typeof source.bucket !== "string" || source.bucket !== other.bucket) return [];
  return (["endpoint", "region", "credentials"] as const)
    .filter((key) => source[key] !== other[key])
    .map((key) => ({
      path: at(key),
      found: show(source[key]),
      expected: `${show(other[key])}, as source ${other.name} has it for the same bucket`,
    }));
}

/** The line of a key, or of the nearest thing above it that is there. */
function lineOf(document: Document, lines: LineCounter, path: Path): number {
  for (let length = path.length; length >= 0; length--) {
    const offset = offsetOf(document, path.slice(0, length));
    if (offset !== undefined) return lines.linePos(offset).line;
  }
  return 1;
}

function offsetOf(document: Document, path: Path): number | undefined {
  const key = path.at(-1);
  const parent = document.getIn(path.slice(0, -1), true);
  if (isMap(parent)) {
    const pair = parent.items.find(({ key: name }) => isScalar(name) && name.value === key);
    return isNode(pair?.key) ? pair.key.range?.[0] : undefined;
  }
  const node = document.getIn(path, true);
  return isNode(node) ? node.range?.[0] : undefined;
}

function keyOf(path: Path): string {
  const key = path.map((part) => (typeof part === "number" ? `[${part}]` : `.${part}`)).join("");
  return key.replace(/^\./, "") || "the file";
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function show(value: unknown): string {
  return value === undefined ? "nothing" : JSON.stringify(value);
}

function firstLine(text: string): string {
  return text.split("\n")[0] ?? text;
}
