import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ended, onlyTask, runToSuccess, taskLog, trigger } from "./airflow";
import { askOnce } from "./catalog";
import { outputs } from "./lakestack";
import { put } from "./object-store";
import { query } from "./trino";
import { until } from "./until";

const table = "iceberg.newtral.audited";
const daily = "etl_spark_audited_daily";
const publish = "publish_audited";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "lakestack-blocking-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** Puts rows (id, price) into the bucket, as the objects of a day in April 2018. */
async function deliver(day: string, rows: Record<string, number>): Promise<void> {
  const file = path.join(folder, `${day}.json`);
  const lines = Object.entries(rows).map(([id, price]) => JSON.stringify({ id, price }));
  await writeFile(file, lines.join("\n"));
  await put(new Map([[`Audited/2018/04/${day}/part-00.json`, file]]));
}

/** Runs the pipeline for a day that is refused; returns the branch and the commit that the failure names. */
async function refused(day: string): Promise<{ branch: string; state: string; log: string }> {
  const id = `refused-${day}`;
  await trigger(daily, { id, logicalDate: `2018-04-${day}T01:00:00Z` });
  expect(await ended(daily, id)).toMatchObject({ state: "failed" });
  const task = await onlyTask(daily, id);
  expect(task.try_number, "trying again would not mend it").toBe(1);
  const log = (await taskLog(task)).join("\n");
  const [, state = "none"] = /"audited#([0-9a-f]+)"/.exec(log) ?? [];
  return { branch: /audit_audited_[0-9a-f]{12}/.exec(log)?.[0] ?? "none", state, log };
}

const rows = (name = "audited") => query(`SELECT id, price FROM iceberg.newtral."${name}" ORDER BY id`);

async function branches(): Promise<string[]> {
  const { status, text } = await askOnce({
    method: "GET",
    path: "/api/v2/trees",
    token: outputs.catalogToken,
  });
  expect(status, text).toBe(200);
  const { references } = JSON.parse(text) as { references: { name: string }[] };
  return references.map(({ name }) => name).sort();
}

test("a batch that passes its checks is published, and its branch is gone", async () => {
  await deliver("01", { a: 1, b: 2 });
  await runToSuccess(daily, { id: "good", logicalDate: "2018-04-01T01:00:00Z" });
  expect(await rows()).toEqual([
    ["a", 1],
    ["b", 2],
  ]);
  // Switched on, the pipeline also looks for yesterday's objects, on a branch of that run; there are none.
  await until("nothing but main", 120, async () => (await branches()).join() === "main");
  const verdicts = `SELECT "check", passed, on_failure FROM iceberg.newtral.audited_checks`;
  expect(await query(verdicts)).toEqual([["range", true, "block"]]);
});

test("a batch that fails is seen by nobody but those who look at its branch, and published when they say so", async () => {
  await deliver("02", { c: 3, d: -4 });
  const { branch, state, log } = await refused("02");
  expect(log).toContain("range of price: 1 of 2 rows in price, expected at least 0. Nothing was published.");
  expect(await rows()).toHaveLength(2);
  expect(await rows(`audited#${state}`)).toEqual([
    ["a", 1],
    ["b", 2],
    ["c", 3],
    ["d", -4],
  ]);
  // Commits to other tables meanwhile are in nobody's way.
  await query("CREATE TABLE iceberg.newtral.meanwhile AS SELECT 1 AS n");
  await query("DROP TABLE iceberg.newtral.meanwhile");
  await runToSuccess(publish, { id: "published", conf: { branch } });
  expect(await rows()).toHaveLength(4);
  expect(await branches()).toEqual(["main"]);
});

test("run again after the data were corrected, it begins anew and is published", async () => {
  await deliver("03", { e: -5 });
  const { branch, state } = await refused("03");
  expect(await rows(`audited#${state}`)).toHaveLength(5);
  await deliver("03", { e: 5 });
  await runToSuccess(daily, { id: "corrected", logicalDate: "2018-04-03T01:00:01Z" });
  expect(await rows()).toContainEqual(["e", 5]);
  await runToSuccess(publish, { id: "dropped", conf: { branch, action: "drop" } });
  expect(await branches()).toEqual(["main"]);
  expect(await rows()).toHaveLength(5);
});

test("a batch is not published over what others have written meanwhile", async () => {
  await deliver("04", { f: -6 });
  const { branch } = await refused("04");
  await query(`INSERT INTO ${table} (id, price) VALUES ('other', 7)`);
  await trigger(publish, { id: "late", conf: { branch } });
  expect(await ended(publish, "late")).toMatchObject({ state: "failed" });
  expect((await taskLog(await onlyTask(publish, "late"))).join("\n")).toContain(
    `newtral.audited has been changed since ${branch} was made`,
  );
  expect(await rows()).toContainEqual(["other", 7]);
  expect(await rows()).not.toContainEqual(["f", -6]);
  await runToSuccess(publish, { id: "dropped-too", conf: { branch, action: "drop" } });
});
