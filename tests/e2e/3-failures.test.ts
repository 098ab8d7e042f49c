import { describe, expect, test } from "vitest";
import { ask, dags, succeeded, trigger } from "./airflow";
import { container, containerIds, healthy, restart } from "./docker";
import { latestChanges, npmRun, pulumi } from "./lakestack";
import { put } from "./object-store";
import { manifestOf, objectsOf } from "./sample-data";
import { applications, driverUrl, executors, historyUrl } from "./spark";
import { services } from "./stack";
import { counts, query } from "./trino";
import { until } from "./until";

test("a job comes out right although the Spark worker that runs it is killed", async () => {
  await put(objectsOf("Media", "2018-05"));
  await trigger("etl_spark_media_monthly", { id: "worker-killed", conf: { month: "2018-05" } });

  const address = await until("a task of the job on an executor", 120, busyExecutor, 0.2);
  const worker = await serviceAt(address);
  await container(worker).kill();
  try {
    await succeeded("etl_spark_media_monthly", "worker-killed");
  } finally {
    await container(worker).start();
    await healthy(worker);
  }

  const month = manifestOf("Media", "2018-05");
  expect(await counts("newtral.media", "/Media/2018/05/")).toEqual({
    rows: month.distinct_ids,
    ids: month.distinct_ids,
  });
  expect(await lostExecutors(), "the killed worker took an executor of the job with it").toBeGreaterThan(0);
});

/** Service whose container is called by a name on one of its networks. */
async function serviceAt(address: string): Promise<string> {
  for (const service of Object.keys(await containerIds())) {
    const { NetworkSettings } = await container(service).inspect();
    const names = Object.values(NetworkSettings.Networks).flatMap(
      ({ Aliases }) => (Aliases ?? []) as string[],
    );
    if (names.includes(address)) return service;
  }
  throw new Error(`No container of the stack is called ${address}`);
}

/** Address of an executor that works for the job that runs now. */
async function busyExecutor(): Promise<string | undefined> {
  const [job] = await applications(driverUrl);
  const all = job && (await executors(driverUrl, job.id));
  return all?.find(({ id, activeTasks }) => id !== "driver" && activeTasks > 0)?.hostPort.split(":")[0];
}

/** Number of executors that the job of May has lost. */
async function lostExecutors(): Promise<number> {
  const job = await until("the job in the history", 60, async () =>
    (await applications(historyUrl)).find(({ name }) => name.includes("media 2018-05")),
  );
  const all = await executors(historyUrl, job.id);
  return all.filter(({ id, isActive }) => id !== "driver" && !isActive).length;
}

describe("after a restart, tables are still readable:", () => {
  /** Every row takes part, so that every file has to be read. */
  const readTables = () =>
    query(
      `SELECT 'media', count(*), sum(length(title)), count(DISTINCT source_file_name) FROM iceberg.newtral.media
       UNION ALL SELECT 'tiktokcomment', count(*), sum(length(text)), count(DISTINCT source_file_name)
       FROM iceberg.newtral.tiktokcomment ORDER BY 1`,
    );

  test.each(["object-store", "database", "catalog", "trino"])("%s", async (service) => {
    const before = await readTables();
    await restart(service);
    const after = await until(`tables read after ${service} was restarted`, 60, readTables);
    expect(after).toEqual(before);
  });

  test("and Airflow goes on", async () => {
    const health = await until("Airflow is healthy", 60, async () => {
      const parts = await ask<Record<string, { status: string | null }>>("GET", "/monitor/health");
      return Object.values(parts).every(({ status }) => status === "healthy") && parts;
    });
    expect(Object.keys(health).sort()).toEqual(["dag_processor", "metadatabase", "scheduler", "triggerer"]);
    expect((await dags()).length).toBeGreaterThan(0);
  });
});

test("a container that was removed by hand is missed by pulumi refresh and made again by npm run up, alone", async () => {
  const before = await containerIds();
  await container("spark-history").remove({ force: true });

  await pulumi("refresh", "--yes", "--skip-preview");
  expect(await latestChanges()).toMatchObject({ delete: 1 });

  const { stdout } = await npmRun("up");
  expect(stdout).toContain("1 resource changed");
  const after = await containerIds();
  expect(services.filter((service) => before[service] !== after[service])).toEqual(["spark-history"]);
});
