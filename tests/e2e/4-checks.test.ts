import { expect, test } from "vitest";
import { ask, ended, onlyTask, runToSuccess, type Run, taskLog } from "./airflow";
import { put } from "./object-store";
import { objectsOf } from "./sample-data";
import { query } from "./trino";
import { until } from "./until";

interface AssetEvent {
  name: string;
  source_dag_id: string;
  source_run_id: string;
  extra: Record<string, unknown>;
  created_dagruns: { dag_id: string; run_id: string }[];
}

/** The event that a run has made, with the runs that it started. */
function eventOf(dag: string, run: string): Promise<AssetEvent> {
  return until(`the runs that the batch of ${run} has started`, 120, async () => {
    const query = `source_dag_id=${dag}&source_run_id=${encodeURIComponent(run)}`;
    const { asset_events } = await ask<{ asset_events: AssetEvent[] }>("GET", `/assets/events?${query}`);
    return asset_events.find(({ created_dagruns }) => created_dagruns.length > 0);
  });
}

/** Ingests a day, and waits for the end of the checks that it starts. */
async function ingestAndCheck(source: string, day: string): Promise<{ event: AssetEvent; checks: Run }> {
  const dag = `etl_spark_${source}_daily`;
  const id = `checked-${day}`;
  await runToSuccess(dag, { id, logicalDate: `${day}T01:00:02Z` });
  const event = await eventOf(dag, id);
  const started = event.created_dagruns.find(({ dag_id }) => dag_id === `check_${source}`);
  return { event, checks: await ended(`check_${source}`, started?.run_id ?? "no run of the checks") };
}

const verdictsOf = (table: string, run: string) =>
  query(
    `SELECT "check", columns, passed, found, on_failure FROM iceberg.newtral.${table}_checks
     WHERE run_id = '${run}' ORDER BY 1`,
  );

test("a batch tells of its days, and starts the checks of its table, whose verdicts are rows", async () => {
  await put(objectsOf("Media", "2018-04-20"));
  const { event, checks } = await ingestAndCheck("media", "2018-04-20");
  expect(event.name).toBe("newtral.media");
  expect(event.extra).toMatchObject({ start: "2018-04-20", end: "2018-04-21", run_id: "checked-2018-04-20" });
  expect(checks.state).toBe("success");
  expect(await verdictsOf("media", checks.dag_run_id)).toEqual([
    ["notNull", "title", true, expect.stringMatching(/^no null in \d+ rows$/), "warn"],
    ["rowCount", "", true, "counts like those of the days before", "warn"],
    ["unique", "id", true, "0 values in more than one row", "fail"],
  ]);
});

test("a check that fails ends its run with what was found, and leaves the batch in the table", async () => {
  const { checks } = await ingestAndCheck("tiktokcomment", "2015-05-24");
  expect(checks.state).toBe("failed");
  const log = (await taskLog(await onlyTask("check_tiktokcomment", checks.dag_run_id))).join("\n");
  expect(log).toMatch(/notNull of id, sentiment: \d+ of \d+ rows in sentiment, expected no null/);
  expect(log).toContain("LAKESTACK_FAILED check_tiktokcomment failed in task check");
  expect(await verdictsOf("tiktokcomment", checks.dag_run_id)).toEqual([
    ["notNull", "id, sentiment", false, expect.stringContaining("rows in sentiment"), "fail"],
  ]);
});
