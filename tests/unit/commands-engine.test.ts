import type { EngineEvent } from "@pulumi/pulumi/automation";
import * as os from "node:os";
import { spawnSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { DeploymentProgress, displayName } from "../../commands/deployment-progress";
import { assess } from "../../commands/mend";
import type { State } from "../../commands/pulumi-cli";
import { isAbandoned, lockHolders } from "../../commands/pulumi-lock";
import type { StackContainer } from "../../commands/stack-containers";
import type { Reporter } from "../../toolchain/index";

const urn = (type: string, name: string) =>
  `urn:pulumi:dev::lakestack::lakestack:services:Spark$${type}::${name}`;
const containerType = "docker:index/container:Container";
const imageType = "docker:index/remoteImage:RemoteImage";

/** Writes down what would be shown. */
function recorder(): { lines: string[]; reporter: Reporter } {
  const lines: string[] = [];
  const reporter: Reporter = {
    task: (name) => ({
      update: (text) => lines.push(`${name}: ${text}`),
      done: (text) => lines.push(`${name} ✔ ${text ?? ""}`),
      fail: (text) => lines.push(`${name} ✘ ${text}`),
      log: () => undefined,
    }),
  };
  return { lines, reporter };
}

const step = (
  kind: "resourcePreEvent" | "resOutputsEvent" | "resOpFailedEvent",
  op: string,
  type: string,
  name: string,
) => ({ [kind]: { metadata: { op, type, urn: urn(type, name) } } }) as unknown as EngineEvent;
const message = (severity: string, text: string, about = "") =>
  ({ diagnosticEvent: { severity, message: text, urn: about } }) as unknown as EngineEvent;

function play(...events: EngineEvent[]): { lines: string[]; progress: DeploymentProgress } {
  const { lines, reporter } = recorder();
  const progress = new DeploymentProgress(reporter, "dev");
  for (const event of events) progress.onEvent(event);
  return { lines, progress };
}

describe("progress of a deployment", () => {
  test("a container is one task from its start until it answers", () => {
    const { lines } = play(
      step("resourcePreEvent", "create", containerType, "trino"),
      step("resOutputsEvent", "create", containerType, "trino"),
    );
    expect(lines).toEqual(["trino: starting", "trino ✔ answers"]);
  });

  test("an image shows the builder's step", () => {
    const { lines } = play(
      step("resourcePreEvent", "create", imageType, "spark"),
      message("info", "<{%reset%}>Step 3/9 : RUN pip install<{%reset%}>\n", urn(imageType, "spark")),
      step("resOutputsEvent", "create", imageType, "spark"),
    );
    expect(lines).toEqual([
      "image spark: building",
      "image spark: Step 3/9 : RUN pip install",
      "image spark ✔ ready",
    ]);
  });

  test("a replacement is one task, though the engine deletes and creates", () => {
    const { lines } = play(
      step("resourcePreEvent", "delete-replaced", containerType, "trino"),
      step("resOutputsEvent", "delete-replaced", containerType, "trino"),
      step("resourcePreEvent", "create-replacement", containerType, "trino"),
      step("resOutputsEvent", "create-replacement", containerType, "trino"),
    );
    expect(lines.at(-1)).toBe("trino ✔ replaced, answers");
    expect(lines.filter((line) => line.includes("✔"))).toHaveLength(1);
  });

  test("the old image of a replacement leaves no task open", () => {
    const { lines } = play(
      step("resourcePreEvent", "create-replacement", imageType, "spark"),
      step("resOutputsEvent", "create-replacement", imageType, "spark"),
      step("resourcePreEvent", "delete-replaced", imageType, "spark"),
      step("resOutputsEvent", "delete-replaced", imageType, "spark"),
    );
    expect(lines).toEqual(["image spark: building", "image spark ✔ ready"]);
  });

  test("what does not change, and what is neither image nor container, is not shown", () => {
    const { lines } = play(
      step("resourcePreEvent", "same", containerType, "trino"),
      step("resourcePreEvent", "create", "docker:index/volume:Volume", "database"),
      message("debug", "RegisterResource RPC finished: resp: secret", urn(containerType, "trino")),
    );
    expect(lines).toEqual([]);
  });

  test("a failure ends the task with the plugin's own words, without the engine's wrapping", () => {
    const about = urn(containerType, "trino");
    const { lines, progress } = play(
      step("resourcePreEvent", "create", containerType, "trino"),
      message(
        "error",
        `creating ${about}: 1 error occurred:\n\t* lakestack-dev-trino exited with code 137\n`,
        about,
      ),
      step("resOpFailedEvent", "create", containerType, "trino"),
      message("error", "update failed\n"),
    );
    expect(lines.at(-1)).toBe("trino ✘ lakestack-dev-trino exited with code 137");
    expect(progress.faults).toEqual([
      { resource: "trino", message: "lakestack-dev-trino exited with code 137" },
    ]);
  });

  test("two hundred lines of a fault become twenty, the first and the last ones", () => {
    const text = Array.from({ length: 200 }, (_, index) => `line ${index}`).join("\n");
    const [fault] = play(message("error", text, urn(imageType, "spark"))).progress.faults;
    const lines = fault?.message.split("\n") ?? [];
    expect(lines).toHaveLength(20);
    expect(lines.slice(0, 2)).toEqual(["line 0", "…"]);
    expect(lines.at(-1)).toBe("line 199");
  });

  test("the program's own faults belong to no resource", () => {
    const about = "urn:pulumi:dev::lakestack::pulumi:pulumi:Stack::lakestack-dev";
    const { progress } = play(
      message("error", "The configuration of this stack has a fault:\n  trinoPort …", about),
    );
    expect(progress.faults[0]?.resource).toBe("");
  });

  test("unchanged resources do not count as changed", () => {
    const summary = { summaryEvent: { resourceChanges: { same: 30, create: 2, replace: 1 } } };
    expect(play(summary as unknown as EngineEvent).progress.changed).toBe(3);
  });

  test("resources are called what people call them", () => {
    expect(displayName(urn(containerType, "spark-worker-1"))).toBe("spark-worker-1");
    expect(displayName(urn(imageType, "spark"))).toBe("image spark");
    expect(displayName(urn("docker:index/volume:Volume", "database"))).toBe("volume database");
  });
});

describe("what has to be mended before up", () => {
  const container = (id: string, service: string, state = "running"): StackContainer => ({
    id,
    service,
    carrier: false,
    name: `lakestack-dev-${service}`,
    state,
    status: "",
    ports: [],
  });
  const known = (id: string, name: string) => ({ id, type: containerType, urn: urn(containerType, name) });
  const state = (resources: State["resources"], pending: string[] = []): State => ({
    resources,
    pendingOperations: pending.map((name) => ({
      type: "creating",
      resource: { type: containerType, urn: urn(containerType, name) },
    })),
  });

  test("nothing, where state and engine agree", () => {
    const damage = assess(state([known("1", "trino")]), [container("1", "trino")]);
    expect(damage).toEqual({ pending: [], strangers: [], missing: [], unexplained: [] });
  });

  test("a container that an interrupted run made is a stranger", () => {
    const damage = assess(state([known("1", "database")], ["trino"]), [
      container("1", "database"),
      container("2", "trino"),
    ]);
    expect(damage.pending).toEqual(["trino"]);
    expect(damage.strangers.map(({ id }) => id)).toEqual(["2"]);
    expect(damage.unexplained).toEqual([]);
  });

  test("stopped and removed containers are missing", () => {
    const damage = assess(state([known("1", "database"), known("2", "trino")]), [
      container("1", "database", "exited"),
    ]);
    expect(damage.missing).toEqual(["database", "trino"]);
  });

  test("a container that only carries files is not missing for never having run", () => {
    const carrier = { ...container("1", "?", "created"), carrier: true };
    expect(assess(state([known("1", "trino-live")]), [carrier]).missing).toEqual([]);
    expect(assess(state([known("1", "trino-live")]), []).missing).toEqual(["trino-live"]);
  });

  test("containers without an interrupted run to explain them are another clone's", () => {
    const damage = assess(state([]), [container("9", "trino")]);
    expect(damage.strangers).toEqual([]);
    expect(damage.unexplained.map(({ name }) => name)).toEqual(["lakestack-dev-trino"]);
  });
});

describe("locks on the state", () => {
  const refusal = (host: string, pid: number) =>
    "error: the stack is currently locked by 1 lock(s). Either wait for the other process(es) to end or delete the lock " +
    `file with \`pulumi cancel\`.\n  file:///state/.pulumi/locks/organization/lakestack/dev/1.json: created by ann@${host} (pid ${pid}) at 2026-01-01T00:00:00Z`;
  const ended = spawnSync(process.execPath, ["-e", ""]).pid;

  test("the holder is read from the engine's refusal", () => {
    expect(lockHolders(refusal("laptop", 42))).toEqual([{ user: "ann", host: "laptop", pid: 42 }]);
    expect(lockHolders("error: no stack named 'dev' found")).toEqual([]);
  });

  test("only a lock whose process ran here and has ended is abandoned", () => {
    const abandoned = (host: string, pid: number) => isAbandoned(lockHolders(refusal(host, pid)));
    expect(abandoned(os.hostname(), ended)).toBe(true);
    expect(abandoned(os.hostname(), process.pid)).toBe(false);
    expect(abandoned("another-host", ended)).toBe(false);
    expect(isAbandoned([])).toBe(false);
  });
});
