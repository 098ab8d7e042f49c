import { beforeAll, describe, expect, it } from "vitest";
import type { AirflowClient, TaskInstance } from "../../commands/airflow-client";
import { until } from "../e2e/until";
import { inNamespace, isReady, Lakehouse, pods } from "./lakehouse";

let lakehouse: Lakehouse;
let airflow: AirflowClient;

beforeAll(async () => {
  lakehouse = await Lakehouse.prepare();
  airflow = await lakehouse.airflow();
});

const dag = "etl_spark_media_monthly";
const rowsAndIds = async () =>
  (await lakehouse.query("SELECT count(*), count(DISTINCT id) FROM iceberg.newtral.media"))[0];

async function started(id: string): Promise<TaskInstance> {
  return until(`the start of run ${id}`, 240, async () => {
    const [task] = await airflow.tasks(dag, id);
    return task?.state === "running" ? task : undefined;
  });
}

const succeeded = (id: string) =>
  until(
    `the success of run ${id}`,
    900,
    async () => {
      const run = await airflow.run(dag, id);
      if (run?.state === "failed") {
        const [task] = await airflow.tasks(dag, id);
        if (task !== undefined) console.log((await airflow.logTail(dag, id, task, 40)).join("\n"));
        throw new Error(`Run ${id} has failed`);
      }
      return run?.state === "success";
    },
    3,
  );

describe("a Spark worker that is deleted in mid-job", () => {
  it("costs no row: the job goes on with another executor", async () => {
    const before = await rowsAndIds();
    const id = `worker-${Date.now()}`;
    await airflow.trigger(dag, id, { month: "2018-04" });
    await started(id);
    // Where an executor works for the job.
    const worker = await until("an executor", 240, async () => {
      for (const { metadata } of await pods("spark-worker")) {
        const running = await inNamespace(
          "exec",
          metadata.name,
          "--",
          "pgrep",
          "-f",
          "CoarseGrainedExecutorBackend",
        )
          .then(() => true)
          .catch(() => false);
        if (running) return metadata.name;
      }
      return undefined;
    });
    await inNamespace("delete", "pod", worker, "--grace-period", "0", "--force");
    await succeeded(id);
    expect(await rowsAndIds()).toEqual(before);
    await until("two workers", 300, async () => (await pods("spark-worker")).filter(isReady).length === 2);
  });
});

describe("a Trino worker that is deleted in mid-query", () => {
  it("finishes what it works on: the query answers", async () => {
    const names = (await pods("trino-worker")).map(({ metadata }) => metadata.name);
    // The same rows many times over: half a minute of work for both workers.
    const copies = 5_000 * 60;
    const running = lakehouse.query(
      "SELECT count(*), sum(length(m.text) + a.i * b.i) FROM iceberg.newtral.media m " +
        "CROSS JOIN UNNEST(sequence(1, 5000)) AS a(i) CROSS JOIN UNNEST(sequence(1, 60)) AS b(i)",
    );
    await until("the query to run", 60, async () => {
      const [[tasks] = []] = await lakehouse.query(
        "SELECT count(*) FROM system.runtime.tasks t JOIN system.runtime.queries q USING (query_id) " +
          "WHERE q.query LIKE '%sequence(1, 60)%' AND q.query NOT LIKE '%runtime%' " +
          `AND t.state = 'RUNNING' AND t.processed_input_rows > 0`,
      );
      return Number(tasks) > 0;
    });
    await inNamespace("delete", "pod", names[0] ?? "", "--wait=false");
    const stillRunning = lakehouse.query(
      "SELECT state FROM system.runtime.queries WHERE query LIKE '%sequence(1, 60)%' AND query NOT LIKE '%runtime%'",
    );
    expect(await stillRunning, "the query when the worker was deleted").toEqual([["RUNNING"]]);
    const [[rows] = []] = await running;
    const [count] = (await rowsAndIds()) ?? [];
    expect(Number(rows)).toBe(Number(count) * copies);
    // The one that goes is listed until it has drained, beside the one that comes in its place.
    await until("two workers in place of those", 300, async () => {
      const workers = await pods("trino-worker");
      const gone = workers.every(({ metadata }) => metadata.name !== names[0]);
      return gone && workers.length === 2 && workers.every(isReady);
    });
  });
});

describe("a scheduler that is deleted in mid-run", () => {
  it("comes back and brings the run to its end, with no row twice", async () => {
    const before = await rowsAndIds();
    const id = `scheduler-${Date.now()}`;
    await airflow.trigger(dag, id, { month: "2018-04" });
    await started(id);
    await inNamespace("delete", "pod", "airflow-scheduler-0", "--grace-period", "0", "--force");
    await succeeded(id);
    expect(await rowsAndIds()).toEqual(before);
  });
});
