import { BasicAuth, Trino } from "trino-client";

/** How to reach Trino. */
export interface TrinoAccess {
  url: string;
  user: string;
  password: string;
  /** PEM of the authority that signed Trino's certificate. */
  ca: string;
}

/** Runs a statement and returns all of its rows. A statement that fails rejects with Trino's own message. */
export async function query(access: TrinoAccess, statement: string): Promise<unknown[][]> {
  const trino = Trino.create({
    server: access.url,
    auth: new BasicAuth(access.user, access.password),
    source: "lakestack",
    ssl: { ca: access.ca },
  });
  const rows: unknown[][] = [];
  for await (const page of await trino.query(statement)) {
    // The client hands a failure on as data.
    if (page.error) throw new Error(`${page.error.message} (${page.error.errorName})`);
    rows.push(...((page.data ?? []) as unknown[][]));
  }
  return rows;
}

/** Number of rows of a table, for example `iceberg.newtral.media`. */
export async function countRows(access: TrinoAccess, tableName: string): Promise<number> {
  const [row] = await query(access, `SELECT count(*) FROM ${tableName}`);
  return Number(row?.[0]);
}
