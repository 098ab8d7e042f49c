import { query as queryAt } from "../../commands/trino-query";
import { outputs } from "./lakestack";

const access = {
  url: outputs.trinoUrl,
  user: outputs.trinoUser,
  password: outputs.trinoPassword,
  ca: outputs.caCertificate,
};

/** Runs a statement at the published port, with trino-client. */
export const query = (statement: string) => queryAt(access, statement);

/** The single value of a statement that has one row and one column. */
export async function value(statement: string): Promise<unknown> {
  return (await query(statement))[0]?.[0];
}

export interface Counts {
  rows: number;
  ids: number;
}

/** Rows of a table, and distinct ids among them; of those from objects whose path contains `part`. */
export async function counts(table: string, part = ""): Promise<Counts> {
  const [row = []] = await query(
    `SELECT count(*), count(DISTINCT id) FROM iceberg.${table} WHERE source_file_name LIKE '%${part}%'`,
  );
  return { rows: Number(row[0]), ids: Number(row[1]) };
}
