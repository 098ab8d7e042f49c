/** An advisory in the Open Source Vulnerability format, as far as it is read here. */
export interface Osv {
  id: string;
  aliases?: string[];
  /** Debian names the CVE here. */
  upstream?: string[];
  summary?: string;
  details?: string;
  withdrawn?: string;
  affected?: {
    package?: { name: string; ecosystem: string };
    ranges?: { type: string; events: Partial<Record<"introduced" | "fixed" | "last_affected", string>>[] }[];
  }[];
}

/** One line that says what it is about. */
export function osvSummary({ summary, details }: Osv): string {
  return (summary ?? details?.split("\n").find((line) => line.trim() !== "") ?? "").trim();
}

/** Versions without the weakness, for one package. */
export function osvFixes(advisory: Osv, name: string, ecosystem: string): string[] {
  return (advisory.affected ?? [])
    .filter((each) => each.package?.name === name && each.package.ecosystem === ecosystem)
    .flatMap(({ ranges }) => ranges ?? [])
    .filter(({ type }) => type !== "GIT")
    .flatMap(({ events }) => events.flatMap(({ fixed }) => fixed ?? []));
}

/** Whether a version of a Go module has the weakness. */
export function affectsGoModule(advisory: Osv, module: string, version: string): boolean {
  const bare = version.replace(/^v/, "");
  return (advisory.affected ?? [])
    .filter((each) => each.package?.name === module)
    .some(({ ranges }) =>
      (ranges ?? []).some(({ type, events }) => type === "SEMVER" && within(events, bare)),
    );
}

/** Events are in the order of versions: the last one that the version has reached decides. */
function within(
  events: readonly Partial<Record<"introduced" | "fixed" | "last_affected", string>>[],
  version: string,
): boolean {
  let affected = false;
  for (const { introduced, fixed, last_affected: last } of events) {
    if (introduced !== undefined && (introduced === "0" || compareSemantic(version, introduced) >= 0))
      affected = true;
    if (fixed !== undefined && compareSemantic(version, fixed) >= 0) affected = false;
    if (last !== undefined && compareSemantic(version, last) > 0) affected = false;
  }
  return affected;
}

/** Order of two semantic versions; Go's pseudo-versions are such. What follows a + does not count. */
export function compareSemantic(a: string, b: string): number {
  const [left, right] = [parts(a), parts(b)];
  for (let at = 0; at < 3; at += 1) {
    const difference = (left.numbers[at] ?? 0) - (right.numbers[at] ?? 0);
    if (difference !== 0) return Math.sign(difference);
  }
  // A pre-release comes before its release.
  if (left.rest.length === 0 || right.rest.length === 0)
    return Math.sign(right.rest.length - left.rest.length);
  for (let at = 0; at < Math.max(left.rest.length, right.rest.length); at += 1) {
    const order = comparePart(left.rest[at], right.rest[at]);
    if (order !== 0) return order;
  }
  return 0;
}

function parts(version: string): { numbers: number[]; rest: string[] } {
  const [bare = ""] = version.split("+");
  const dash = bare.indexOf("-");
  const numbers = (dash < 0 ? bare : bare.slice(0, dash)).split(".").map(Number);
  return { numbers, rest: dash < 0 ? [] : bare.slice(dash + 1).split(".") };
}

function comparePart(a: string | undefined, b: string | undefined): number {
  if (a === b) return 0;
  if (a === undefined) return -1;
  if (b === undefined) return 1;
  const [aNumber, bNumber] = [/^\d+$/.test(a), /^\d+$/.test(b)];
  if (aNumber && bNumber) return Math.sign(Number(a) - Number(b));
  if (aNumber !== bNumber) return aNumber ? -1 : 1;
  return a < b ? -1 : 1;
}
