import * as http from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { AirflowClient, type RunState } from "../../commands/airflow-client";
import { awaitTables, type PipelineRun, runPipelines } from "../../commands/pipelines";
import type { Reporter } from "../../toolchain/index";

/** Speaks as much of Airflow's REST interface as the client asks for. Runs end as told, when they are next looked at. */
class AirflowServer {
  readonly asked: string[] = [];
  /** By "dag/run". */
  readonly runs = new Map<string, RunState>();
  outcome: RunState = "success";
  private readonly server = http.createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { status, body } = this.answer(
        request.method ?? "",
        new URL(request.url ?? "", "http://localhost").pathname.replace("/api/v2", ""),
        JSON.parse(Buffer.concat(chunks).toString() || "{}") as Record<string, unknown>,
        request.headers.authorization,
      );
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    });
  });

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.server.closeAllConnections();
    this.server.close();
  }

  private answer(method: string, path: string, body: Record<string, unknown>, authorization?: string) {
    this.asked.push(`${method} ${path}`);
    if (path === "/auth/token") {
      const known = body["password"] === "right";
      return known ? { status: 201, body: { access_token: "t" } } : { status: 401, body: {} };
    }
    if (authorization !== "Bearer t") return { status: 401, body: {} };
    const [, , dag = "", kind, run, rest] = path.split("/");
    const key = `${dag}/${run ?? ""}`;
    const found = this.runs.get(key);
    if (kind === undefined) return { status: 200, body: {} };
    if (run === undefined && method === "POST") {
      this.runs.set(`${dag}/${String(body["dag_run_id"])}`, "running");
      return { status: 200, body };
    }
    if (run === undefined) {
      const latest = [...this.runs].filter(([name]) => name.startsWith(`${dag}/`)).at(-1);
      const dag_runs =
        latest === undefined ? [] : [{ dag_run_id: latest[0].split("/")[1], state: latest[1] }];
      return { status: 200, body: { dag_runs } };
    }
    if (rest === "clear") {
      this.runs.set(key, "running");
      return { status: 200, body: {} };
    }
    if (rest === "taskInstances" && path.includes("/logs/")) {
      const content = [{ event: "reading Media/2018/04" }, { event: "ValueError: no such prefix" }];
      return { status: 200, body: { content } };
    }
    if (rest === "taskInstances") {
      const state = found === "failed" ? "failed" : "running";
      return {
        status: 200,
        body: { task_instances: [{ task_id: "ingest", state, try_number: 1, map_index: -1, hostname: "" }] },
      };
    }
    if (found === undefined) return { status: 404, body: {} };
    if (found === "running") this.runs.set(key, this.outcome);
    return { status: 200, body: { dag_run_id: run, state: found } };
  }
}

const silent: Reporter = {
  task: () => ({
    update: () => undefined,
    done: () => undefined,
    fail: () => undefined,
    log: () => undefined,
  }),
};
const { signal } = new AbortController();
const media: PipelineRun = {
  dag: "etl_spark_media_monthly",
  id: "sample-2018-04",
  conf: { month: "2018-04" },
  title: "media 2018-04",
  again: false,
};
const key = `${media.dag}/${media.id}`;

describe("pipelines of the sample data", () => {
  let server: AirflowServer;
  let airflow: AirflowClient;
  let url = "";
  beforeEach(async () => {
    server = new AirflowServer();
    url = await server.start();
    airflow = await AirflowClient.login(url, "admin", "right", signal);
  });
  afterEach(() => {
    server.stop();
  });

  test("a wrong password is said", async () => {
    await expect(AirflowClient.login(url, "admin", "wrong", signal)).rejects.toThrow(
      "Airflow refused user admin: HTTP 401",
    );
  });

  test("a run that was never made is switched on, triggered and waited for", async () => {
    expect(await runPipelines(airflow, [media], silent, signal)).toEqual([media]);
    expect(server.asked).toContain("PATCH /dags/etl_spark_media_monthly");
    expect(server.asked).toContain("POST /dags/etl_spark_media_monthly/dagRuns");
    expect(server.runs.get(key)).toBe("success");
  });

  test("a run that has succeeded is left alone", async () => {
    server.runs.set(key, "success");
    expect(await runPipelines(airflow, [media], silent, signal)).toEqual([]);
    expect(server.asked.filter((line) => !line.startsWith("GET"))).toEqual(["POST /auth/token"]);
  });

  test("with new data, a run that has succeeded is done again", async () => {
    server.runs.set(key, "success");
    expect(await runPipelines(airflow, [{ ...media, again: true }], silent, signal)).toHaveLength(1);
    expect(server.asked).toContain(`POST /dags/${media.dag}/dagRuns/${media.id}/clear`);
  });

  test("a run that failed before is repeated", async () => {
    server.runs.set(key, "failed");
    await runPipelines(airflow, [media], silent, signal);
    expect(server.asked).toContain(`POST /dags/${media.dag}/dagRuns/${media.id}/clear`);
    expect(server.runs.get(key)).toBe("success");
  });

  test("a run that fails ends with the task and its last lines", async () => {
    server.outcome = "failed";
    const failure = runPipelines(airflow, [media], silent, signal);
    await expect(failure).rejects.toThrow(/media 2018-04 failed .*in task ingest/);
    await expect(failure).rejects.toThrow(/ValueError: no such prefix/);
  });

  test("one failure does not cut the other runs short", async () => {
    server.runs.set(key, "success");
    server.outcome = "failed";
    const other = { ...media, id: "sample-2018-05", title: "media 2018-05" };
    await expect(runPipelines(airflow, [media, other], silent, signal)).rejects.toThrow("media 2018-05");
  });

  test("making the tables is repeated if it failed, and not waited for if it has succeeded", async () => {
    server.runs.set("create_tables/first", "failed");
    await awaitTables(airflow, silent, signal);
    expect(server.asked).toContain("POST /dags/create_tables/dagRuns/first/clear");
    const before = server.asked.length;
    await awaitTables(airflow, silent, signal);
    expect(server.asked.length - before).toBe(2);
  });
});
