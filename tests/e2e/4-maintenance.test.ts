import { beforeAll, expect, test } from "vitest";
import { ask, onlyTask, runToSuccess, succeeded, tasks, trigger, xcom } from "./airflow";
import { idsOf, daysBetween } from "./sample-data";
import { counts, query, value } from "./trino";

const dag = "maintain_media";
const table = "iceberg.newtral.media";

interface Shape {
  files: number;
  manifests: number;
}
interface Compacted {
  before: Shape;
  after: Shape;
}
interface Swept {
  files: number;
  in_use: number;
  kept: number;
  removed: number;
}

const files = async () => Number(await value(`SELECT count(*) FROM iceberg.newtral."media$files"`));

/** The table as it was at a time: https://projectnessie.org/guides/iceberg-rest/#time-travel-with-iceberg-rest */
const at = (time: Date) => counts(`newtral."media#${time.toISOString()}"`);

let before: { rows: number; ids: number };
let time: Date;
let smallFiles: number;

beforeAll(async () => {
  // Small batches, one file each.
  for (const day of ["14", "15", "16", "17", "18"]) {
    await query(`DELETE FROM ${table} WHERE source_file_name LIKE '%/Media/2018/04/${day}/%'`);
    await runToSuccess("etl_spark_media_daily", {
      id: `small-${day}`,
      logicalDate: `2018-04-${day}T01:00:03Z`,
    });
  }
  before = await counts("newtral.media");
  time = new Date();
});

test("small files become few, while the table is read, and no row comes or goes", async () => {
  smallFiles = await files();
  expect(smallFiles).toBeGreaterThan(5);
  // The same rows many times over: it begins before the files are replaced, and goes on while they are.
  const copies = 5_000 * 15;
  const reading = query(
    `SELECT count(*), sum(length(m.text) + a.i * b.i) FROM ${table} m ` +
      "CROSS JOIN UNNEST(sequence(1, 5000)) AS a(i) CROSS JOIN UNNEST(sequence(1, 15)) AS b(i)",
  ).then(
    ([row]) => Number(row?.[0]),
    (error: unknown) => error,
  );
  await trigger(dag, { id: "compacted" });
  await trigger("etl_spark_media_daily", { id: "meanwhile", logicalDate: "2018-04-18T01:00:04Z" });
  await succeeded(dag, "compacted");
  await succeeded("etl_spark_media_daily", "meanwhile");
  expect(await reading).toBe(before.rows * copies);

  const { before: was, after } = await xcom<Compacted>(dag, "compacted", "compact");
  expect(after.files).toBeLessThan(was.files);
  expect(after.manifests).toBeLessThan(was.manifests);
  expect(await files()).toBe(after.files);
  expect(await counts("newtral.media")).toEqual(before);
  expect(before.ids).toBeGreaterThanOrEqual(idsOf("Media", daysBetween("2018-04-14", "2018-04-18")).size);
});

test("no batch is ingested while files are replaced", async () => {
  const compact = (await tasks(dag, "compacted")).find(({ task_id }) => task_id === "compact");
  const ingest = await onlyTask("etl_spark_media_daily", "meanwhile");
  const [first, second] = [compact, ingest]
    .map((task) => ({ start: Date.parse(task?.start_date ?? ""), end: Date.parse(task?.end_date ?? "") }))
    .sort((a, b) => a.start - b.start);
  expect(second?.start).toBeGreaterThanOrEqual(first?.end ?? NaN);
});

test("the table can still be read as it was, and Trino knows its columns", async () => {
  expect(await at(time)).toEqual(before);
  expect(await value(`SELECT count(*) FROM iceberg.newtral."media#${time.toISOString()}$files"`)).toBe(
    smallFiles,
  );
  expect(await xcom<Swept>(dag, "compacted", "sweep")).toMatchObject({ removed: 0 });
  const stats = await query(`SHOW STATS FOR ${table}`);
  const distinct = stats.find(([column]) => column === "id")?.[2];
  expect(Number(distinct)).toBeGreaterThan(before.ids * 0.9);
});

test("Iceberg's own removal of files, which knows nothing of older states, is refused", async () => {
  await expect(
    query(`ALTER TABLE ${table} EXECUTE remove_orphan_files(retention_threshold => '7d')`),
  ).rejects.toThrow(/shorter than the minimum retention/);
});

test("young files stay, although no state that is kept needs them", async () => {
  await runToSuccess(dag, { id: "young", conf: { keep_days: 0 } });
  const { files, in_use, kept, removed } = await xcom<Swept>(dag, "young", "sweep");
  expect(removed).toBe(0);
  expect(kept).toBeGreaterThan(in_use);
  expect(files).toBe(in_use + kept);
});

test("files that no kept state needs go, with the states before, and no row of the table", async () => {
  await runToSuccess(dag, { id: "freed", conf: { keep_days: 0, orphan_days: 0 } });
  const { files, in_use, kept, removed } = await xcom<Swept>(dag, "freed", "sweep");
  expect(removed).toBeGreaterThan(in_use);
  expect([files, kept]).toEqual([in_use + removed, 0]);
  expect(await counts("newtral.media")).toEqual(before);
  // Asked for the table itself, Trino might answer from its memory.
  const state = `iceberg.newtral."media#${time.toISOString()}$snapshots"`;
  await expect(query(`SELECT * FROM ${state}`)).rejects.toThrow(/Failed to get status for file/);
});

test("every table has a pool that batches share and compaction has to itself", async () => {
  const { pools } = await ask<{ pools: { name: string; slots: number }[] }>("GET", "/pools");
  expect(
    pools.filter(({ name }) => name.startsWith("source_")).map(({ name, slots }) => [name, slots]),
  ).toEqual(
    expect.arrayContaining([
      ["source_media", 4],
      ["source_tiktokcomment", 4],
      ["source_nowhere", 4],
    ]),
  );
});
