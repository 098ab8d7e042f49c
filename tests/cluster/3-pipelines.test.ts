import { beforeAll, describe, expect, it } from "vitest";
import { awaitTables, runPipelines } from "../../commands/pipelines";
import { sampleFolders, sampleObjects, upload } from "../../commands/sample-data";
import { terminalReporter } from "../../toolchain/progress";
import { readByJdbc } from "./jdbc-client";
import { Lakehouse, storeUrl } from "./lakehouse";

const reporter = terminalReporter();
const signal = new AbortController().signal;
let lakehouse: Lakehouse;

beforeAll(async () => {
  lakehouse = await Lakehouse.prepare();
});

const month = { dag: "etl_spark_media_monthly", id: "sample-2018-04", conf: { month: "2018-04" } };

describe("sample data", () => {
  it("goes through Airflow and Spark into a table", async () => {
    const { objectStoreUser: user, objectStorePassword: password } = await lakehouse.outputs();
    const folder = sampleFolders.find(({ source }) => source === "media");
    if (folder === undefined) throw new Error("There is no sample data of the source media");
    const objects = await sampleObjects(folder, "few");
    await upload(
      objects,
      { endpoint: storeUrl, user, password, bucket: "source" },
      { reporter, title: "Media", signal },
    );

    const airflow = await lakehouse.airflow();
    await awaitTables(airflow, reporter, signal);
    await runPipelines(airflow, [{ ...month, title: "media 2018-04", again: true }], reporter, signal);
    const [task] = await airflow.tasks(month.dag, month.id);
    expect(task?.state).toBe("success");
  });

  it("is there for a client that asks Trino over TLS through its Service, each row once", async () => {
    const [[rows, ids] = []] = await lakehouse.query(
      "SELECT count(*), count(DISTINCT id) FROM iceberg.newtral.media",
    );
    expect(Number(rows)).toBeGreaterThan(200);
    expect(rows).toBe(ids);
  });

  it("is worked on by both workers of Trino and not by its coordinator", async () => {
    const nodes = await lakehouse.query("SELECT coordinator, state FROM system.runtime.nodes ORDER BY 1");
    expect(nodes).toEqual([
      [false, "active"],
      [false, "active"],
      [true, "active"],
    ]);
  });

  it("is read by the JDBC driver at the URL that users are told", async () => {
    const [[id, title] = []] = await lakehouse.query(
      "SELECT id, title FROM iceberg.newtral.media ORDER BY id LIMIT 1",
    );
    const [[rows] = []] = await lakehouse.query("SELECT count(*) FROM iceberg.newtral.media");
    const table = { schema: "newtral", name: "media" };
    const { code, output } = await readByJdbc(
      lakehouse.checksImage,
      await lakehouse.outputs(),
      table,
      String(id),
    );
    expect(code, output).toBe(0);
    expect(output.split("\n")).toContain(`rows: ${String(rows)}`);
    expect(output.split("\n")).toContain(`title: ${String(title)}`);
  });

  it("leaves its log on Airflow's page", async () => {
    const airflow = await lakehouse.airflow();
    const [task] = await airflow.tasks(month.dag, month.id);
    if (task === undefined) throw new Error(`Run ${month.id} has no task`);
    expect((await airflow.logTail(month.dag, month.id, task, 500)).join("\n")).toContain("LAKESTACK_RESULT");
  });
});
