/** Columns from sample rows: what each value could be, and what all of them are together. */

/** A type in the making: a word of sources.yaml, or the parts of a nested one. `none` is a value that was never there. */
export type Shape =
  | { kind: "none" }
  | { kind: "simple"; name: string }
  | { kind: "array"; element: Shape }
  | { kind: "row"; fields: Map<string, Shape> };

export type Row = Record<string, unknown>;

const none: Shape = { kind: "none" };
const varchar: Shape = { kind: "simple", name: "varchar" };
const columnName = /^[a-z_][a-z0-9_]*$/;

export interface InferredColumns {
  /** In the order in which they were first seen, with types in Trino's words. */
  columns: Map<string, string>;
  /** Fields that no column can be called like. */
  leftOut: string[];
}

/** The columns that the rows fit. */
export function inferColumns(rows: readonly Row[]): InferredColumns {
  const shapes = new Map<string, Shape>();
  for (const row of rows) {
    for (const [name, value] of Object.entries(row)) {
      shapes.set(name, merged(shapes.get(name) ?? none, shapeOf(value)));
    }
  }
  const names = [...shapes.keys()];
  return {
    columns: new Map(
      [...shapes].filter(([name]) => columnName.test(name)).map(([name, shape]) => [name, typeOf(shape)]),
    ),
    leftOut: names.filter((name) => !columnName.test(name)),
  };
}

/**
 * Names for the columns of fields that no column can be called like, by field: eventTime is event_time. Without those
 * that differ from another field in capitals only, which a source cannot tell apart.
 */
export function columnNames(rows: readonly Row[]): Map<string, string> {
  const fields = new Set(rows.flatMap((row) => Object.keys(row)));
  const alike = new Map<string, number>();
  for (const field of fields) alike.set(field.toLowerCase(), (alike.get(field.toLowerCase()) ?? 0) + 1);

  const names = new Map<string, string>();
  const taken = new Set(fields);
  for (const field of fields) {
    if (columnName.test(field) || /[`\p{Cc}]/u.test(field) || alike.get(field.toLowerCase()) !== 1) continue;
    const name = nameOf(field.replace(/(?<=[a-z0-9])(?=[A-Z])/g, "_"));
    if (!columnName.test(name) || taken.has(name)) continue;
    taken.add(name);
    names.set(field, name);
  }
  return names;
}

/** A text as columns are called: "Order ID" is order_id. */
export const nameOf = (text: string) =>
  text
    .trim()
    .toLowerCase()
    .replace(/[^a-z0-9_]+/g, "_")
    .replace(/^_+|_+$/g, "");

/** The rows with other names for some fields. */
export function renamed(rows: readonly Row[], names: ReadonlyMap<string, string>): Row[] {
  return rows.map((row) =>
    Object.fromEntries(Object.entries(row).map(([field, value]) => [names.get(field) ?? field, value])),
  );
}

/** A value of CSV as what it could be; every field of CSV is text. */
export function cellValue(text: string): unknown {
  const trimmed = text.trim();
  if (trimmed === "") return null;
  if (/^(true|false)$/i.test(trimmed)) return trimmed.toLowerCase() === "true";
  // Zeros in front are part of a name: a postcode, an article.
  if (/^-?(0|[1-9]\d{0,17})$/.test(trimmed)) return trimmed.length > 15 ? BigInt(trimmed) : Number(trimmed);
  if (/^-?(0|[1-9]\d*)\.\d+$/.test(trimmed)) return fraction;
  return text;
}

/** Stands for a number with a fraction, which may be whole: 1.0. */
const fraction = Symbol("a number with a fraction");

function shapeOf(value: unknown): Shape {
  if (value === null || value === undefined) return none;
  switch (typeof value) {
    case "boolean":
      return { kind: "simple", name: "boolean" };
    case "bigint":
      return { kind: "simple", name: "bigint" };
    case "number":
      return { kind: "simple", name: Number.isSafeInteger(value) ? "bigint" : "double" };
    case "string":
      return { kind: "simple", name: textType(value) };
    case "symbol":
      return { kind: "simple", name: "double" };
    default:
  }
  if (Array.isArray(value)) {
    return { kind: "array", element: (value as unknown[]).map(shapeOf).reduce(merged, none) };
  }
  const fields = Object.entries(value as Row);
  if (fields.length === 0) return none;
  // What has a field that could be no column is kept as text: nothing of it is lost.
  if (!fields.every(([name]) => columnName.test(name))) return varchar;
  return { kind: "row", fields: new Map(fields.map(([name, field]) => [name, shapeOf(field)])) };
}

function textType(text: string): string {
  if (/^\d{4}-\d\d-\d\d$/.test(text)) return "date";
  if (/^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,6})?$/.test(text)) return "timestamp(6)";
  if (/^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)$/.test(text)) {
    return "timestamp(6) with time zone";
  }
  return "varchar";
}

function merged(first: Shape, second: Shape): Shape {
  if (first.kind === "none") return second;
  if (second.kind === "none") return first;
  if (first.kind === "array" && second.kind === "array") {
    return { kind: "array", element: merged(first.element, second.element) };
  }
  if (first.kind === "row" && second.kind === "row") {
    const fields = new Map(first.fields);
    for (const [name, shape] of second.fields) fields.set(name, merged(fields.get(name) ?? none, shape));
    return { kind: "row", fields };
  }
  if (first.kind === "simple" && second.kind === "simple") {
    if (first.name === second.name) return first;
    const both = new Set([first.name, second.name]);
    if (both.has("bigint") && both.has("double")) return { kind: "simple", name: "double" };
  }
  return varchar;
}

function typeOf(shape: Shape): string {
  switch (shape.kind) {
    case "none":
      return "varchar";
    case "simple":
      return shape.name;
    case "array":
      return `array(${typeOf(shape.element)})`;
    case "row":
      return `row(${[...shape.fields].map(([name, field]) => `${name} ${typeOf(field)}`).join(", ")})`;
  }
}

/**
 * The column that is most likely the key: filled and different in every row, and of a type that is compared exactly.
 * One called id comes first, then those that end in id, then the others in their order.
 */
export function guessKey(rows: readonly Row[], columns: ReadonlyMap<string, string>): string | undefined {
  const rank = (name: string) => (name === "id" ? 0 : /(^|_)(id|key|uuid)$/.test(name) ? 1 : 2);
  return [...columns]
    .filter(([, type]) => type === "varchar" || type === "bigint")
    .map(([name]) => name)
    .sort((a, b) => rank(a) - rank(b))
    .find((name) => {
      const values = rows
        .map((row) => row[name])
        .filter((value) => value !== null && value !== undefined && value !== "");
      // A few rows may come twice, as they do in real deliveries.
      return values.length === rows.length && new Set(values).size >= 0.9 * values.length;
    });
}
