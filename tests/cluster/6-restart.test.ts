import { beforeAll, describe, expect, it } from "vitest";
import { stopCluster } from "../../toolchain/cluster/index";
import { terminalReporter } from "../../toolchain/progress";
import { until } from "../e2e/until";
import { cluster, docker, settings } from "./cluster";
import { isReady, Lakehouse, pods } from "./lakehouse";

let lakehouse: Lakehouse;

beforeAll(async () => {
  lakehouse = await Lakehouse.prepare();
});

describe("a stop of the whole cluster", () => {
  it("loses no row, no run and no log", async () => {
    const counted = "SELECT count(*), count(DISTINCT id) FROM iceberg.newtral.media";
    const before = await lakehouse.query(counted);
    await stopCluster({ docker, settings, reporter: terminalReporter() });
    await cluster();
    await until("all pods", 900, async () => {
      const all = await pods();
      return all.length === 15 && all.every(isReady);
    });
    expect(await until("an answer", 300, () => lakehouse.query(counted))).toEqual(before);
    const airflow = await until("Airflow", 300, () => lakehouse.airflow());
    const [dag, id] = ["etl_spark_media_monthly", "sample-2018-04"];
    expect((await airflow.run(dag, id))?.state).toBe("success");
    const [task] = await airflow.tasks(dag, id);
    if (task === undefined) throw new Error(`Run ${id} has no task`);
    expect((await airflow.logTail(dag, id, task, 500)).join("\n")).toContain("LAKESTACK_RESULT");
  });
});
