import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readByPyIceberg } from "./client-container";
import { query } from "./trino";

// Trino and Spark share a library: this one reads the format by its specification.

/** The rows of a table as Trino reads them, each as JSON. */
async function readByTrino(table: string): Promise<string[]> {
  const columns = await query(`SHOW COLUMNS FROM iceberg.newtral.${table}`);
  const [values, isNested] = [[] as string[], [] as boolean[]];
  for (const [name, type] of columns) {
    const nested = /^(array|row|map)/.test(String(type));
    isNested.push(nested);
    values.push(nested ? `json_format(CAST("${String(name)}" AS JSON))` : asText(String(name), String(type)));
  }
  const rows = await query(`SELECT ${values.join(", ")} FROM iceberg.newtral.${table}`);
  const parsed = (value: unknown, index: number): unknown =>
    isNested[index] && typeof value === "string" ? JSON.parse(value) : value;
  return rows.map((row) => JSON.stringify(row.map(parsed))).sort();
}

const asText = (name: string, type: string) =>
  type.startsWith("timestamp") ? `CAST("${name}" AS varchar)` : `"${name}"`;

/** The same, read by PyIceberg. */
async function readIndependently(table: string) {
  const { columns, summary, rows } = await readByPyIceberg(`newtral.${table}`);
  return { columns, summary, rows: rows.map((row) => JSON.stringify(row)).sort() };
}

test.each(["media", "tiktokcomment", "media_quarantine"])(
  "PyIceberg finds in %s the rows that Trino finds, to the letter",
  async (table) => {
    const [seen, expected] = [await readIndependently(table), await readByTrino(table)];
    expect(expected.length).toBeGreaterThan(0);
    expect(seen.rows).toHaveLength(expected.length);
    expect(seen.rows).toEqual(expected);
    expect(seen.columns).toContain("source_file_name");
  },
);

describe("of a table whose rows were changed", () => {
  const table = "iceberg.newtral.reader";
  beforeAll(async () => {
    await query(`DROP TABLE IF EXISTS ${table}`);
    await query(`CREATE TABLE ${table} AS SELECT * FROM iceberg.newtral.media`);
  });
  afterAll(() => query(`DROP TABLE ${table}`));

  test("deletes beside the data files are seen by both", async () => {
    const whole = await readByTrino("reader");
    await query(`DELETE FROM ${table} WHERE length(title) % 2 = 0`);
    await query(`UPDATE ${table} SET title = upper(title) WHERE length(title) % 3 = 0`);
    const expected = await readByTrino("reader");
    expect(expected.length).toBeLessThan(whole.length);
    expect(await query(`SELECT count(*) FROM iceberg.newtral."reader$files" WHERE content = 1`)).not.toEqual([
      [0],
    ]);
    expect((await readIndependently("reader")).rows).toEqual(expected);
  });
});
