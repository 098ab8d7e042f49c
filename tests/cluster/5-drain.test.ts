import { afterAll, beforeAll, describe, expect, it } from "vitest";
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

describe("a node that is emptied", () => {
  it("keeps one instance of the catalog until another has started elsewhere", async () => {
    const before = (await pods()).map(({ metadata }) => metadata.uid);
    // With one node, elsewhere is here again, once it takes pods again.
    const draining = kubectl([
      ...["drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout", "900s"],
      ...[
        "--pod-selector",
        "app.kubernetes.io/component=service,app.kubernetes.io/name notin (database,object-store)",
      ],
    ]);
    draining.catch(() => undefined);
    await until("eviction of the first instance", 300, async () => {
      const old = (await pods("catalog")).filter(({ metadata }) => before.includes(metadata.uid));
      return old.filter(isReady).length === 1;
    });
    const budget = await inNamespace("get", "pdb", "catalog", "-o", "jsonpath={.status.disruptionsAllowed}");
    expect(budget).toBe("0");
    expect((await pods("catalog")).filter(isReady)).toHaveLength(1);

    await kubectl(["uncordon", node]);
    await draining;
    await until("all pods", 900, async () => {
      const all = await pods();
      return all.length === 15 && all.every(isReady);
    });
    const replaced = (await pods("catalog")).filter(({ metadata }) => !before.includes(metadata.uid));
    expect(replaced).toHaveLength(2);
    // A coordinator that has just started may still count on workers that have left meanwhile.
    const workers = (await pods("trino-worker")).map(({ status }) => status.podIP).sort();
    await until("the coordinator's list of its workers", 120, async () => {
      const known = await lakehouse.query(
        "SELECT http_uri FROM system.runtime.nodes WHERE state = 'active' AND NOT coordinator",
      );
      const addresses = known.map(([uri]) => new URL(String(uri)).hostname).sort();
      return addresses.join() === workers.join();
    });
    const [[rows] = []] = await lakehouse.query("SELECT count(*) FROM iceberg.newtral.media");
    expect(Number(rows)).toBeGreaterThan(200);
  });
});
