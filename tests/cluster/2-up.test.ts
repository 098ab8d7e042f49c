import { beforeAll, describe, expect, it } from "vitest";
import { callersOf } from "../../infra/connections";
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
    const { trinoPassword, airflowPassword, objectStorePassword } = await lakehouse.outputs();
    const described = await inNamespace("get", "pods,configmaps,deployments,statefulsets,jobs", "-o", "json");
    const state = await lakehouse.state();
    for (const secret of [trinoPassword, airflowPassword, objectStorePassword]) {
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
  const reaches = (from: string, to: string, port: number) =>
    inNamespace(
      "exec",
      from,
      "--",
      "bash",
      "-c",
      `timeout 3 bash -c '</dev/tcp/${to}/${port}' && echo open`,
    ).then(
      (text) => text.includes("open"),
      () => false,
    );

  it("lets those talk to each other who have to, and nobody else", async () => {
    expect(callersOf("database", "postgresql")).not.toContain("trino");
    expect(await reaches("deployment/catalog", "database", 5432)).toBe(true);
    expect(await reaches("deployment/trino", "database", 5432)).toBe(false);
    expect(await reaches("deployment/trino", "catalog", 19120)).toBe(true);
    expect(await reaches("deployment/airflow-triggerer", "catalog", 19120)).toBe(false);
    // The same two pods, by port.
    expect(await reaches("airflow-scheduler-0", "trino", 8443)).toBe(true);
    expect(await reaches("airflow-scheduler-0", "trino", 8080)).toBe(false);
  });
});
