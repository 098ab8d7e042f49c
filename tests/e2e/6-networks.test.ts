import { beforeAll, describe, expect, test } from "vitest";
import { callsOf } from "../../infra/connections";
import { clientFile, runClient, type ClientRun } from "./client-container";
import { addressesOf, container, containerName, execute, networksOf } from "./docker";
import { keptSecrets } from "./lakestack";
import { isLoopback, listening } from "./listening";
import { ports as published, services } from "./stack";

/** Nobody listens here: "refused" shows that there is a way. */
const deafPort = 9;

/** What a container of the stack has for others to find. */
interface Found {
  addresses: Map<string, string>;
  /** Ports that are listened at on other addresses than the loopback one, declared or not. */
  open: number[];
}

const found = new Map<string, Found>();

beforeAll(async () => {
  for (const service of services) {
    const tables = await execute(service, ["cat", "/proc/net/tcp", "/proc/net/tcp6"]);
    const open = tables
      .split(/^(?=\s+sl )/m)
      .flatMap(listening)
      .filter((listener) => !isLoopback(listener));
    found.set(service, {
      addresses: await addressesOf(service),
      open: [...new Set(open.map(({ port }) => port))].sort((a, b) => a - b),
    });
  }
});

const portsOf = (service: string) => found.get(service)?.open ?? [];
const addresses = (service: string) => [...(found.get(service)?.addresses.values() ?? [])];

/** What connections.ts calls it: a worker is one of several. */
const declaredName = (service: string) => service.replace(/-\d$/, "");
const calls = (one: string, other: string) =>
  callsOf(declaredName(one)).some(({ to }) => to === declaredName(other));
const mayMeet = (one: string, other: string) => calls(one, other) || calls(other, one);

type Outcome = "open" | "refused" | "no way";

/** Tries connections from a place: a network, or a container's own (`container:<name>`). */
async function tryFrom(place: string, targets: string[]): Promise<Map<string, Outcome>> {
  const command = ["python", clientFile("open_ports.py"), ...targets];
  const { code, output } = await runClient(command, {}, {}, { name: "prober", networks: [place] });
  if (code !== 0) throw new Error(`Could not look around from ${place}:\n${output}`);
  return new Map(Object.entries(JSON.parse(output) as Record<string, Outcome>));
}

const within = (service: string) => `container:${containerName(service)}`;

/** Every address of a service, at every port that something listens at, and at one more. */
const everywhereOf = (service: string) =>
  addresses(service).flatMap((address) =>
    [...portsOf(service), deafPort].map((port) => `${address}:${port}`),
  );

describe.each(services)("from %s", (caller) => {
  const others = services.filter((service) => service !== caller);

  test("there is a way to those, and only those, whom it may call or who may call it", async () => {
    const outcomes = await tryFrom(within(caller), others.flatMap(everywhereOf));
    const reached = others.filter((other) =>
      everywhereOf(other).some((target) => outcomes.get(target) !== "no way"),
    );
    expect(reached).toEqual(others.filter((other) => mayMeet(caller, other)));
  });

  test("names are known of those only, and lead to where they listen", async () => {
    const byName = (other: string) => [...portsOf(other), deafPort].map((port) => `${other}:${port}`);
    const outcomes = await tryFrom(within(caller), others.flatMap(byName));
    const known = others.filter((other) => byName(other).some((target) => outcomes.get(target) !== "no way"));
    expect(known).toEqual(others.filter((other) => mayMeet(caller, other)));
    const served = others.filter((other) => byName(other).some((target) => outcomes.get(target) === "open"));
    expect(served).toEqual(expect.arrayContaining(others.filter((other) => calls(caller, other))));
  });

  test("published ports are not to be had by way of the host", async () => {
    const { NetworkSettings } = await container(caller).inspect();
    const hosts = Object.values(NetworkSettings.Networks).map(({ Gateway }) => Gateway);
    const targets = hosts.flatMap((host) => Object.values(published).map((port) => `${host}:${port}`));
    const outcomes = await tryFrom(within(caller), targets);
    expect([...outcomes].filter(([, outcome]) => outcome === "open")).toEqual([]);
  });
});

test("from a container that is not the stack's, there is a way to none", async () => {
  const outcomes = await tryFrom("bridge", services.flatMap(everywhereOf));
  expect(outcomes.size).toBeGreaterThan(services.length);
  expect([...outcomes].filter(([, outcome]) => outcome !== "no way")).toEqual([]);
});

describe("Spark's master", () => {
  const master = "spark://spark-master:7077";

  /** Tries to register a program, from the network on which the master is called. */
  async function register(name: string, secret?: string): Promise<ClientRun> {
    const { Image } = await container("spark-master").inspect();
    return runClient(
      ["spark-submit", clientFile("spark_stranger.py")],
      { MASTER: master, ...(secret === undefined ? {} : { SECRET: secret }) },
      {},
      { name, image: Image, networks: await networksOf("spark-master") },
    );
  }

  test("takes a program that has the stack's secret, and refuses those with another and without any", async () => {
    const { sparkAuthenticationSecret } = await keptSecrets();
    const [known, other, bare] = await Promise.all([
      register("friend", sparkAuthenticationSecret),
      register("impostor", `${sparkAuthenticationSecret}x`),
      register("stranger"),
    ]);
    expect(known.output).toMatch(/^registered as app-\d+-\d+$/m);
    for (const refused of [other, bare]) {
      expect(refused.output).not.toContain("registered as");
      expect(refused.output).toMatch(/All masters are unresponsive|Failed to connect to master/);
      expect(refused.code).not.toBe(0);
    }
  }, 300_000);

  test("listens for its own kind and at its page, and takes no jobs over HTTP", () => {
    expect(portsOf("spark-master")).toEqual([7077, 8080]);
  });
});
