import { lineage, parseColumnType, typeExpectation } from "./column-type";
import { checkFaults } from "./check-rules";
import { filterFaults, maskFaults } from "./mask-rules";
import { fits, parsePartitionField, partitionExpectation } from "./partitioning";
import { cronFaults, minutesOf, scheduleFaults } from "./schedule";
import { show } from "./source-fault";
import type { Found, Path } from "./source-fault";
import type { Declaration } from "./sources";

/** A source of which only some parts have the right shape; the others are missing. */
type Readable = Partial<
  Omit<
    Declaration,
    | "columns"
    | "fields"
    | "key"
    | "partitioning"
    | "onExistingKey"
    | "format"
    | "maintenance"
    | "checks"
    | "masks"
  >
> & {
  masks: Record<string, string>;
  checks: Record<string, unknown>[];
  compaction?: unknown;
  maintenanceSchedule?: string;
  columns: Record<string, string>;
  fields: Record<string, string>;
  key: string[];
  /** Whether there is a key at all, of whatever shape. */
  hasKey: boolean;
  partitioning: string[];
  onExistingKey: string;
  format: string;
};
type At = (...path: Path) => Path;

/** What a schema can't say: types, keys, schedules, what depends on each other, and what sources must not share. */
export function meaningFaults(value: unknown): Found[] {
  const sources = readable(value);
  return sources.flatMap((source, index) => {
    const at = (...path: Path): Path => ["sources", index, ...path];
    const earlier = sources.slice(0, index);
    return [
      ...typeFaults(source, at),
      ...fieldFaults(source, at),
      ...keyFaults(source, at),
      ...versionFaults(source, at),
      ...partitioningFaults(source, at),
      ...datesFaults(source, at),
      ...scheduleFaults(source.schedule, at("schedule")),
      ...lateFaults(source, at),
      ...cronFaults(source.maintenanceSchedule, at("maintenance", "schedule")),
      ...compactionFaults(source, at),
      ...checkFaults(source, at),
      ...maskFaults(source, at),
      ...filterFaults(source, at),
      ...(["name", "table"] as const).flatMap((key) =>
        typeof source[key] === "string" && earlier.some((other) => other[key] === source[key])
          ? [{ path: at(key), found: `"${source[key]}" a second time`, expected: `a ${key} of its own` }]
          : [],
      ),
      ...earlier.flatMap((other) => bucketFaults(source, other, at)),
    ];
  });
}

/** Of each source what has the right shape, so that its meaning can be looked at while other parts are wrong. */
function readable(value: unknown): Readable[] {
  const list = isRecord(value) && Array.isArray(value["sources"]) ? (value["sources"] as unknown[]) : [];
  return list.map((item) => {
    const source = isRecord(item) ? item : {};
    const entries = (key: string) =>
      Object.fromEntries(
        Object.entries(isRecord(source[key]) ? source[key] : {}).filter(
          (entry): entry is [string, string] => typeof entry[1] === "string",
        ),
      );
    const texts = (list: unknown) =>
      (Array.isArray(list) ? (list as unknown[]) : []).filter((text) => typeof text === "string");
    const maintenance = isRecord(source["maintenance"]) ? source["maintenance"] : {};
    const text = (key: string) => (typeof source[key] === "string" ? source[key] : undefined);
    return {
      ...source,
      columns: entries("columns"),
      fields: entries("fields"),
      masks: entries("masks"),
      rowFilter: text("rowFilter"),
      key: texts(source["key"]),
      hasKey: source["key"] !== undefined,
      partitioning: texts(source["partitioning"]),
      onExistingKey: text("onExistingKey") ?? "insert",
      format: text("format") ?? "json-lines",
      versionColumn: text("versionColumn"),
      dates: text("dates"),
      schedule: text("schedule"),
      compaction: maintenance["compaction"],
      maintenanceSchedule: typeof maintenance["schedule"] === "string" ? maintenance["schedule"] : undefined,
      checks: (Array.isArray(source["checks"]) ? (source["checks"] as unknown[]) : []).map((check) =>
        isRecord(check) ? check : {},
      ),
    };
  });
}

function typeFaults({ columns, format }: Readable, at: At): Found[] {
  return Object.entries(columns).flatMap(([name, type]) => {
    const path = at("columns", name);
    if (lineage.some((column) => column.name === name)) {
      const expected = "another name: the system appends this column itself";
      return [{ path, found: `a declared column "${name}"`, expected }];
    }
    try {
      parseColumnType(type);
    } catch (error) {
      const expected = `a type in Trino's words: ${typeExpectation}`;
      return [{ path, found: `"${type}" (${(error as Error).message})`, expected }];
    }
    return format === "csv" && isNested(type)
      ? [{ path, found: `"${type}"`, expected: "a simple type: a field of CSV holds one value" }]
      : [];
  });
}

/** Spark does not tell fields apart whose names differ in capitals only. */
function fieldFaults({ fields, columns, format }: Readable, at: At): Found[] {
  const unnamed = Object.keys(columns).filter((name) => fields[name] === undefined);
  const readBy = new Map(unnamed.map((name) => [name, name]));
  return Object.entries(fields).flatMap(([name, field]) => {
    const path = at("fields", name);
    if (!format.startsWith("json")) {
      const expected = `no such key with format: ${format}, whose columns are found by what their names are in lower case`;
      return [{ path, found: show(field), expected }];
    }
    if (columns[name] === undefined) return columnFaults(name, columns, path);
    const other = readBy.get(field.toLowerCase());
    readBy.set(field.toLowerCase(), name);
    return other === undefined
      ? []
      : [{ path, found: `"${field}", which the column ${other} reads`, expected: "a field of its own" }];
  });
}

function keyFaults({ key, hasKey, columns, onExistingKey }: Readable, at: At): Found[] {
  if (onExistingKey === "append") {
    const expected = "no key: with onExistingKey: append rows are not compared";
    return key.length > 0 ? [{ path: at("key"), found: show(key), expected }] : [];
  }
  if (!hasKey) {
    const expected =
      "a list of one column or more whose values together are unique in the table, or onExistingKey: append";
    return [{ path: at("key"), found: "nothing", expected }];
  }
  return key.flatMap((name, position) => columnFaults(name, columns, at("key", position)));
}

function versionFaults({ versionColumn, columns, key, onExistingKey }: Readable, at: At): Found[] {
  const path = at("versionColumn");
  if (onExistingKey !== "upsert") {
    const expected = "no such key without onExistingKey: upsert";
    return versionColumn === undefined ? [] : [{ path, found: show(versionColumn), expected }];
  }
  if (versionColumn === undefined) {
    const expected = "the declared column whose higher value is the newer row";
    return [{ path, found: "nothing", expected }];
  }
  if (key.includes(versionColumn)) {
    return [{ path, found: show(versionColumn), expected: "a column that is not part of the key" }];
  }
  return columnFaults(versionColumn, columns, path);
}

/** What is compared must be a declared column of a simple type. */
function columnFaults(name: string, columns: Record<string, string>, path: Path): Found[] {
  const type = columns[name];
  if (type === undefined) {
    return [{ path, found: `"${name}"`, expected: `a declared column: ${Object.keys(columns).join(", ")}` }];
  }
  return isNested(type)
    ? [{ path, found: `"${name}" of type ${type}`, expected: "a column of a simple type" }]
    : [];
}

const isNested = (type: string) => /^(array|row|map)\b/.test(type.trim());

function partitioningFaults({ partitioning, columns }: Readable, at: At): Found[] {
  const all = { ...columns, ...Object.fromEntries(lineage.map(({ name, type }) => [name, type])) };
  return partitioning.flatMap((text, position) => {
    const path = at("partitioning", position);
    const fault = (expected: string) => [{ path, found: show(text), expected }];
    try {
      const field = parsePartitionField(text);
      const type = all[field.column];
      if (type === undefined) return fault(`a column of the table: ${Object.keys(all).join(", ")}`);
      return fits(field, type.trim())
        ? []
        : fault(`a column that ${field.transform} can take; this is ${type}`);
    } catch {
      return fault(partitionExpectation);
    }
  });
}

function datesFaults({ dates }: Readable, at: At): Found[] {
  if (dates === undefined) return [];
  const rest = ["%Y", "%m", "%d"].reduce((text, part) => text.replace(part, ""), dates);
  const complete = ["%Y", "%m", "%d"].every((part) => dates.includes(part));
  const clean = /^[\w=./-]*$/.test(rest) && !/^\/|\/\/|\/$/.test(dates) && !/(^|\/)\.\.?(\/|$)/.test(dates);
  return complete && clean
    ? []
    : [
        {
          path: at("dates"),
          found: show(dates),
          expected:
            "%Y, %m and %d once each, beside letters, digits and _ = . - /, for example %Y/%m/%d or dt=%Y-%m-%d",
        },
      ];
}

function lateFaults({ schedule, lateDays }: Readable, at: At): Found[] {
  if (lateDays !== 0 || schedule === undefined || minutesOf(schedule) === undefined) return [];
  const expected =
    "1 or more: what comes after the last run of a day belongs to the day before the next run's";
  return [{ path: at("lateDays"), found: "0", expected }];
}

function compactionFaults({ compaction, hasKey }: Readable, at: At): Found[] {
  if (compaction !== "sort" || hasKey) return [];
  const expected = "bin-pack or none: rows without a key have no order to sort by";
  return [{ path: at("maintenance", "compaction"), found: show(compaction), expected }];
}

/** Spark knows one way into a bucket. */
function bucketFaults(source: Readable, other: Readable, at: At): Found[] {
  if (typeof source.bucket !== "string" || source.bucket !== other.bucket) return [];
  return (["endpoint", "region", "credentials"] as const)
    .filter((key) => source[key] !== other[key])
    .map((key) => ({
      path: at(key),
      found: show(source[key]),
      expected: `${show(other[key])}, as source ${other.name ?? ""} has it for the same bucket`,
    }));
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
