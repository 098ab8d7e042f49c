import { beforeAll, describe, expect, it } from "vitest";
import type { Graph } from "../aws/graph";
import { componentOf, readable, readableCluster } from "../aws/readable";
import { prodGraph, publicDoors } from "../aws/stack";

let graph: Graph;

beforeAll(async () => {
  graph = await prodGraph(publicDoors);
});

/** Components in the order in which they are made. */
const components = [
  "Encryption",
  "Observability",
  "Network",
  "Cluster",
  "Database",
  "Storage",
  "Identity",
  "Autoscaler",
  "Registry",
  "Doors",
  "Alarms",
];

describe("the graph of the stack on AWS, for review", () => {
  it.each(components)(
    "%s is as it was; what changed is to be looked at, then accepted with vitest -u",
    async (component) => {
      const text = readable(graph, `aws:${component}`);
      expect(text.length).toBeGreaterThan(100);
      await expect(text).toMatchFileSnapshot(`../aws/snapshots/${component.toLowerCase()}.yaml`);
    },
  );

  it("has every resource of AWS in one of these files", () => {
    const known = new Set(components.map((name) => `aws:${name}`));
    const missing = graph.resources.filter(
      ({ type, urn }) => type.startsWith("aws:") && !known.has(componentOf(graph, urn) ?? ""),
    );
    expect(missing.map(({ type, name }) => `${type} ${name}`)).toEqual([]);
  });

  it("has the same objects in the cluster as before", async () => {
    await expect(readableCluster(graph)).toMatchFileSnapshot("../aws/snapshots/in-the-cluster.txt");
  });
});
