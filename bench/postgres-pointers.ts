import type { OwnStack } from "./own-stack";

/** What any catalog on a database does at least for a commit: to change a pointer, if it is still the known one. */
export interface PointerMeasurement {
  /** All writers on one row, or each on one of its own. */
  tables: "one" | "many";
  writers: number;
  /** Changes that succeeded. */
  commitsPerSecond: number;
  /** Share of attempts that found the row changed. */
  conflictShare: number;
  /** Mean of an attempt, ms. */
  mean: number;
}

const database = "bench";

/** A database beside the catalog's, on the same server and disk, with a row for each table. */
export async function preparePointers(own: OwnStack): Promise<void> {
  await own.sql("postgres", `DROP DATABASE IF EXISTS ${database}`, `CREATE DATABASE ${database}`);
  await own.sql(
    database,
    "CREATE TABLE tables (name int PRIMARY KEY, metadata_location text NOT NULL, previous_location text, version bigint NOT NULL)",
    "INSERT INTO tables SELECT n, 's3://warehouse/bench/metadata/0.json', NULL, 0 FROM generate_series(0, 255) n",
  );
}

/** What a writer sends, as Iceberg's catalog on JDBC does: it reads the pointer, and changes it if it is the same still. */
function script(tables: "one" | "many"): string {
  return [
    `\\set name ${tables === "one" ? "0" : ":client_id"}`,
    "SELECT version AS seen FROM tables WHERE name = :name \\gset",
    "UPDATE tables SET metadata_location = 's3://warehouse/bench/metadata/' || (:seen + 1) || '.json', " +
      "previous_location = metadata_location, version = :seen + 1 WHERE name = :name AND version = :seen;",
  ].join("\n");
}

/** Measured by pgbench, which is in the same container: nothing but PostgreSQL and its own client. */
export async function measurePointers(
  own: OwnStack,
  tables: "one" | "many",
  writers: number,
  seconds: number,
): Promise<PointerMeasurement> {
  await own.sql(database, "UPDATE tables SET version = 0");
  const output = await own.asSuperuser(`printf '%s\\n' "$1" > /tmp/pointers.sql; shift; exec "$@" 2>&1`, [
    script(tables),
    ...["pgbench", "-n", "-M", "prepared", "-f", "/tmp/pointers.sql", "-T", String(seconds)],
    ...["-c", String(writers), "-j", String(Math.min(2, writers)), database],
  ]);
  const [[changed = ""] = []] = await own.sql(database, "SELECT sum(version) FROM tables");
  return { tables, writers, ...readPgbench(output, Number(changed), seconds) };
}

/**
 * @param changed attempts that succeeded.
 * @throws if pgbench has not said what it did.
 */
export function readPgbench(
  output: string,
  changed: number,
  seconds: number,
): Pick<PointerMeasurement, "commitsPerSecond" | "conflictShare" | "mean"> {
  const number = (pattern: RegExp) => {
    const found = pattern.exec(output)?.[1];
    if (found === undefined)
      throw new Error(`pgbench wrote nothing that fits ${String(pattern)}:\n${output}`);
    return Number(found);
  };
  const attempts = number(/number of transactions actually processed: (\d+)/);
  return {
    commitsPerSecond: Math.round(changed / seconds),
    conflictShare: Number((1 - changed / attempts).toFixed(3)),
    mean: number(/latency average = ([\d.]+) ms/),
  };
}
