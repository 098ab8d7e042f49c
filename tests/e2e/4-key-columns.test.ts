import { readFile } from "node:fs/promises";
import * as path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { projectFolder } from "../../toolchain/project";
import { execute } from "./docker";
import { query } from "./trino";

// A table of five million rows would take minutes; what has to be seen here is that Arrow reaches the object store.
const table = "iceberg.newtral.keyed";

beforeAll(async () => {
  await query(`DROP TABLE IF EXISTS ${table}`);
  await query(
    `CREATE TABLE ${table} AS SELECT lower(to_hex(sha1(to_utf8(CAST(a * 1000 + b AS varchar))))) AS id ` +
      "FROM UNNEST(sequence(0, 199)) AS t (a) CROSS JOIN UNNEST(sequence(0, 999)) AS u (b)",
  );
});
afterAll(() => query(`DROP TABLE ${table}`));

test.each([
  ["in a driver", ["--master", "local[1]"]],
  ["on a worker", ["--conf", "spark.cores.max=1"]],
])("the keys of a batch are found by Arrow %s, with what the catalog lends", async (_, where) => {
  const program = await readFile(path.join(projectFolder, "tests/e2e/python/find_keys.py"), "utf8");
  const output = await execute("airflow-scheduler", [
    "sh",
    "-c",
    'file=/tmp/find_keys.py; printf "%s" "$1" > "$file" && shift && TABLE="$0" KEY=id spark-submit "$@" "$file"',
    table,
    program,
    ...where,
  ]);
  const [, keys, found, right] = /keys (\d+) found (\d+) right (\d+)/.exec(output) ?? [];
  expect(Number(keys), output).toBeGreaterThan(10_000);
  expect([found, right]).toEqual([keys, keys]);
});
