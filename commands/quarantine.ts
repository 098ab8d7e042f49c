import type { Source } from "../infra/sources";
import { UserError } from "../toolchain/index";

/** A line that was kept aside; its file, position and hash tell it from all others. */
export interface Entry {
  file: string;
  position: number;
  sha256: string;
  reason: string;
  /** What a person has put in its place, else as it was. */
  text: string;
}

/** What is to stand in the place of an entry's line. */
export type Repair = Omit<Entry, "reason">;

/** Which of the open entries. */
export interface Selection {
  /** Those whose reason has this text in it. */
  reason?: string | undefined;
  /** Those of the objects of this day, YYYY-MM-DD. */
  day?: string | undefined;
}

/** A statement may have a million characters. */
const statementLength = 500_000;

/** What tells an entry of a quarantine from all others. */
export const quarantineKey = ["source_file_name", "position", "raw_sha256"] as const;

export const quarantineOf = ({ table }: Source) => `${table}_quarantine`;

/** Which open entries, as Trino is asked for them. */
export function openEntries({ bucket, prefix, dates }: Source, { reason, day }: Selection): string {
  const conditions = ["resolution IS NULL"];
  if (reason !== undefined) conditions.push(`strpos(reason, ${text(reason)}) > 0`);
  if (day !== undefined) {
    const [year = "", month = "", date = ""] = day.split("-");
    const folder = dates.replaceAll("%Y", year).replaceAll("%m", month).replaceAll("%d", date);
    conditions.push(`starts_with(source_file_name, ${text(`s3a://${bucket}/${prefix}${folder}/`)})`);
  }
  return conditions.join(" AND ");
}

/**
 * An entry as a line for a person to repair. A row that is JSON stands there as such, to the letter; any other text as
 * a text.
 */
export function entryLine({ file, position, sha256, reason, text }: Entry): string {
  const place = JSON.stringify({ file, position, sha256, reason });
  const content = isObject(text) && !/[\r\n]/.test(text) ? `"row":${text}` : `"text":${JSON.stringify(text)}`;
  return `${place.slice(0, -1)},${content}}`;
}

/**
 * Reads what a person has made of such lines.
 *
 * @throws UserError that names the lines that are none.
 */
export function readRepairs(content: string, name: string): Repair[] {
  const repairs: Repair[] = [];
  const faults: string[] = [];
  for (const [index, line] of content.split("\n").entries()) {
    if (line.trim() === "") continue;
    const repair = readRepair(line);
    if (typeof repair === "string") faults.push(`${name} line ${index + 1}: ${repair}`);
    else repairs.push(repair);
  }
  if (faults.length > 0) {
    const shown = faults.slice(0, 5).join("\n");
    const more = faults.length > 5 ? `\nand ${faults.length - 5} more` : "";
    throw new UserError(`${shown}${more}`, "Nothing was changed. Lines as they have to be: --export FILE.");
  }
  return repairs;
}

/** The repair that a line says, or what is wrong with it. */
function readRepair(line: string): Repair | string {
  if (!isObject(line)) return "it is not a JSON object";
  const { file, position, sha256, text, row } = JSON.parse(line) as Record<string, unknown>;
  if (typeof file !== "string" || typeof position !== "number" || typeof sha256 !== "string")
    return "it lacks file, position or sha256, by which its entry is known";
  if ((row === undefined) === (text === undefined)) return "it has to have either row or text";
  if (text !== undefined && typeof text !== "string")
    return "text has to be a string; a row as JSON is called row";
  const repaired = typeof text === "string" ? text : fieldText(line, "row");
  if (repaired === undefined || repaired.trim() === "") return "its row is empty";
  if (repaired.length > statementLength)
    return `its row has more than ${statementLength} characters: put it into a new object of the source's bucket`;
  return { file, position, sha256, text: repaired };
}

function isObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

/** The text of a field of a JSON object as it stands there: numbers keep all of their digits. */
function fieldText(json: string, name: string): string | undefined {
  let depth = 0;
  let begin = 0;
  let latest = "";
  let field: string | undefined;
  for (const { 0: token, index } of json.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\]:,]/g)) {
    if (token === "{" || token === "[") depth += 1;
    else if (token === "}" || token === "]") depth -= 1;
    const ends = depth === 0 || (depth === 1 && token === ",");
    if (ends && field === name) return json.slice(begin, index).trim();
    if (depth === 1 && token === ":") {
      field = JSON.parse(latest) as string;
      begin = index + 1;
    }
    if (token.startsWith('"')) latest = token;
  }
  return undefined;
}

/** How many of some repairs are of open entries, and the statement that writes them down. */
export interface RepairStatements {
  count: string;
  /** It changes those whose text is another now. */
  write: string;
}

/** What Trino is told to write repairs into the quarantine: as many statements as it takes for their length. */
export function repairStatements(source: Source, repairs: readonly Repair[]): RepairStatements[] {
  const values = repairs.map(({ file, position, sha256, text: repaired }) => {
    return `(${text(file)}, BIGINT '${position}', ${text(sha256)}, ${text(repaired)})`;
  });
  const entries = `iceberg.${quarantineOf(source)} q`;
  const same = `q.source_file_name = r.file AND q.position = r.position AND q.raw_sha256 = r.sha256
AND q.resolution IS NULL`;
  return portions(values).map((portion) => {
    const given = `(VALUES ${portion.join(", ")}) AS r (file, position, sha256, text)`;
    return {
      count: `SELECT count(*) FROM ${entries} JOIN ${given} ON ${same}`,
      write: `MERGE INTO ${entries} USING ${given} ON ${same}
WHEN MATCHED AND coalesce(q.repaired_text, q.raw_text) IS DISTINCT FROM r.text
THEN UPDATE SET repaired_text = r.text`,
    };
  });
}

/** Parts of a list that each fit into a statement. */
function portions(values: readonly string[]): string[][] {
  const found: string[][] = [];
  let length = Infinity;
  for (const value of values) {
    if (length + value.length > statementLength) {
      found.push([]);
      length = 0;
    }
    found.at(-1)?.push(value);
    length += value.length;
  }
  return found;
}

function text(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}
