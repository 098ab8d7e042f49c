/**
 * Column types, as sources.yaml writes them: Trino's words. Only types that Iceberg's format version 2 has and that JSON
 * can be read into. This is the one place that knows them; the Spark job and the scheduler get both spellings rendered.
 * https://trino.io/docs/current/connector/iceberg.html#type-mapping
 */
export interface ColumnType {
  /** As Trino spells it. */
  trino: string;
  /** As Spark spells it. */
  spark: string;
}

const simple: Record<string, string> = {
  varchar: "string",
  boolean: "boolean",
  integer: "int",
  bigint: "bigint",
  real: "float",
  double: "double",
  date: "date",
  "timestamp(6)": "timestamp_ntz",
  "timestamp(6) with time zone": "timestamp",
};

export const typeExpectation =
  `one of ${Object.keys(simple).join(", ")}, decimal(p, s), array(type), map(varchar, type), ` +
  `row(name type, …)`;

/** Parses a type; throws an Error whose message says which part is no type. */
export function parseColumnType(text: string): ColumnType {
  const trimmed = text.trim().replace(/\s+/g, " ");
  const spark = simple[trimmed];
  if (spark !== undefined) return { trino: trimmed, spark };

  const call = /^(\w+) ?\((.*)\)$/.exec(trimmed);
  const args = splitArguments(call?.[2] ?? "");
  switch (call?.[1]) {
    case "decimal":
      return decimal(trimmed, args);
    case "array":
      if (args.length === 1) return array(parseColumnType(args[0] ?? ""));
      break;
    case "map":
      if (args.length === 2 && args[0] === "varchar") return map(parseColumnType(args[1] ?? ""));
      break;
    case "row":
      if (args.length > 0) return row(args.map(parseField));
      break;
  }
  throw new Error(`"${trimmed}" is not a type`);
}

/** What lies inside a type: the fields of a row, or the elements of an array; neither in all others. */
export function insideOf(text: string): { fields?: { name: string; type: string }[]; element?: string } {
  const call = /^(array|row) ?\((.*)\)$/.exec(text.trim().replace(/\s+/g, " "));
  const args = splitArguments(call?.[2] ?? "");
  if (call?.[1] === "array") return { element: args[0] ?? "" };
  if (call?.[1] !== "row") return {};
  const fields = args.map((field) => /^(\w+) (.+)$/.exec(field));
  return { fields: fields.map((field) => ({ name: field?.[1] ?? "", type: field?.[2] ?? "" })) };
}

function decimal(text: string, args: string[]): ColumnType {
  const [precision, scale] = args.map(Number);
  const fits = args.length === 2 && args.every((digits) => /^\d+$/.test(digits));
  if (
    !fits ||
    precision === undefined ||
    scale === undefined ||
    precision < 1 ||
    precision > 38 ||
    scale > precision
  ) {
    throw new Error(`"${text}" needs a precision from 1 to 38 and a scale not above it`);
  }
  return { trino: `decimal(${precision}, ${scale})`, spark: `decimal(${precision},${scale})` };
}

function array(element: ColumnType): ColumnType {
  return { trino: `array(${element.trino})`, spark: `array<${element.spark}>` };
}

function map(value: ColumnType): ColumnType {
  return { trino: `map(varchar, ${value.trino})`, spark: `map<string,${value.spark}>` };
}

function row(fields: { name: string; type: ColumnType }[]): ColumnType {
  const names = fields.map((field) => field.name);
  const repeated = names.find((name, index) => names.indexOf(name) !== index);
  if (repeated !== undefined) throw new Error(`the field "${repeated}" stands twice in one row`);
  return {
    // In quotes, for a field may be called like a word of SQL.
    trino: `row(${fields.map(({ name, type }) => `"${name}" ${type.trino}`).join(", ")})`,
    spark: `struct<${fields.map(({ name, type }) => `\`${name}\`:${type.spark}`).join(",")}>`,
  };
}

function parseField(text: string): { name: string; type: ColumnType } {
  const field = /^([a-z_][a-z0-9_]*) (.+)$/.exec(text);
  if (!field) throw new Error(`"${text}" is not a field: a lower-case name, then a type`);
  return { name: field[1] ?? "", type: parseColumnType(field[2] ?? "") };
}

/** Splits at the commas outside parentheses. */
function splitArguments(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let part = "";
  for (const character of text) {
    if (character === "(") depth++;
    if (character === ")") depth--;
    if (depth < 0) return [];
    if (character === "," && depth === 0) {
      parts.push(part.trim());
      part = "";
    } else {
      part += character;
    }
  }
  return depth === 0 && part.trim() !== "" ? [...parts, part.trim()] : [];
}

/** A column of a table. */
export interface Column {
  name: string;
  /** As Trino spells it. */
  type: string;
  /** As Spark spells it. */
  sparkType: string;
  /** The field of the JSON objects that it reads, if that is not called like it. */
  field?: string;
}

/** A column from its name, its type as sources.yaml writes it, and the field that it reads. */
export function column(name: string, text: string, field = name): Column {
  const { trino, spark } = parseColumnType(text);
  return { name, type: trino, sparkType: spark, ...(field === name ? {} : { field }) };
}

/** Appended to every table: when the batch was ingested, and the full path of the object that the row came from. */
export const lineage: Column[] = [
  column("created_at_etl", "timestamp(6) with time zone"),
  column("source_file_name", "varchar"),
];
