import { Trino, BasicAuth } from "trino-client";
import { expect, test } from "vitest";
import { caFile, type ClientRun, jdbcJar, jdbcUrl, programFile, runClient } from "./client-container";
import { outputs } from "./lakestack";
import { applications, historyUrl, workerUrl } from "./spark";
import { counts, query } from "./trino";

function readByJdbc(table: string, id: string, password = outputs.trinoPassword): Promise<ClientRun> {
  const args = [jdbcUrl, outputs.trinoUser, caFile, "newtral", table, id];
  return runClient(["java", "-cp", jdbcJar, programFile, ...args], { TRINO_PASSWORD: password });
}

test("the JDBC driver reads columns, rows and nested values of a table", async () => {
  const [[id, title, category] = []] = await query(
    `SELECT id, title, categories[1].name FROM iceberg.newtral.media
     ORDER BY regexp_like(title, '[^\\x00-\\x7F]') DESC, id LIMIT 1`,
  );
  const { code, output } = await readByJdbc("media", String(id));
  expect(code, output).toBe(0);
  const lines = output.split("\n");
  expect(lines).toContain("column: categories array(row(id varchar, name varchar))");
  expect(lines).toContain("column: created_at_etl timestamp(6) with time zone");
  expect(lines.filter((line) => line.startsWith("column: "))).toHaveLength(14);
  expect(lines).toContain(`rows: ${(await counts("newtral.media")).rows}`);
  expect(lines).toContain(`title: ${String(title)}`);
  expect(lines).toContain(`category: ${String(category)}`);
  expect(output).toMatch(/^ingested: \d{4}-\d\d-\d\dT/m);
});

test("a wrong password gets no further than the door", async () => {
  const { code, output } = await readByJdbc("media", "any", "not-the-password");
  expect(code).toBe(1);
  expect(output).toMatch(/refused: Authentication failed/);
});

test("trino-cli reads the tables with the password from the environment", async () => {
  const statement = "SELECT count(*), count(DISTINCT id) FROM newtral.tiktokcomment";
  const { code, output } = await runClient(
    [
      "trino-cli",
      ...["--server", "https://trino:8443", "--catalog", "iceberg", "--truststore-path", caFile],
      ...[
        "--user",
        outputs.trinoUser,
        "--password",
        "--output-format",
        "CSV_UNQUOTED",
        "--execute",
        statement,
      ],
    ],
    { TRINO_PASSWORD: outputs.trinoPassword },
  );
  expect(code, output).toBe(0);
  const { rows, ids } = await counts("newtral.tiktokcomment");
  expect(output).toContain(`${rows},${ids}`);
});

test("trino-client reads page after page at the published port", async () => {
  const rows = await query("SELECT id, text FROM iceberg.newtral.media");
  expect(rows).toHaveLength((await counts("newtral.media")).rows);
});

test("Trino lets nobody in without a password, or with another authority's certificate", async () => {
  const anonymous = Trino.create({
    server: outputs.trinoUrl,
    source: "e2e",
    ssl: { ca: outputs.caCertificate },
  });
  await expect(anonymous.query("SELECT 1").then((pages) => pages.next())).rejects.toThrow(/401/);

  const auth = new BasicAuth(outputs.trinoUser, outputs.trinoPassword);
  const trusting = Trino.create({ server: outputs.trinoUrl, auth });
  await expect(trusting.query("SELECT 1").then((pages) => pages.next())).rejects.toThrow(/certificate/);
});

test("Spark's pages answer: master, each worker, history with the jobs that ran", async () => {
  const page = async (url: string) => (await fetch(url)).text();
  expect(await page(outputs.sparkMasterUrl)).toContain("Spark Master at spark://spark-master:7077");
  expect(await page(workerUrl(1))).toContain("Spark Worker at");
  expect(await page(workerUrl(2))).toContain("Spark Worker at");
  expect(await page(historyUrl)).toContain("History Server");
  expect((await applications(historyUrl)).length).toBeGreaterThan(0);
});
