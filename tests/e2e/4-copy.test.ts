import { ListObjectsV2Command, S3Client } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { StackOutputs } from "../../commands/stack-outputs";
import { command, npmRun, outputs, startCommand } from "./lakestack";
import { region } from "./object-store";
import { bringUpOther, declareOther, destroyOther, queryOther } from "./other-stack";
import type { Running } from "./processes";
import { otherStack, stackName } from "./stack";
import { query } from "./trino";
import { until } from "./until";
import { addUser } from "./users";

/** The stack that is copied to. */
let other: StackOutputs;

const queryThere = (statement: string) => queryOther(other, statement);
const copy = (...args: string[]) => npmRun("tables:copy", "--to", otherStack, ...args);

/** Runs the command, which has to fail. @returns what it said. */
async function failedCopy(...args: string[]): Promise<string> {
  const { code, output } = await command("tables:copy", ["--to", otherStack, ...args]);
  expect(code, output).toBe(1);
  return output;
}

const tables = ["newtral.media", "newtral.tiktokcomment"];
const small = "newtral.nowhere";

beforeAll(async () => {
  const began = performance.now();
  other = await bringUpOther();
  console.log(`The other stack was up after ${((performance.now() - began) / 1000).toFixed(0)} s.`);
});

afterAll(async () => {
  await query(`DELETE FROM iceberg.${small} WHERE id LIKE 'copy-%'`);
  await destroyOther();
});

test("a stack that is not there is named", async () => {
  const { code, output } = await command("tables:copy", ["--to", "e2e-nobody"]);
  expect(code).toBe(1);
  expect(output).toContain("There is no stack e2e-nobody.");
});

test("a Trino that does not answer is named, with what to do", async () => {
  const output = await failedCopy("--to-trino", "https://localhost:1");
  expect(output).toMatch(/Trino of stack \S+-other does not answer at https:\/\/localhost:1: .*ECONNREFUSED/);
  expect(output).toContain("--to-trino https://localhost:8443");
});

test("tables that the other stack lacks are named, and so are columns that differ; nothing is copied", async () => {
  expect(await failedCopy("--table", "media")).toContain(
    `Stack ${otherStack} has no table newtral.media. Nothing was copied.`,
  );
  const declared = [...tables, small];
  await queryThere("CREATE SCHEMA iceberg.newtral");
  for (const table of declared) await makeThere(table, await definitionsOf(table));
  await queryThere(`ALTER TABLE iceberg.${small} ADD COLUMN price integer`);
  await queryThere(`ALTER TABLE iceberg.${small} DROP COLUMN source_file_name`);
  const output = await failedCopy("--table", "nowhere", "--table", "media");
  expect(output).toContain(
    `${small}: source_file_name is varchar, in the other not there; price is not there, in the other integer`,
  );
  expect(await there("newtral.media")).toEqual([]);
  await queryThere(`DROP TABLE iceberg.${small}`);
  await makeThere(small, await definitionsOf(small));
});

/** Columns and types of a table of the first stack, as a table is made with them. */
async function definitionsOf(table: string): Promise<string> {
  const [schema = "", name = ""] = table.split(".");
  const rows = await query(
    `SELECT column_name, data_type FROM iceberg.information_schema.columns
     WHERE table_schema = '${schema}' AND table_name = '${name}' ORDER BY ordinal_position`,
  );
  return rows.map(([column, type]) => `"${String(column)}" ${String(type)}`).join(", ");
}

const makeThere = (table: string, definitions: string) =>
  queryThere(`CREATE TABLE iceberg.${table} (${definitions})`);

/** All rows of a table, each as JSON, in an order that both stacks share. */
const rowsBy = async (ask: typeof query, table: string) => {
  // The client would be told three digits of a second.
  const rows = await ask(`SELECT *, CAST(created_at_etl AS varchar) FROM iceberg.${table}`);
  return rows.map((row) => JSON.stringify(row)).sort();
};
const here = (table: string) => rowsBy(query, table);
const there = (table: string) => rowsBy(queryThere, table);

describe("a copy that is killed on its way, twice, and run again", () => {
  beforeAll(async () => {
    await killed(async () => (await query(staged)).length > 0);
    await killed(async () => {
      const [table] = (await queryThere(staged)).flat().map(String);
      if (table === undefined) return false;
      return (await queryThere(`SELECT 1 FROM iceberg.lakestack_copy."${table}" LIMIT 1`)).length > 0;
    });
    const { stdout } = await copy(...what);
    console.log(stdout);
    expect(stdout).toMatch(/newtral\.media +[1-9]/);
  });

  const staged =
    "SELECT table_name FROM iceberg.information_schema.tables WHERE table_schema = 'lakestack_copy'";

  const what = ["--quarantine", "--no-users", ...[...tables, small].flatMap((name) => ["--table", name])];

  /** Starts a copy and kills it, as a loss of power does, as soon as something is to be seen in a stack. */
  async function killed(when: () => Promise<boolean>): Promise<void> {
    const running: Running = startCommand("tables:copy", "--to", otherStack, ...what);
    const isOver = async () => running.child.exitCode !== null || (await when());
    await until("the copy has come so far", 120, isOver, 0.1);
    running.signal("SIGKILL");
    const { signal, output } = await running.finished;
    expect(signal, output).toBe("SIGKILL");
  }

  test.each([...tables, ...tables.map((table) => `${table}_quarantine`)])(
    "has brought each row of %s once, with its lineage",
    async (table) => {
      const expected = await here(table).catch(() => []);
      const found = await there(table).catch(() => []);
      expect(found.length).toBe(expected.length);
      expect(found).toEqual(expected);
    },
  );

  test("has brought rows at all, and some that were kept aside", async () => {
    expect((await there("newtral.media")).length).toBeGreaterThan(1000);
    expect((await there("newtral.media_quarantine")).length).toBeGreaterThan(0);
  });

  test("has left nothing else behind, in neither catalog nor store", async () => {
    for (const ask of [query, queryThere]) {
      expect((await ask("SHOW SCHEMAS FROM iceberg")).flat()).not.toContain("lakestack_copy");
    }
    for (const store of [outputs, other]) expect(await stagedObjects(store)).toEqual([]);
  });
});

/** What is in a stack's warehouse of copies on their way. */
async function stagedObjects({ objectStoreUrl, objectStoreUser, objectStorePassword }: StackOutputs) {
  const client = new S3Client({
    endpoint: objectStoreUrl,
    region,
    forcePathStyle: true,
    credentials: { accessKeyId: objectStoreUser, secretAccessKey: objectStorePassword },
  });
  try {
    const all = await client.send(new ListObjectsV2Command({ Bucket: "warehouse" }));
    const keys = (all.Contents ?? []).map(({ Key = "" }) => Key);
    expect(keys.length, "objects of the tables themselves").toBeGreaterThan(0);
    const staged = await client.send(
      new ListObjectsV2Command({ Bucket: "warehouse", Prefix: "lakestack_copy" }),
    );
    return (staged.Contents ?? []).map(({ Key }) => Key);
  } finally {
    client.destroy();
  }
}

test("run again, it adds no row and makes no snapshot", async () => {
  const snapshot = () => queryThere('SELECT CAST(snapshot_id AS varchar) FROM iceberg.newtral."media$refs"');
  const before = await snapshot();
  const { stdout, seconds } = await copy("--table", "media", "--no-users");
  console.log(`A copy with nothing to bring: ${seconds.toFixed(1)} s`);
  expect(stdout).toMatch(/newtral\.media +(\d+) +0 +\1 /);
  expect(before).toHaveLength(1);
  expect(await snapshot()).toEqual(before);
});

const insert = (ask: typeof query, id: string, file: string) =>
  ask(
    `INSERT INTO iceberg.${small} (id, created_at_etl, source_file_name)
     VALUES ('${id}', TIMESTAMP '2018-04-01 10:00:00.123456 UTC', '${file}')`,
  );

test("new rows come to rows that the other stack has of its own", async () => {
  await insert(query, "copy-1", "s3a://source/Nowhere/1.json");
  await copy("--table", "nowhere", "--no-users");
  await insert(query, "copy-2", "s3a://source/Nowhere/2.json");
  await insert(queryThere, "copy-3", "s3a://source/Nowhere/3.json");
  const { stdout } = await copy("--table", "nowhere", "--no-users");
  expect(stdout).toMatch(/newtral\.nowhere +2 +1 +1 /);
  const lineage = await queryThere(
    `SELECT id, source_file_name, CAST(created_at_etl AS varchar) FROM iceberg.${small} ORDER BY id`,
  );
  const at = "2018-04-01 10:00:00.123456 UTC";
  expect(lineage).toEqual([
    ["copy-1", "s3a://source/Nowhere/1.json", at],
    ["copy-2", "s3a://source/Nowhere/2.json", at],
    ["copy-3", "s3a://source/Nowhere/3.json", at],
  ]);
});

test("rows of the same key and other values are named, and none is added", async () => {
  await insert(query, "copy-3", "s3a://source/Nowhere/elsewhere.json");
  await insert(query, "copy-4", "s3a://source/Nowhere/4.json");
  const before = await there(small);
  const output = await failedCopy("--table", "nowhere", "--no-users");
  expect(output).toContain(
    `The table ${small} of stack ${otherStack} has rows with the same id as rows of stack ${stackName}, and other values. ` +
      "Nothing was added to it.",
  );
  expect(output).toContain("id copy-3");
  expect(output).not.toContain("id copy-4");
  expect(await there(small)).toEqual(before);

  await queryThere(`DELETE FROM iceberg.${small} WHERE id = 'copy-3'`);
  await copy("--table", "nowhere", "--no-users");
  expect(await there(small)).toEqual(await here(small));
});

test("users come with role and password; who was there already stays as they were, and is told", async () => {
  const ann = await addUser("copied.ann", "analyst");
  await addUser("copied.ben", "analyst");
  await declareOther("copied.ben", "etl");
  const { stdout } = await copy("--table", "nowhere");
  expect(stdout).toMatch(/copied\.ann +analyst +copied, with the password/);
  expect(stdout).toMatch(/copied\.ben +analyst +was there already, left as it is: etl/);
  const titles = "SELECT count(title) FROM iceberg.newtral.media";
  const answer = await until("she can log in there", 20, () => queryOther(other, titles, ann));
  expect(Number(answer[0]?.[0])).toBeGreaterThan(0);
  for (const name of ["copied.ann", "copied.ben"]) await npmRun("user", "remove", name);
});
