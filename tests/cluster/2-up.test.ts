import { beforeAll, describe, expect, it } from "vitest";
import { callersOf } from "../../infra/connections";
import { until } from "../e2e/until";
import { kubectl } from "./cluster";
import { inNamespace, isReady, Lakehouse, namespace, pods } from "./lakehouse";

let lakehouse: Lakehouse;

beforeAll(async () => {
  lakehouse = await Lakehouse.prepare();
});

describe("pulumi up", () => {
  it("brings every service up on the cluster", async () => {
    const { seconds } = await lakehouse.pulumi("up", "--yes", "--skip-preview");
    console.log(`The stack was up on the cluster after ${seconds.toFixed(0)} s.`);
    const all = await pods();
    expect(all.filter((pod) => !isReady(pod)).map(({ metadata }) => metadata.name)).toEqual([]);
    expect(all).toHaveLength(15);
  });

  it("has nothing to do a second time", async () => {
    const { stdout } = await lakehouse.pulumi("up", "--yes", "--skip-preview", "--expect-no-changes");
    expect(stdout).toMatch(/Resources:\s+\d+ unchanged/);
  });

  it("keeps its secrets out of the state and out of what describes the pods", async () => {
    const { trinoPassword, airflowPassword, objectStorePassword, catalogToken } = await lakehouse.outputs();
    const described = await inNamespace("get", "pods,configmaps,deployments,statefulsets,jobs", "-o", "json");
    const state = await lakehouse.state();
    for (const secret of [trinoPassword, airflowPassword, objectStorePassword, catalogToken]) {
      expect(described.includes(secret)).toBe(false);
      expect(state.includes(secret)).toBe(false);
    }
  });

  it("runs nothing that the restricted Pod Security Standard would refuse", async () => {
    const labels = await kubectl(["get", "namespace", namespace, "-o", "jsonpath={.metadata.labels}"]);
    expect(labels).toContain('"pod-security.kubernetes.io/enforce":"restricted"');
    const refused = await inNamespace(
      "get",
      "events",
      "--field-selector",
      "reason=FailedCreate",
      "--no-headers",
    );
    expect(refused.trim()).toBe("");
  });
});

describe("the network", () => {
  /** Whether a connection comes about, or is dropped on its way. Anything else is no answer of a network policy. */
  const reaches = async (from: string, to: string, port: number): Promise<boolean> => {
    const line = `timeout 4 bash -c '</dev/tcp/${to}/${port}' 2>&1; echo "exit code $?"`;
    const said = await inNamespace("exec", from, "--", "bash", "-c", line);
    if (said.includes("exit code 0")) return true;
    if (said.includes("exit code 124")) return false;
    throw new Error(`${from} to ${to}:${port}: ${said.trim()}`);
  };
  /** A service that is busy just after its start may let a caller wait: what is allowed gets through before long. */
  const isLetThrough = (from: string, to: string, port: number) =>
    until(`a connection of ${from} to ${to}:${port}`, 60, () => reaches(from, to, port));

  it("lets those talk to each other who have to, and nobody else", async () => {
    expect(callersOf("database", "postgresql")).not.toContain("trino");
    await isLetThrough("deployment/catalog", "database", 5432);
    expect(await reaches("deployment/trino", "database", 5432)).toBe(false);
    await isLetThrough("deployment/trino", "catalog", 19120);
    expect(await reaches("deployment/airflow-triggerer", "catalog", 19120)).toBe(false);
    // The same two pods, by port.
    await isLetThrough("airflow-scheduler-0", "trino", 8443);
    expect(await reaches("airflow-scheduler-0", "trino", 8080)).toBe(false);
  });
});
