import { nameOf, type Row } from "./infer-columns";

/** Rows of the beginning of a file, and how many of its lines were none. */
export interface SampleRows {
  rows: Row[];
  unreadable: number;
}

const most = 5000;

/** The last line is left out where only the beginning of a file was read: a line that does not end is not judged. */
export function jsonLinesRows(text: string): SampleRows {
  const lines = text.split("\n");
  const last = lines.pop() ?? "";
  const whole = lines.filter((line) => line.trim() !== "").slice(0, most);
  const parsed = whole.map(object);
  const tail = object(last);
  const rows = [...parsed, tail].filter((row) => row !== undefined);
  return { rows, unreadable: parsed.filter((row) => row === undefined).length };
}

/** The elements of an array, as far as it goes. */
export function jsonArrayRows(text: string): SampleRows {
  const rows: Row[] = [];
  let unreadable = 0;
  for (const element of elements(text)) {
    if (rows.length === most) break;
    const row = object(element);
    if (row === undefined) unreadable++;
    else rows.push(row);
  }
  return { rows, unreadable };
}

/** The texts of the array's elements that are complete. */
function* elements(text: string): Generator<string> {
  let depth = 0;
  let inText = false;
  let start = -1;
  for (let index = text.indexOf("[") + 1; index > 0 && index < text.length; index++) {
    const sign = text[index];
    if (inText) {
      if (sign === "\\") index++;
      else if (sign === '"') inText = false;
    } else if (sign === '"') inText = true;
    else if (sign === "{" || sign === "[") {
      if (depth++ === 0) start = index;
    } else if (sign === "}" || sign === "]") {
      if (--depth === 0) yield text.slice(start, index + 1);
      if (depth < 0) return;
    }
  }
}

function object(text: string): Row | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Row) : undefined;
  } catch {
    return undefined;
  }
}

/** Records by the names in the header, written as columns are: "Order ID" is order_id. All values are text. */
export function csvRecords(text: string): SampleRows {
  const [header = [], ...records] = csvFields(text);
  const names = header.map(nameOf);
  const good = records.filter((record) => record.length === names.length).slice(0, most);
  return {
    rows: good.map((record) => Object.fromEntries(names.map((name, index) => [name, record[index] ?? ""]))),
    unreadable: records.filter((record) => record.length !== names.length && record.join("") !== "").length,
  };
}

/** RFC 4180; the record that the text ends in is left out unless its line ends. */
function csvFields(text: string): string[][] {
  const records: string[][] = [];
  let record: string[] = [];
  let field = "";
  let quoted = false;
  for (let index = 0; index < text.length; index++) {
    const sign = text[index] ?? "";
    if (quoted) {
      if (sign !== '"') field += sign;
      else if (text[index + 1] === '"') field += text[++index] ?? "";
      else quoted = false;
    } else if (sign === '"') quoted = true;
    else if (sign === ",") {
      record.push(field);
      field = "";
    } else if (sign === "\n") {
      records.push([...record, field.replace(/\r$/, "")]);
      record = [];
      field = "";
    } else field += sign;
  }
  return records;
}
