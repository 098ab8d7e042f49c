import { lineage } from "./column-type";
import { show } from "./source-fault";
import type { Found, Path } from "./source-fault";

/** A check of which nothing is known but that it is an object. */
type Readable = Record<string, unknown>;

/** What each kind of check is told, beside onFailure. */
const kinds: Record<string, { needs: string[]; may: string[] }> = {
  notNull: { needs: ["columns"], may: [] },
  unique: { needs: ["columns"], may: [] },
  range: { needs: ["columns"], may: ["least", "most"] },
  freshness: { needs: ["columns", "hours"], may: [] },
  rowCount: { needs: [], may: ["least", "most", "days"] },
};

const number = /^(tinyint|smallint|integer|bigint|real|double|decimal\b.*)$/;
const time = /^(date|timestamp\b.*)$/;

/** What a schema can't say of the checks: which keys belong to which kind, and which columns they can look at. */
export function checkFaults(
  { columns, checks }: { columns: Record<string, string>; checks: Readable[] },
  at: (...path: Path) => Path,
): Found[] {
  const types = { ...columns, ...Object.fromEntries(lineage.map(({ name, type }) => [name, type])) };
  return checks.flatMap((check, index) => {
    const here = (...path: Path) => at("checks", index, ...path);
    return [...keyFaults(check, here), ...columnFaults(check, types, here)];
  });
}

function keyFaults(check: Readable, here: (...path: Path) => Path): Found[] {
  const name = String(check["check"]);
  const kind = kinds[name];
  if (kind === undefined) return [];
  const known = ["check", "onFailure", ...kind.needs, ...kind.may];
  const list = (names: string[]) => names.join(", ");
  return [
    ...kind.needs
      .filter((key) => check[key] === undefined)
      .map((key) => ({ path: here(key), found: "nothing", expected: `${key}: ${name} needs it` })),
    ...Object.keys(check)
      .filter((key) => !known.includes(key))
      .map((key) => ({
        path: here(key),
        found: show(check[key]),
        expected: `with ${name} only ${list(known)}`,
      })),
    ...boundFaults(name, check, here),
    // It gets worse while no batch comes, and then there is none to refuse.
    ...(name === "freshness" && check["onFailure"] === "block"
      ? [
          {
            path: here("onFailure"),
            found: show("block"),
            expected: "warn or fail: freshness is of the table",
          },
        ]
      : []),
  ];
}

function boundFaults(name: string, check: Readable, here: (...path: Path) => Path): Found[] {
  const { least, most } = check;
  if (name !== "range" && name !== "rowCount") return [];
  if (least === undefined && most === undefined) {
    return [
      { path: here("least"), found: "nothing", expected: `least, most or both: ${name} needs a bound` },
    ];
  }
  return typeof least === "number" && typeof most === "number" && least > most
    ? [{ path: here("least"), found: show(least), expected: `a number that is not above most, ${most}` }]
    : [];
}

function columnFaults(
  check: Readable,
  types: Record<string, string>,
  here: (...path: Path) => Path,
): Found[] {
  const columns = Array.isArray(check["columns"]) ? (check["columns"] as unknown[]) : [];
  const fitting = check["check"] === "range" ? number : check["check"] === "freshness" ? time : undefined;
  const fault = (position: number, found: string, expected: string) => [
    { path: here("columns", position), found, expected },
  ];
  return columns.flatMap((name, position) => {
    if (typeof name !== "string") return [];
    const type = types[name];
    if (type === undefined) {
      return fault(position, show(name), `a column of the table: ${Object.keys(types).join(", ")}`);
    }
    if (check["check"] === "freshness" && position > 0) return fault(position, show(name), "one column only");
    if (fitting === undefined || fitting.test(type.trim())) return [];
    const wanted = fitting === number ? "a number" : "a date or a timestamp";
    return fault(position, `${show(name)} of type ${type}`, `a column that is ${wanted}`);
  });
}
