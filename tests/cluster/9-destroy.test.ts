import { beforeAll, describe, expect, it } from "vitest";
import { until } from "../e2e/until";
import { kubectl } from "./cluster";
import { Lakehouse, namespace } from "./lakehouse";

let lakehouse: Lakehouse;

beforeAll(async () => {
  lakehouse = await Lakehouse.prepare();
});

describe("pulumi destroy", () => {
  it("leaves nothing of the stack on the cluster", async () => {
    await lakehouse.pulumi("destroy", "--yes", "--skip-preview");
    const left = async (...what: string[]) =>
      (await kubectl(["get", ...what, "--no-headers", "--ignore-not-found"])).trim();
    expect(await left("namespace", namespace)).toBe("");
    await until("the volumes' end", 120, async () => !(await left("persistentvolumes")).includes(namespace));
    const labelled = ["-A", "-l", "app.kubernetes.io/part-of=lakestack"];
    expect(await left("all,configmaps,secrets,networkpolicies,pdb,ingresses", ...labelled)).toBe("");
  });
});
