import type { Source } from "../infra/sources";
import { UserError } from "../toolchain/index";
import { quarantineKey, quarantineOf } from "./quarantine";

/** A table that is to be in another stack as it is in this one. */
export interface TableToCopy {
  /** "<namespace>.<table>" */
  table: string;
  /**
   * Columns whose values tell a row from all others. Rows of a table without a key are told by when and from which object they
   * came: rows that have these in common came in one commit, so they are all in the other stack or none is.
   */
  identity: string[];
  /** Whether the pipelines make it when they first need it, so that it may be missing in a stack that is in order. */
  madeWhenNeeded: boolean;
}

/** A column as Trino tells it. */
export interface TableColumn {
  name: string;
  type: string;
}

/** What a set of rows is known by: how many they are, and Trino's `checksum()` of them, in hex, whatever their order. */
export interface Content {
  rows: number;
  /** Empty without rows. */
  checksum: string;
}

export const isSame = (one: Content, other: Content) =>
  one.rows === other.rows && one.checksum === other.checksum;

/**
 * The tables to copy, in the order of their declarations.
 *
 * @param only names of tables, or of their sources; all if there are none.
 * @param quarantine whether the rows that were kept aside go with them.
 * @throws UserError that names what is not declared.
 */
export function tablesToCopy(
  sources: readonly Source[],
  { only, quarantine }: { only: readonly string[]; quarantine: boolean },
): TableToCopy[] {
  const isMeant = ({ name, table }: Source, wanted: string) => name === wanted || table === wanted;
  const unknown = only.filter((wanted) => !sources.some((source) => isMeant(source, wanted)));
  if (unknown.length > 0)
    throw new UserError(
      `No source declares ${unknown.map((name) => `"${name}"`).join(", ")}.`,
      `Declared are ${sources.map(({ table }) => table).join(", ")}.`,
    );
  return sources
    .filter((source) => only.length === 0 || only.some((wanted) => isMeant(source, wanted)))
    .flatMap((source) => {
      const { key, lineage, table } = source;
      const identity = key.length > 0 ? key : lineage.map(({ name }) => name);
      const aside = { table: quarantineOf(source), identity: [...quarantineKey], madeWhenNeeded: true };
      return [{ table, identity, madeWhenNeeded: false }, ...(quarantine ? [aside] : [])];
    });
}

/** What keeps rows of these columns from going into a table with those; nothing if they are the same in any order. */
export function columnFaults(from: readonly TableColumn[], to: readonly TableColumn[]): string[] {
  const typeIn = (columns: readonly TableColumn[], name: string) =>
    columns.find((column) => column.name === name)?.type;
  const names = [...new Set([...from, ...to].map(({ name }) => name))];
  return names.flatMap((name) => {
    const [here, there] = [typeIn(from, name), typeIn(to, name)];
    return here === there ? [] : [`${name} is ${here ?? "not there"}, in the other ${there ?? "not there"}`];
  });
}

/** Where both stacks keep what a copy needs on its way. */
export const stagingSchema = "lakestack_copy";

/** Copies to or from different stacks do not meet. The end keeps one name from being the beginning of another. */
const stagingName = (table: string, direction: "to" | "from", stack: string) =>
  `iceberg.${stagingSchema}.${quoted(
    `${table.replace(".", "__")}__${direction}_${stack.replaceAll("-", "_")}__copy`,
  )}`;

/** The statements that copy one table, from the one stack's Trino and in the other's. */
export class CopyStatements {
  /** The table, in either stack. */
  readonly table: string;
  /** Its rows as files of their own, in the stack that they come from. */
  readonly exported: string;
  /** Those files, as a table of the stack that they go to. */
  readonly arrived: string;
  private readonly list: string;

  /**
   * @param columns as the stack has them that the rows come from.
   */
  constructor(
    private readonly plan: TableToCopy,
    private readonly columns: readonly TableColumn[],
    stacks: { from: string; to: string },
  ) {
    this.table = tableName(plan.table);
    this.exported = stagingName(plan.table, "to", stacks.to);
    this.arrived = stagingName(plan.table, "from", stacks.from);
    this.list = columns.map(({ name }) => quoted(name)).join(", ");
  }

  /** The content of a table, or of those of its rows that a condition names; the table is called `t` there. */
  contentOf(name: string, condition = ""): string {
    return `SELECT count(*), to_hex(checksum(ROW(${this.list}))) FROM ${name} t ${condition}`.trimEnd();
  }

  /** The content of those rows of a table whose identity is in the other. */
  contentShared(name: string, other: string): string {
    const same = this.plan.identity.map((column) => `o.${quoted(column)} = t.${quoted(column)}`);
    return this.contentOf(name, `WHERE EXISTS (SELECT 1 FROM ${other} o WHERE ${same.join(" AND ")})`);
  }

  /** Writes all rows into files of their own: they appear at once or not at all. */
  export(): string {
    return `CREATE TABLE ${this.exported} AS SELECT ${this.list} FROM ${this.table}`;
  }

  /** An empty table of the same columns. Made in the same way in the same order, it numbers them as the export does. */
  createArrived(): string {
    return `CREATE TABLE ${this.arrived} AS SELECT ${this.list} FROM ${this.table} WITH NO DATA`;
  }

  /** The table itself, where the pipelines would make it when they first need it: its columns have simple types. */
  createTable(): string {
    const definitions = this.columns.map(({ name, type }) => `${quoted(name)} ${type}`).join(", ");
    return `CREATE TABLE IF NOT EXISTS ${this.table} (${definitions})`;
  }

  /** Makes files part of a table, all at once. */
  addFiles(location: string): string {
    return `ALTER TABLE ${this.arrived} EXECUTE add_files(location => ${text(location)}, format => 'PARQUET')`;
  }

  /**
   * Brings those rows into the table whose identity is not there, in one commit. Trino validates a MERGE as serializable:
   * if anybody adds rows meanwhile, it is refused whole. An INSERT of the same rows would go through.
   */
  merge(): string {
    const same = this.plan.identity
      .map((column) => `t.${quoted(column)} = s.${quoted(column)}`)
      .join(" AND ");
    const there = this.plan.identity.map((column) => `o.${quoted(column)} = a.${quoted(column)}`);
    // Without the sub-query, rows that share an identity would meet each other.
    const missing = `SELECT ${this.list} FROM ${this.arrived} a
       WHERE NOT EXISTS (SELECT 1 FROM ${this.table} o WHERE ${there.join(" AND ")})`;
    const values = this.columns.map(({ name }) => `s.${quoted(name)}`).join(", ");
    return `MERGE INTO ${this.table} t USING (${missing}) s ON ${same}
       WHEN NOT MATCHED THEN INSERT (${this.list}) VALUES (${values})`;
  }

  /** Identities that both have, with rows that differ: some of them, for a message. */
  conflicts(most: number): string {
    const identity = this.plan.identity.map((column) => `CAST(${quoted(column)} AS varchar)`).join(", ");
    const same = this.plan.identity.map((column) => `o.${quoted(column)} = a.${quoted(column)}`);
    return `SELECT DISTINCT ${identity} FROM (
         SELECT ${this.list} FROM ${this.arrived} a WHERE EXISTS (SELECT 1 FROM ${this.table} o WHERE ${same.join(" AND ")})
         EXCEPT SELECT ${this.list} FROM ${this.table}
       ) LIMIT ${most}`;
  }
}

/** A table as statements call it. */
export function tableName(table: string): string {
  return ["iceberg", ...table.split(".")].map(quoted).join(".");
}

/** A table that has to do with another, for example its files: "media$files". */
export const metadataOf = (name: string, kind: "files" | "metadata_log_entries") =>
  name.replace(/"$/, `$${kind}"`);

/** The columns of a table, in its order. */
export function columnsOf(table: string): string {
  const [schema = "", name = ""] = table.split(".");
  return `SELECT column_name, data_type FROM iceberg.information_schema.columns
     WHERE table_schema = ${text(schema)} AND table_name = ${text(name)} ORDER BY ordinal_position`;
}

const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;
const text = (value: string) => `'${value.replaceAll("'", "''")}'`;
