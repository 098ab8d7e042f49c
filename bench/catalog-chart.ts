import { barChart } from "./bar-chart";
import type { CatalogResult } from "./catalog";

const colours = { one: "#a9a9a9", many: "#2a6f97" };

/** Commits a second by the number of writers, one catalog, into one table and into one each. */
export function catalogChart({ nessie }: Pick<CatalogResult, "nessie">): string {
  const bars = nessie
    .filter(({ catalogs }) => catalogs === 1)
    .map(({ tables, writers, commitsPerSecond, conflictShare }) => ({
      name: `${writers} ${writers === 1 ? "writer" : "writers"}, ${tables === "one" ? "one table" : "a table each"}`,
      value: commitsPerSecond,
      text: `${commitsPerSecond.toFixed(0)}/s, ${(100 * conflictShare).toFixed(0)} % conflicts`,
      colour: colours[tables],
    }));
  return barChart("Catalog: commits a second", bars);
}
