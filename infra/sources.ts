import { readFileSync } from "node:fs";
import { basename } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { Ajv } from "ajv";
import type { ErrorObject } from "ajv";
import { LineCounter, isMap, isNode, isScalar, parseDocument } from "yaml";
import type { Document } from "yaml";
import schema from "../sources.schema.json";
import type { BucketPurpose } from "./access";
import { column, lineage } from "./column-type";
import type { Column } from "./column-type";
import { parsePartitionField } from "./partitioning";
import { cronOf, minutesOf } from "./schedule";
import { show } from "./source-fault";
import type { Found, Path } from "./source-fault";
import { columnMasks } from "./masks";
import type { ColumnMask } from "./masks";
import { meaningFaults } from "./source-rules";

/** A declared source, checked and complete. As JSON it is what the Spark job and the DAGs read. */
export interface Source {
  /** Unique; the pipelines are called etl_spark_<name>_daily and etl_spark_<name>_monthly. */
  name: string;
  bucket: string;
  /** The folder above the days' folders: empty, or ending in "/". */
  prefix: string;
  /** How a day's folder is called, in the words of strftime: %Y, %m and %d. */
  dates: string;
  format: "json-lines" | "json-array" | "csv" | "parquet";
  /** URL of the object store; the stack's own if absent. */
  endpoint?: string;
  region?: string;
  /** "anonymous" or the name of a key pair in the stack's configuration; the stack's own if absent. */
  credentials?: string;
  /** "<namespace>.<table>" */
  table: string;
  /** Names of the columns whose values together are unique; none if rows are appended. */
  key: string[];
  /** What becomes of a row whose key is in the table. */
  onExistingKey: "insert" | "upsert" | "append";
  /** With upsert: the higher value is the newer row. */
  versionColumn?: string;
  /** What is read from the objects, in the table's order. */
  columns: Column[];
  /** What the system appends to every row. */
  lineage: Column[];
  /** How a new table is partitioned. */
  partitioning: { field: string; sparkField: string }[];
  /** Five cron fields, UTC. */
  schedule: string;
  /** Whether a run reads only the objects that the table does not have yet: declared as every N minutes. */
  incremental: boolean;
  /** Whether it runs by its schedule without having been switched on in Airflow. */
  switchedOn: boolean;
  /** What a run does whose interval has no object. */
  onEmpty: "fail" | "skip";
  /** With a greater part of its lines faulty, a batch is refused whole. */
  maxRejectedPercent: number;
  /** How many days before its own a daily run reads again. */
  lateDays: number;
  /** Whether new columns and wider types change the table. */
  evolve: boolean;
  /** How often a run is tried again. */
  retries: number;
  /** Minutes after which a job is ended. */
  timeoutMinutes: number;
  /** How many jobs of the source run at the same time. */
  parallelJobs: number;
  /** How many cores of the cluster a job takes. */
  cores: number;
  /** First day with data, YYYY-MM-DD. */
  startDate?: string;
  owner?: string;
  maintenance: Maintenance;
  checks: Check[];
  /** What analysts see in place of a column's values. */
  masks: ColumnMask[];
  /** A condition in Trino's SQL: analysts see the rows that fulfil it. All, if absent. */
  rowFilter?: string;
}

/** How a table is looked after. */
export interface Maintenance {
  /** Five cron fields, UTC. */
  schedule: string;
  compaction: "sort" | "bin-pack" | "none";
  /** How large compaction makes files. */
  targetFileMiB: number;
  /** From how many small files on a partition is compacted. */
  smallFiles: number;
  /** How far back the table can be read as it was. */
  keepDays: number;
  /** How long a file that nothing refers to is left alone. */
  orphanDays: number;
  /** Whether Trino collects statistics. */
  analyze: boolean;
}

/** What must be true of a table after each batch. */
export interface Check {
  check: "notNull" | "unique" | "range" | "freshness" | "rowCount";
  columns?: string[];
  /** Of values with range; with rowCount per cent of the days before. */
  least?: number;
  most?: number;
  /** With freshness: how old the newest value may be. */
  hours?: number;
  /** With rowCount: how many days before are compared with. */
  days?: number;
  /** With block the batch is checked on a branch of the catalog, and readers see it when its checks have passed. */
  onFailure: "warn" | "fail" | "block";
}

/** A declaration as the file has it, once it fits the schema. */
export interface Declaration extends Omit<
  Source,
  "key" | "columns" | "lineage" | "partitioning" | "maintenance" | "incremental" | "lateDays" | "masks"
> {
  /** Kind of mask by column, or by field of a row. */
  masks?: Record<string, string>;
  key?: string[];
  lateDays?: number;
  maintenance: Omit<Maintenance, "compaction"> & Partial<Pick<Maintenance, "compaction">>;
  columns: Record<string, string>;
  /** Names of fields by column, where they are not called alike. */
  fields?: Record<string, string>;
  partitioning?: string[];
}

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
  const found = [...shapeFaults(value), ...meaningFaults(value)];
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

/** The sources as the Spark job and the DAGs read them, whom it does not concern what analysts see. */
export function renderSources(sources: Source[]): string {
  const hidden = new Set<string>(["masks", "rowFilter"] satisfies (keyof Source)[]);
  const visible = (key: string, value: unknown) => (hidden.has(key) ? undefined : value);
  return `${JSON.stringify(sources, visible, 2)}\n`;
}

/** Buckets of the stack's own that sources may name. */
const readableBuckets = ["source", "lineage", "audit"] as const satisfies BucketPurpose[];
type ReadableBucket = (typeof readableBuckets)[number];
/** Their names in the object store. */
export type OwnBuckets = Readonly<Record<ReadableBucket, pulumi.Input<string>>>;

/** Buckets that are neither the stack's own nor at another endpoint or with keys: in AWS, a role has to be let in. */
export function bucketsOfOthers(sources: Source[]): string[] {
  const names = sources.filter(isInside).map(({ bucket }) => bucket);
  return [...new Set(names)].filter((name) => !readableBuckets.some((own) => own === name));
}

const isInside = ({ endpoint, credentials }: Source) => endpoint === undefined && credentials === undefined;

/** What is rendered of sources with the buckets that they are in: at once, where their names are known. */
export function inBuckets(
  sources: Source[],
  own: OwnBuckets,
  render: (sources: Source[]) => string,
): pulumi.Input<string> {
  const { source, lineage, audit } = own;
  if (typeof source === "string" && typeof lineage === "string" && typeof audit === "string")
    return render(placed(sources, { source, lineage, audit }));
  return pulumi.all({ source, lineage, audit }).apply((known) => render(placed(sources, known)));
}

/**
 * Sources with the bucket that they are in.
 *
 * @param own names in the object store of the stack's own buckets, by what sources call them.
 */
export function placed(sources: Source[], own: Record<ReadableBucket, string>): Source[] {
  const buckets = new Map(Object.entries(own));
  return sources.map((source) =>
    isInside(source) ? { ...source, bucket: buckets.get(source.bucket) ?? source.bucket } : source,
  );
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

function complete({
  key = [],
  columns,
  fields = {},
  partitioning = [],
  masks = {},
  ...declaration
}: Declaration): Source {
  const incremental = minutesOf(declaration.schedule) !== undefined;
  return {
    ...declaration,
    schedule: cronOf(declaration.schedule),
    incremental,
    lateDays: declaration.lateDays ?? (incremental ? 1 : 0),
    key,
    masks: columnMasks(columns, masks),
    partitioning: partitioning.map((text) => {
      const { trino, spark } = parsePartitionField(text);
      return { field: trino, sparkField: spark };
    }),
    columns: Object.entries(columns).map(([name, type]) => column(name, type, fields[name])),
    lineage,
    maintenance: {
      ...declaration.maintenance,
      compaction: declaration.maintenance.compaction ?? (key.length > 0 ? "sort" : "bin-pack"),
    },
  };
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

function firstLine(text: string): string {
  return text.split("\n")[0] ?? text;
}
