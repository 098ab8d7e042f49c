import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TaskInstance } from "../../commands/airflow-client";
import { until } from "../e2e/until";
import { kubectl } from "./cluster";
import { inNamespace, isReady, Lakehouse, nodeName, pods } from "./lakehouse";

let lakehouse: Lakehouse;
let node: string;

beforeAll(async () => {
  lakehouse = await Lakehouse.prepare();
  node = await nodeName();
});

afterAll(async () => {
  await kubectl(["uncordon", node]);
});

const dag = "etl_spark_media_monthly";
const scheduler = (task: TaskInstance | undefined) => /^airflow-scheduler-\d/.exec(task?.hostname ?? "")?.[0];

describe("of two schedulers", () => {
  it("one finishes the run that the other began, when that one is gone and does not come back", async () => {
    await lakehouse.pulumi("config", "set", "airflowSchedulers", "2");
    await lakehouse.pulumi("up", "--yes", "--skip-preview");
    await until("two schedulers", 300, async () => {
      const both = await pods("airflow-scheduler");
      return both.length === 2 && both.every(isReady);
    });

    const airflow = await lakehouse.airflow();
    const id = `two-${Date.now()}`;
    await airflow.trigger(dag, id, { month: "2018-04" });
    const began = await until("a task that runs", 180, async () => {
      const [task] = await airflow.tasks(dag, id);
      return task?.state === "running" ? scheduler(task) : undefined;
    });
    // With no node for it, its pod waits: what goes on is the other's work.
    await kubectl(["cordon", node]);
    await inNamespace("delete", "pod", began, "--grace-period", "0", "--force");
    await until(
      "the success of the run",
      420,
      async () => {
        const run = await airflow.run(dag, id);
        if (run?.state === "failed") throw new Error(`Run ${id} has failed`);
        return run?.state === "success";
      },
      3,
    );
    const [ended] = await airflow.tasks(dag, id);
    expect(scheduler(ended)).toMatch(/^airflow-scheduler-[01]$/);
    expect(scheduler(ended)).not.toBe(began);
    const left = (await pods("airflow-scheduler")).filter(isReady);
    expect(left.map(({ metadata }) => metadata.name)).toEqual([scheduler(ended)]);

    await kubectl(["uncordon", node]);
    await lakehouse.pulumi("config", "set", "airflowSchedulers", "1");
    await lakehouse.pulumi("up", "--yes", "--skip-preview");
    await until("one scheduler", 300, async () => {
      const [first, second] = await pods("airflow-scheduler");
      return first !== undefined && second === undefined && isReady(first);
    });
  });
});
