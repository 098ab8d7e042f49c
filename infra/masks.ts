import { insideOf, parseColumnType } from "./column-type";

/** Ways to hide a value: which types it can hide, and what is seen in its place, as an expression of Trino's. */
export const maskKinds = {
  redacted: { textOnly: true, expression: (value: string) => `IF(${value} IS NULL, NULL, '***')` },
  hash: { textOnly: true, expression: (value: string) => `lower(to_hex(sha256(to_utf8(${value}))))` },
  empty: { textOnly: false, expression: (_value: string, type: string) => `CAST(NULL AS ${type})` },
} as const;

export type MaskKind = keyof typeof maskKinds;

/** What analysts see in place of a column. */
export interface ColumnMask {
  column: string;
  /** In Trino's SQL, on the column itself. */
  expression: string;
}

/** Masks by where they are in a column: of the column itself, or of some of the fields inside. */
type Masked = MaskKind | Map<string, Masked>;

/**
 * The masks of a table's columns: one expression a column, which is all that Trino takes. A row of which one field is
 * masked is built anew from its fields, an array element by element.
 *
 * @param types of the columns, as the declaration writes them.
 * @param kinds by column or, with dots, by field of a row; they have been checked.
 */
export function columnMasks(types: Record<string, string>, kinds: Record<string, string>): ColumnMask[] {
  const all = new Map<string, Masked>();
  for (const [path, kind] of Object.entries(kinds)) place(all, path.split("."), kind as MaskKind);
  return [...all].map(([column, masked]) => ({
    column,
    expression: expression(quoted(column), types[column] ?? "varchar", masked),
  }));
}

function place(masks: Map<string, Masked>, [name = "", ...rest]: string[], kind: MaskKind): void {
  if (rest.length === 0) {
    masks.set(name, kind);
    return;
  }
  const known = masks.get(name);
  const inside = known instanceof Map ? known : new Map<string, Masked>();
  masks.set(name, inside);
  place(inside, rest, kind);
}

function expression(value: string, type: string, masked: Masked, depth = 1): string {
  const { trino } = parseColumnType(type);
  if (!(masked instanceof Map)) return maskKinds[masked].expression(value, trino);
  const { fields, element } = insideOf(type);
  if (element !== undefined) {
    const each = `e${depth}`;
    return `transform(${value}, ${each} -> ${expression(each, element, masked, depth + 1)})`;
  }
  const parts = (fields ?? []).map((field) => {
    const part = `${value}.${quoted(field.name)}`;
    const mask = masked.get(field.name);
    return mask === undefined ? part : expression(part, field.type, mask, depth);
  });
  return `IF(${value} IS NULL, NULL, CAST(ROW(${parts.join(", ")}) AS ${trino}))`;
}

const quoted = (name: string) => `"${name}"`;
