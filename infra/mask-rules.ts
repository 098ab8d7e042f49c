import { insideOf, lineage } from "./column-type";
import { maskKinds } from "./masks";
import { show } from "./source-fault";
import type { Found, Path } from "./source-fault";

type At = (...path: Path) => Path;

/** What a schema can't say of the masks: what there is to be masked, and how. */
export function maskFaults(
  { columns, masks }: { columns: Record<string, string>; masks: Record<string, string> },
  at: At,
): Found[] {
  const types = { ...columns, ...Object.fromEntries(lineage.map(({ name, type }) => [name, type])) };
  return Object.entries(masks).flatMap(([path, kind]) => {
    const fault = (found: string, expected: string) => [{ path: at("masks", path), found, expected }];
    const whole = Object.keys(masks).find((other) => path.startsWith(`${other}.`));
    if (whole !== undefined)
      return fault(`"${path}"`, `no mask inside of "${whole}", which is masked as a whole`);
    const type = typeAt(types, path);
    if (typeof type !== "string") return fault(`"${path}"`, type.expected);
    const known = maskKinds[kind as keyof typeof maskKinds] as { textOnly: boolean } | undefined;
    if (known?.textOnly === true && type.trim() !== "varchar")
      return fault(show(kind), `empty: "${path}" is ${type}, and only varchar can be ${kind}`);
    return [];
  });
}

/** The type of a column or of a field of a row, of an array's rows too; else what could be named instead. */
function typeAt(types: Record<string, string>, path: string): string | { expected: string } {
  const [column = "", ...fields] = path.split(".");
  let type = types[column];
  if (type === undefined)
    return { expected: `a column of the table, or a field of one: ${Object.keys(types).join(", ")}` };
  let parent = column;
  for (const name of fields) {
    const inside = rowInside(type);
    const field: { type: string } | undefined = inside?.find((each) => each.name === name);
    if (field === undefined) {
      const names = inside?.map((each) => `${parent}.${each.name}`);
      return { expected: names ? `one of ${names.join(", ")}` : `${parent} alone: it is ${type}` };
    }
    type = field.type;
    parent = `${parent}.${name}`;
  }
  return type;
}

/** The fields of a row, or of the rows that an array holds. */
function rowInside(type: string): { name: string; type: string }[] | undefined {
  const { fields, element } = insideOf(type);
  return element === undefined ? fields : rowInside(element);
}

/** A condition that is put among others must be one, whole. Whether it means something, Trino says. */
export function filterFaults({ rowFilter }: { rowFilter?: string | undefined }, at: At): Found[] {
  if (rowFilter === undefined) return [];
  const path = at("rowFilter");
  const fault = (expected: string) => [{ path, found: show(rowFilter), expected }];
  if (rowFilter.trim() === "") return fault("a condition in Trino's SQL");
  const plain = rowFilter.replace(/'([^']|'')*'|"([^"]|"")*"/g, "x");
  if (/['"]/.test(plain)) return fault("a condition whose quotes are closed");
  if (/;|--|\/\*/.test(plain)) return fault("one condition, without ; and comments");
  let depth = 0;
  for (const character of plain) {
    if (character === "(") depth++;
    if (character === ")" && --depth < 0) break;
  }
  return depth === 0 ? [] : fault("a condition whose parentheses are closed");
}
