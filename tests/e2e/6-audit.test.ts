import { randomUUID } from "node:crypto";
import { GetObjectCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { succeeded, trigger } from "./airflow";
import { container, execute, healthy, logs, restart } from "./docker";
import { keptSecrets, type Login, npmRun, outputs } from "./lakestack";
import { asRoot, asUser } from "./object-store";
import { query } from "./trino";
import { until } from "./until";
import { addUser, queryAs } from "./users";

/** By which all that is done here is found again. */
const mark = `audit-${randomUUID().slice(0, 8)}`;
const object = `${mark}/object`;
const tables = ["queries", "requests", "actions"] as const;
const counted = `SELECT count(*) AS "${mark}" FROM iceberg.newtral.media`;
const unheard = `SELECT max(title) AS "${mark}" FROM iceberg.newtral.media`;
const refused = `SELECT '${mark}' FROM iceberg.audit.queries`;

let analyst: Login;
let etl: Login;
let airflow: Login;
let began: string;

/** Files of the keeper's that wait for the store and hold a text. */
const waiting = async (text: string) =>
  (await execute("audit", ["/bin/sh", "-c", 'grep -rlF "$1" /var/lib/audit || true', "sh", text]))
    .split("\n")
    .filter(Boolean);

/** The message with which a statement is refused; else that it was not. */
const refusalOf = (login: Login, statement: string) =>
  queryAs(login, statement).then(
    () => "nothing",
    (error: unknown) => String(error),
  );

/** Rows of a table of the audit log, as its only readers see them. */
const found = (columns: string, table: (typeof tables)[number], condition: string) =>
  query(
    `SELECT ${columns} FROM iceberg.audit.${table} WHERE time >= TIMESTAMP '${began} UTC' AND (${condition}) ORDER BY time`,
  );

beforeAll(async () => {
  began = new Date().toISOString().replace("T", " ").replace("Z", "");
  const { sparkObjectStoreKey, airflowTrinoPassword } = await keptSecrets();
  analyst = await addUser(`${mark}-ann`, "analyst");
  etl = await addUser(`${mark}-eva`, "etl");
  airflow = { name: "airflow", password: airflowTrinoPassword };

  await queryAs(analyst, counted);
  await refusalOf(analyst, refused);
  // Queries go on where nobody listens, and are told when somebody does again.
  await container("audit").stop();
  await queryAs(analyst, unheard);
  await container("audit").start();
  await healthy("audit");
  await until("the query that nobody heard of", 180, async () => (await waiting("max(title)")).length > 0);

  await asRoot((client) =>
    client.send(new PutObjectCommand({ Bucket: "source", Key: object, Body: "something" })),
  );
  await asUser("spark", sparkObjectStoreKey, (client) =>
    client.send(new GetObjectCommand({ Bucket: "source", Key: object })),
  );
  await until("both requests for the object", 60, async () => {
    const lines = await execute("audit", [
      ...["/bin/sh", "-c", 'grep -rhF "$1" /var/lib/audit | wc -l', "sh", `"object": "${object}"`],
    ]);
    return Number(lines) >= 2;
  });

  await trigger("create_tables", { id: mark });
  await succeeded("create_tables", mark);
  await trigger("tell_audit", { id: mark });
  await succeeded("tell_audit", mark);

  // It would bring it to the store within five minutes, and does so before it stops.
  await restart("audit");
  expect(await waiting(mark)).toEqual([]);
  for (const table of tables) await trigger(`etl_spark_audit_${table}_incremental`, { id: mark });
  for (const table of tables) await succeeded(`etl_spark_audit_${table}_incremental`, mark);
});

afterAll(async () => {
  for (const { name } of [analyst, etl]) await npmRun("user", "remove", name);
});

describe("the audit log has", () => {
  const ofQueries =
    "user_name, state, element_at(tables, 1).name, array_join(element_at(tables, 1).columns, ','), rows_returned";

  test("a query by an analyst: who, what, when, of which tables and columns, and how many rows", async () => {
    const statement = counted.replaceAll("'", "''");
    expect(await found(ofQueries, "queries", `statement = '${statement}'`)).toEqual([
      [analyst.name, "FINISHED", "iceberg.newtral.media", "", 1],
    ]);
    const [[read, address, client] = []] = await found(
      "rows_read, address, client",
      "queries",
      `statement = '${statement}'`,
    );
    expect(Number(read)).toBeGreaterThanOrEqual(0);
    expect(address).toMatch(/^[\d.:a-f]+$/);
    expect(client).toBeTruthy();
  });

  test("a query that was made while nobody listened, once", async () => {
    expect(await found(ofQueries, "queries", `statement = '${unheard}'`)).toEqual([
      [analyst.name, "FINISHED", "iceberg.newtral.media", "title", 1],
    ]);
  });

  test("a query that was refused, and why", async () => {
    const condition = `statement = '${refused.replaceAll("'", "''")}'`;
    expect(await found("user_name, state, error, message", "queries", condition)).toEqual([
      [
        analyst.name,
        "FAILED",
        "PERMISSION_DENIED",
        "Access Denied: Cannot select from table iceberg.audit.queries",
      ],
    ]);
  });

  test("an object that was read with a service's key, and who has put it there", async () => {
    const columns = "user_name, operation, bucket, status";
    expect(await found(columns, "requests", `object = '${object}'`)).toEqual([
      [outputs.objectStoreUser, "PutObject", "source", 200],
      ["spark", "GetObject", "source", 200],
    ]);
  });

  test("what was read of tables, with keys that the catalog has lent", async () => {
    const lent = await found(
      "operation",
      "requests",
      "user_name = 'catalog' AND access_key <> 'catalog' AND bucket = 'warehouse' AND operation = 'GetObject'",
    );
    expect(lent).not.toEqual([]);
  });

  test("none of the keeper's own requests, of which each would be the next one", async () => {
    expect(await found("operation, object", "requests", "user_name = 'audit' AND status = 200")).toEqual([]);
  });

  test("a DAG that was triggered, and by whom", async () => {
    const condition = `dag_id = 'create_tables' AND action LIKE '%trigger%' AND concat(coalesce(run_id, ''), coalesce(details, '')) LIKE '%${mark}%'`;
    expect(await found("user_name", "actions", condition)).toEqual([[outputs.airflowUser]]);
  });

  test("each event once", async () => {
    for (const table of tables)
      expect(
        await query(`SELECT count(*) - count(DISTINCT (id, time)) FROM iceberg.audit.${table}`),
        table,
      ).toEqual([[0]]);
  });
});

describe.each(tables)("the table %s", (table) => {
  test("is read by administrators only: not by analysts, not by etl, not by the pipelines", async () => {
    for (const login of [analyst, etl, airflow])
      expect(await refusalOf(login, `SELECT * FROM iceberg.audit.${table}`), login.name).toContain(
        `Access Denied: Cannot select from table iceberg.audit.${table}`,
      );
    for (const login of [analyst, etl])
      expect(await refusalOf(login, `SELECT * FROM iceberg.audit."${table}$files"`), login.name).toMatch(
        /Access Denied|does not exist/,
      );
  });

  test("is dropped, renamed or copied by nobody of them", async () => {
    for (const login of [analyst, etl])
      for (const statement of [
        `DROP TABLE iceberg.audit.${table}`,
        `ALTER TABLE iceberg.audit.${table} RENAME TO iceberg.newtral.${mark.replaceAll("-", "_")}`,
        `CREATE VIEW iceberg.newtral.${mark.replaceAll("-", "_")} AS SELECT * FROM iceberg.audit.${table}`,
        `DELETE FROM iceberg.audit.${table}`,
      ])
        expect(await refusalOf(login, statement), `${login.name}: ${statement}`).toContain("Access Denied");
  });
});

test("the keeper listens to nobody without the token", async () => {
  const status = async (...headers: string[]) =>
    execute("airflow-scheduler", [
      ...["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-d", "{}"],
      ...headers.flatMap((header) => ["-H", header]),
      "http://audit:8080/queries",
    ]);
  expect(await status()).toBe("401");
  expect(await status("authorization: Bearer another")).toBe("401");
  expect(await logs("audit")).toContain("another token than that of the stack");
});
