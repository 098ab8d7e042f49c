import * as pulumi from "@pulumi/pulumi";
import { describe, expect, it } from "vitest";
import { connectedPairs } from "../../infra/connections";
import { DockerPlatform } from "../../infra/platforms/docker";
import { fewestNetworks } from "../../infra/platforms/docker/networks";
import type { Members } from "../../infra/platforms/docker/networks";
import { recordResources, settle } from "./registered";

type Pair = readonly [string, string];

/** All pairs that share a network, each once. */
const meetings = (networks: Members[]) =>
  new Set(
    networks.flatMap((members) =>
      members.flatMap((one) => members.filter((other) => one < other).map((other) => `${one} ${other}`)),
    ),
  );

const inOrder = (pairs: readonly Pair[]) => new Set(pairs.map((pair) => [...pair].sort().join(" ")));

/** Each pair of so many names with a likelihood of a half, by a generator that always gives the same. */
function randomPairs(names: number, seed: number): Pair[] {
  let state = seed;
  const pairs: Pair[] = [];
  for (let one = 0; one < names; one += 1) {
    for (let other = one + 1; other < names; other += 1) {
      // Park and Miller, 1988.
      state = (state * 48271) % 2147483647;
      if (state % 2 === 0) pairs.push([`n${one}`, `n${other}`]);
    }
  }
  return pairs;
}

/** Whether so many groups, each with everybody in it who may meet all others, are enough: by trying all choices. */
function areEnough(pairs: readonly Pair[], count: number): boolean {
  const wanted = inOrder(pairs);
  const names = [...new Set(pairs.flat())].sort();
  const groups: Members[] = [];
  for (let bits = 1; bits < 2 ** names.length; bits += 1) {
    const members = names.filter((_, index) => (bits & (2 ** index)) !== 0);
    if (members.length > 1 && [...meetings([members])].every((meeting) => wanted.has(meeting)))
      groups.push(members);
  }
  const choose = (from: number, chosen: Members[]): boolean =>
    meetings(chosen).size === wanted.size ||
    (chosen.length < count &&
      groups.slice(from).some((group, index) => choose(from + index + 1, [...chosen, group])));
  return choose(0, []);
}

describe("the networks for the declared connections", () => {
  const networks = fewestNetworks(connectedPairs());

  it("bring those together who may call each other, and nobody else", () => {
    expect(meetings(networks)).toEqual(inOrder(connectedPairs()));
  });

  it("are the same in whatever order the connections are declared", () => {
    const other = connectedPairs()
      .map(([caller, called]) => [called, caller] as const)
      .reverse();
    expect(fewestNetworks(other)).toEqual(networks);
  });

  it("keep the scheduler's tasks from the catalog's, and Trino from Airflow's database", () => {
    const together = meetings(networks);
    for (const stranger of ["trino", "spark-worker", "spark-master", "spark-history", "object-store"])
      expect(together, stranger).not.toContain(["database", stranger].sort().join(" "));
  });
});

describe("the fewest networks", () => {
  it("are none for nobody, one for a pair, one for three of whom each may call each", () => {
    expect(fewestNetworks([])).toEqual([]);
    expect(fewestNetworks([["b", "a"]])).toEqual([["a", "b"]]);
    expect(
      fewestNetworks([
        ["a", "b"],
        ["b", "c"],
        ["c", "a"],
      ]),
    ).toEqual([["a", "b", "c"]]);
  });

  it("are two where the ends of a chain may not meet", () => {
    expect(
      fewestNetworks([
        ["a", "b"],
        ["b", "c"],
      ]),
    ).toEqual([
      ["a", "b"],
      ["b", "c"],
    ]);
  });

  it("have nobody in one who meets all of its others elsewhere", () => {
    // Two triangles with a side in common, which one of them is enough for.
    const pairs: Pair[] = [
      ["a", "b"],
      ["b", "c"],
      ["a", "c"],
      ["b", "d"],
      ["c", "d"],
    ];
    const networks = fewestNetworks(pairs);
    expect(meetings(networks)).toEqual(inOrder(pairs));
    expect(networks).toHaveLength(2);
  });

  it.each(Array.from({ length: 40 }, (_, index) => index + 1))(
    "hold for any graph, and are the fewest: number %i",
    (seed) => {
      const pairs = randomPairs(6, seed * 7919);
      const networks = fewestNetworks(pairs);
      expect(meetings(networks)).toEqual(inOrder(pairs));
      expect(areEnough(pairs, networks.length)).toBe(true);
      expect(pairs.length > 0 && areEnough(pairs, networks.length - 1)).toBe(false);
    },
  );
});

describe("a workload that the connections do not name", () => {
  it("is alone on a network, which it needs for its published ports", async () => {
    const registered = await recordResources("alone");
    new DockerPlatform("docker", { stack: "alone" }).deploy(
      {
        name: "page",
        image: "image:1",
        command: ["serve"],
        ports: [{ name: "http", port: 80, publish: 8000 }],
        health: { ready: ["ask"] },
        resources: { memoryMiB: 10 },
      },
      new pulumi.ComponentResource("test:index:Service", "parent"),
    );
    await settle();
    const networks = registered.filter(({ type }) => type === "docker:index/network:Network");
    expect(networks.map(({ inputs }) => inputs["name"])).toEqual(["lakestack-alone-page"]);
  });
});
