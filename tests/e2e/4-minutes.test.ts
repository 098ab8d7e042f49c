import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { onlyTask, runToSuccess, setPaused, succeeded, taskLog, trigger, xcom } from "./airflow";
import { put } from "./object-store";
import { manifestOf, objectsOf } from "./sample-data";
import { counts, value } from "./trino";

const dag = "etl_spark_live_incremental";
const table = "newtral.live";

interface Result {
  start: string;
  end: string;
  files: number;
  files_before: number;
  read: number;
  inserted: number;
}

const sample = [...objectsOf("Media", "2018-04-16").values()];
const [first = "", second = "", third = ""] = sample;

/** Delivers a file of the sample as an object of a day of April 2018. */
const deliver = (day: number, name: string, file: string) =>
  put(new Map([[`Live/2018/04/${day}/${name}.json.gz`, file]]));

/** Runs the pipeline at a minute of 16 April 2018. */
async function runAt(minute: number): Promise<Result> {
  const id = `minute-${minute}`;
  await runToSuccess(dag, { id, logicalDate: `2018-04-16T10:${minute}:00Z` });
  return xcom<Result>(dag, id, "ingest");
}

async function skippedAt(minute: number): Promise<string> {
  const id = `minute-${minute}`;
  await trigger(dag, { id, logicalDate: `2018-04-16T10:${minute}:00Z` });
  await succeeded(dag, id);
  const task = await onlyTask(dag, id);
  expect(task.state).toBe("skipped");
  return (await taskLog(task)).join("\n");
}

const snapshot = () => value(`SELECT max(snapshot_id) FROM iceberg.newtral."live$snapshots"`);

beforeAll(() => deliver(16, "a", first));

// It would go on every fifteen minutes.
afterAll(() => setPaused(dag, true));

describe("a source that delivers all day long", () => {
  test("has what is there ingested, and then only what has come since, late or not", async () => {
    expect(await runAt(10)).toMatchObject({ files: 1, files_before: 0 });
    await deliver(16, "b", second);
    await deliver(15, "late", third);
    const result = await runAt(11);
    expect(result).toMatchObject({ start: "2018-04-15", end: "2018-04-17", files: 2, files_before: 1 });
    const { distinct_ids } = manifestOf("Media", "2018-04-16");
    expect(await counts(table)).toEqual({ rows: distinct_ids, ids: distinct_ids });
  });

  test("commits nothing without anything new, and tells nobody", async () => {
    const before = await snapshot();
    expect(await skippedAt(12)).toContain("Nothing new: 3 objects were read before");
    expect(await snapshot()).toBe(before);
  });

  test("has an object read again that was replaced", async () => {
    await deliver(15, "late", first);
    const result = await runAt(13);
    expect(result).toMatchObject({ start: "2018-04-15", end: "2018-04-16", files: 1, files_before: 2 });
    expect(result).toMatchObject({ inserted: 0 });
  });

  test("has its record after compaction, although the catalog then shows another snapshot", async () => {
    await runToSuccess("maintain_live", { id: "after-batches" });
    const { before, after } = await xcom<Record<"before" | "after", { files: number }>>(
      "maintain_live",
      "after-batches",
      "compact",
    );
    expect(after.files).toBeLessThan(before.files);
    expect(await skippedAt(14)).toContain("Nothing new: 3 objects were read before");
    await deliver(16, "c", third);
    expect(await runAt(15)).toMatchObject({ files: 1, files_before: 3, inserted: 0 });
  });
});
