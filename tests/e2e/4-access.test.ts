import { readFile, writeFile } from "node:fs/promises";
import * as path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse, stringify } from "yaml";
import { hashPassword } from "../../infra/password";
import { projectFolder } from "../../toolchain/project";
import { runToSuccess } from "./airflow";
import { container, docker } from "./docker";
import { command, type Login, npmRun, outputs, pulumi, shell } from "./lakestack";
import { configFile, stackName } from "./stack";
import { query, value } from "./trino";
import { until } from "./until";
import { addUser, analyst, etl, printedPassword, queryAs } from "./users";

/** Which Trino it is, and since when it runs. */
let trinoBefore: unknown;

async function trinoNow(): Promise<unknown> {
  const { Id, State } = await container("trino").inspect();
  return { Id, started: State.StartedAt, restarts: State.Pid };
}

const asAnalyst = (statement: string) => queryAs(analyst, statement);
const asWriter = (statement: string) => queryAs(etl, statement);

beforeAll(async () => {
  trinoBefore = await trinoNow();
  await query("CREATE TABLE IF NOT EXISTS iceberg.newtral.nowhere_quarantine (line varchar)");
  await query("CREATE TABLE IF NOT EXISTS iceberg.newtral.scratch AS SELECT 1 AS n");
});

afterAll(async () => {
  await query("DROP TABLE IF EXISTS iceberg.newtral.nowhere_quarantine");
  await query("DROP TABLE IF EXISTS iceberg.newtral.scratch");
});

describe("npm run user", () => {
  let guest: Login;

  test("lists the stack's own users and the declared ones, with their roles and without passwords", async () => {
    const { stdout } = await npmRun("user", "list");
    expect(stdout).toMatch(/^admin +admin /m);
    expect(stdout).toMatch(/^airflow +etl /m);
    expect(stdout).toMatch(/^dora\.k +analyst$/m);
    expect(stdout).toMatch(/^loader +etl$/m);
    expect(stdout).not.toContain(analyst.password);
  });

  test("lets somebody in at once, by a Trino that goes on running", async () => {
    guest = await addUser("guest", "analyst");
    expect(await queryAs(guest, "SELECT current_user")).toEqual([["guest"]]);
    expect(await trinoNow()).toEqual(trinoBefore);
  });

  test("a new password is in effect at once, and the old one no longer; it may come from standard input", async () => {
    const line = `printf '%s\\n' "$NEW" | npm run -s user -- passwd guest --password-stdin`;
    const { stdout } = await shell(`NEW='a pass phrase: of mine' && ${line}`);
    expect(stdout).not.toContain("pass phrase");
    expect(await queryAs({ ...guest, password: "a pass phrase: of mine" }, "SELECT 1")).toEqual([[1]]);
    await expect(queryAs(guest, "SELECT 1")).rejects.toThrow(/Access Denied|401/);
    guest = { ...guest, password: printedPassword((await npmRun("user", "passwd", "guest")).stdout) };
    expect(await queryAs(guest, "SELECT current_user")).toEqual([["guest"]]);
    expect(await trinoNow()).toEqual(trinoBefore);
  });

  test("who is removed is out at once", async () => {
    const { stdout } = await npmRun("user", "remove", "guest");
    expect(stdout).toContain("no login from now on");
    await expect(queryAs(guest, "SELECT 1")).rejects.toThrow(/Access Denied|401/);
    expect((await npmRun("user", "list")).stdout).not.toContain("guest");
    expect(await trinoNow()).toEqual(trinoBefore);
  });

  test.each([
    [["remove", "admin"], "The user admin is the stack's own and stays."],
    [["remove", "airflow"], "The user airflow is the stack's own and stays."],
    [["passwd", "nobody"], "There is no user nobody."],
    [["add", "loader", "--role", "analyst"], "There is a user loader already, as etl."],
    [["add", "new", "--role", "owner"], 'There is no role "owner".'],
  ])("%j is refused with the reason, and what can be done", async (args, message) => {
    const before = await readFile(configFile, "utf8");
    const { code, output } = await command("user", args);
    expect(code).toBe(1);
    expect(output).toContain(`✘ ${message}`);
    expect(await readFile(configFile, "utf8")).toBe(before);
  });

  test("passwords are kept nowhere, and their hashes not in the clear", async () => {
    const configuration = await readFile(configFile, "utf8");
    expect(configuration).toContain("dora.k: analyst");
    const hashes = JSON.parse((await pulumi("config", "get", "userPasswords")).stdout) as Record<
      string,
      string
    >;
    const kept = hashes["dora.k"] ?? "";
    expect(hashPassword(analyst.password, kept.split(":")[1] ?? "")).toBe(kept);
    const { stdout: state } = await pulumi("stack", "export");
    const descriptions = await Promise.all([
      container("trino").inspect(),
      docker.getContainer(`lakestack-${stackName}-trino-live`).inspect(),
    ]);
    for (const place of [configuration, state, JSON.stringify(descriptions)]) {
      expect(place.includes(analyst.password)).toBe(false);
      expect(place.includes(kept)).toBe(false);
    }
  });
});

describe("an analyst", () => {
  const comments = "iceberg.newtral.tiktokcomment";

  test("reads the tables with their masks: no names, and the same hash for the same person", async () => {
    const people = `SELECT "user".username, "user".id, "user".gender FROM ${comments} ORDER BY id LIMIT 50`;
    const seen = await asAnalyst(people);
    const real = await query(people);
    expect(seen).toHaveLength(real.length);
    expect(new Set(seen.map(([name]) => name))).toEqual(new Set(["***"]));
    expect(real.map(([name]) => name)).not.toContain("***");
    for (const [, id] of seen) expect(id).toMatch(/^[0-9a-f]{64}$/);
    const distinct = `SELECT count(DISTINCT "user".id), count(*) FROM ${comments}`;
    expect(await asAnalyst(distinct)).toEqual(await query(distinct));
    // What is not masked is as it is.
    expect(seen.map(([, , gender]) => gender)).toEqual(real.map(([, , gender]) => gender));
  });

  test("cannot find out what is masked by asking for it", async () => {
    const [[name] = []] = await query(
      `SELECT "user".username FROM ${comments} WHERE "user".username <> '' LIMIT 1`,
    );
    const literal = `'${String(name).replaceAll("'", "''")}'`;
    expect(await asAnalyst(`SELECT count(*) FROM ${comments} WHERE "user".username = ${literal}`)).toEqual([
      [0],
    ]);
  });

  test("sees the published tables and no others", async () => {
    expect(await asAnalyst("SHOW CATALOGS")).toEqual([["iceberg"], ["system"]]);
    const tables = (await asAnalyst("SHOW TABLES FROM iceberg.newtral")).map(([name]) => String(name));
    expect(tables).toEqual(expect.arrayContaining(["media", "tiktokcomment"]));
    expect(tables.filter((name) => /quarantine|undeclared|scratch/.test(name))).toEqual([]);
    const all = (await query("SHOW TABLES FROM iceberg.newtral")).map(([name]) => String(name));
    expect(all).toEqual(expect.arrayContaining(["nowhere_quarantine", "scratch"]));
  });

  test.each([
    "SELECT * FROM iceberg.newtral.nowhere_quarantine",
    "SELECT * FROM iceberg.newtral.scratch",
    'SELECT * FROM iceberg.newtral."media$files"',
    'SELECT * FROM iceberg.newtral."media$snapshots"',
    'SELECT * FROM iceberg.newtral."media@main"',
    "INSERT INTO iceberg.newtral.media (id) VALUES ('x')",
    "DELETE FROM iceberg.newtral.media",
    "UPDATE iceberg.newtral.media SET title = ''",
    "CREATE TABLE iceberg.newtral.mine AS SELECT 1 AS n",
    "CREATE VIEW iceberg.newtral.mine AS SELECT 1 AS n",
    "CREATE SCHEMA iceberg.mine",
    "DROP TABLE iceberg.newtral.media",
    "ALTER TABLE iceberg.newtral.media ADD COLUMN mine varchar",
    "ANALYZE iceberg.newtral.media",
    "CALL iceberg.system.register_table('newtral', 'mine', 's3://warehouse/x')",
    "SELECT * FROM TABLE(iceberg.system.table_changes('newtral', 'tiktokcomment', 1, 2))",
    "SELECT * FROM system.runtime.tasks",
    "SELECT * FROM system.runtime.nodes",
    "SET SESSION query_max_execution_time = '10h'",
    "SET SESSION query_max_memory = '100GB'",
  ])("is refused: %s", async (statement) => {
    await expect(asAnalyst(statement)).rejects.toThrow(/Access Denied|does not exist/);
  });

  test.each([
    "ALTER TABLE iceberg.newtral.media EXECUTE optimize",
    "ALTER TABLE iceberg.newtral.media EXECUTE expire_snapshots(retention_threshold => '0d')",
    "EXPLAIN ANALYZE ALTER TABLE iceberg.newtral.media EXECUTE optimize",
    "EXECUTE IMMEDIATE 'ALTER TABLE iceberg.newtral.media EXECUTE optimize'",
  ])("does not rewrite tables: %s", async (statement) => {
    await expect(asAnalyst(statement)).rejects.toThrow(/table-maintenance-is-not-for-analysts/);
  });

  test("sees its own queries and nobody else's", async () => {
    await query("SELECT 'of the administrator'");
    const own = 'SELECT DISTINCT "user" FROM system.runtime.queries';
    expect(await asAnalyst(own)).toEqual([["dora.k"]]);
    expect((await query(own)).length).toBeGreaterThan(1);
  });

  test("reads every table of a schema that is published, and rows only that a filter lets through", async () => {
    const sources = path.join(projectFolder, (await pulumi("config", "get", "sourcesFile")).stdout.trim());
    const before = await readFile(sources, "utf8");
    const declared = parse(before) as { sources: { name: string; rowFilter?: string }[] };
    for (const source of declared.sources)
      if (source.name === "media") source.rowFilter = "source_file_name LIKE '%/2018/04/16/%'";
    try {
      await writeFile(sources, stringify(declared));
      await pulumi("config", "set", "publishedSchemas", "newtral");
      await pulumi("up", "--yes", "--skip-preview");
      const days =
        "SELECT DISTINCT regexp_extract(source_file_name, '\\d{4}/\\d\\d/\\d\\d') FROM iceberg.newtral.media";
      await until("the filter is in effect", 20, async () => (await asAnalyst(days)).length === 1);
      expect(await asAnalyst(days)).toEqual([["2018/04/16"]]);
      expect((await query(days)).length).toBeGreaterThan(1);
      expect(await asAnalyst("SELECT n FROM iceberg.newtral.scratch")).toEqual([[1]]);
      await expect(asAnalyst("SELECT * FROM iceberg.newtral.nowhere_quarantine")).rejects.toThrow(
        /Access Denied/,
      );
      await expect(asAnalyst('SELECT * FROM iceberg.newtral."scratch$files"')).rejects.toThrow(
        /Access Denied/,
      );
      expect(await trinoNow(), "Trino went on running").toEqual(trinoBefore);
    } finally {
      await writeFile(sources, before);
      await pulumi("config", "rm", "publishedSchemas");
      await pulumi("up", "--yes", "--skip-preview");
    }
  });
});

describe("the other roles", () => {
  test("etl writes to the lake and sees no mask, and nothing of the system", async () => {
    await asWriter("CREATE SCHEMA iceberg.staging");
    await asWriter("CREATE TABLE iceberg.staging.t AS SELECT 1 AS n");
    await asWriter("INSERT INTO iceberg.staging.t VALUES 2");
    expect(await asWriter("SELECT count(*) FROM iceberg.staging.t")).toEqual([[2]]);
    await asWriter("ALTER TABLE iceberg.staging.t EXECUTE optimize");
    await asWriter("DROP TABLE iceberg.staging.t");
    await asWriter("DROP SCHEMA iceberg.staging");
    expect(
      await asWriter("SELECT count(*) FROM iceberg.newtral.tiktokcomment WHERE \"user\".username = '***'"),
    ).toEqual([[0]]);
    await expect(asWriter("SELECT * FROM system.runtime.tasks")).rejects.toThrow(/Access Denied/);
  });

  test("Airflow works as a user of its own", async () => {
    await runToSuccess("create_tables", { id: "as-its-own-user" });
    const users = await query(
      "SELECT DISTINCT \"user\" FROM system.runtime.queries WHERE source LIKE 'airflow%' OR \"user\" = 'airflow'",
    );
    expect(users).toEqual([["airflow"]]);
  });
});

describe("limits", () => {
  /** Works for a long time on one thread, with little memory. */
  const endless =
    "SELECT count(*) FROM UNNEST(sequence(1, 10000)) a(x), UNNEST(sequence(1, 10000)) b(y), UNNEST(sequence(1, 1000)) c(z) WHERE x * y = z";

  const states = async () =>
    Object.fromEntries(
      await query(
        "SELECT state, count(*) FROM system.runtime.queries WHERE \"user\" = 'dora.k' AND query LIKE '%sequence(1, 10000)%' " +
          "AND state IN ('QUEUED', 'RUNNING') GROUP BY state",
      ),
    ) as Record<string, number>;

  test("an analyst's runaway queries wait for each other, and ingestion goes on", async () => {
    const begun = Array.from({ length: 5 }, () =>
      asAnalyst(endless).catch((error: unknown) => String(error)),
    );
    try {
      // Half of analystQueries, which is six.
      await until("three run and the others wait", 60, async () => {
        const { RUNNING = 0, QUEUED = 0 } = await states();
        return RUNNING === 3 && QUEUED === 2;
      });
      expect(await asWriter("SELECT count(*) > 0 FROM iceberg.newtral.media")).toEqual([[true]]);
      expect(await states(), "what is asked beside them is answered before they end").toEqual({
        RUNNING: 3,
        QUEUED: 2,
      });
    } finally {
      await until("they are ended", 60, async () => {
        const left = await query(
          "SELECT query_id FROM system.runtime.queries WHERE \"user\" = 'dora.k' AND state IN ('QUEUED', 'RUNNING')",
        );
        for (const [id] of left)
          await query(`CALL system.runtime.kill_query('${String(id)}', 'end of the test')`).catch(
            () => undefined,
          );
        return left.length === 0;
      });
    }
    const ends = await Promise.all(begun);
    for (const end of ends) expect(end).toContain("end of the test");
  });

  test("a query of an analyst has less time than others, and the analyst can't change that", async () => {
    const limit = async (rows: Promise<unknown[][]>) => (await rows)[0]?.[1];
    const show = "SHOW SESSION LIKE 'query_max_execution_time'";
    expect(await limit(asAnalyst(show))).toBe("30.00m");
    expect(await limit(asWriter(show))).toBe("12h");
    expect(await limit(query(show))).toBe("12h");
  });

  test("a query that wants all of the memory is ended, not Trino", async () => {
    const greedy =
      "SELECT cardinality(array_agg(rpad('', 1000, CAST(x * 10000 + y AS varchar)))) FROM UNNEST(sequence(1, 10000)) a(x), UNNEST(sequence(1, 10000)) b(y)";
    await expect(asAnalyst(greedy)).rejects.toThrow(/memory limit|EXCEEDED/i);
    expect(await trinoNow()).toEqual(trinoBefore);
    expect(await value("SELECT 1")).toBe(1);
  });
});

test("the stack's own password is still the administrator's", async () => {
  expect(
    await queryAs({ name: outputs.trinoUser, password: outputs.trinoPassword }, "SELECT current_user"),
  ).toEqual([[outputs.trinoUser]]);
});
