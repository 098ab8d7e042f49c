import { beforeAll, describe, expect, it } from "vitest";
import { until } from "../e2e/until";
import { isReady, Lakehouse, pods } from "./lakehouse";

let lakehouse: Lakehouse;

beforeAll(async () => {
  lakehouse = await Lakehouse.prepare();
});

/** Every pod that is not about to go, by its identity: the workload that it is of. */
async function running(): Promise<Map<string, string>> {
  const all = (await pods()).filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  return new Map(all.map(({ metadata }) => [metadata.uid, metadata.labels["app.kubernetes.io/name"] ?? ""]));
}

describe("a setting that is in one service's file", () => {
  it("replaces the pods that read the file, and no others", async () => {
    const before = await running();
    // In Trino's resource groups: the coordinator reads them, its workers do not.
    await lakehouse.pulumi("config", "set", "analystQueries", "7");
    await lakehouse.pulumi("up", "--yes", "--skip-preview");
    await until("all pods", 300, async () => (await pods()).every(isReady));

    const after = await running();
    expect(after.size).toBe(before.size);
    expect([...before].filter(([uid]) => !after.has(uid)).map(([, name]) => name)).toEqual(["trino"]);
    expect([...after].filter(([uid]) => !before.has(uid)).map(([, name]) => name)).toEqual(["trino"]);
  });
});
