import * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { beforeAll, describe, expect, it } from "vitest";
import { readConfig } from "../../infra/config";
import type { StoreUser } from "../../infra/access";
import {
  certificateWatch,
  connections,
  contentsTask,
  gateways,
  identityProvider,
  lineageReceiver,
  loginsTask,
  outsideSources,
} from "../../infra/connections";
import type { Platform } from "../../infra/platform";
import { DockerPlatform } from "../../infra/platforms/docker";
import { KubernetesPlatform } from "../../infra/platforms/kubernetes";
import { completeSecrets } from "../../infra/secrets";
import type { SecretValues, Secrets } from "../../infra/secrets";
import { CertificateWatch } from "../../infra/services/certificate-watch";
import { Gateway } from "../../infra/services/gateway";
import { anyRole, storeKeys } from "../../infra/services/object-storage";
import { serviceLogins } from "../../infra/services/database-access";
import type {
  DataVolume,
  HealthCheck,
  Page,
  Port,
  RenderedFile,
  Resources,
  Scale,
  Workload,
} from "../../infra/workload";
import { lakehouse, ownDatabase } from "../../stacks/lakehouse";
import { configure, recordResources, settle } from "./registered";
import type { Registered } from "./registered";

/** Words of the vocabulary that one platform has no use for, each with the reason. All others mean something on both. */
const onlyOn: Record<string, { platform: "docker" | "kubernetes"; reason: string }> = {
  "ports.port": {
    platform: "kubernetes",
    reason: "on a network of Docker's each port of a container is open, declared or not",
  },
  "ports.name": { platform: "kubernetes", reason: "Docker has numbers only" },
  "ports.span": { platform: "kubernetes", reason: "see ports.port" },
  scale: { platform: "kubernetes", reason: "one machine has no more processors for more instances" },
  "scale.most": { platform: "kubernetes", reason: "see scale" },
  "scale.busyCores": { platform: "kubernetes", reason: "see scale" },
  "scale.idleSeconds": { platform: "kubernetes", reason: "see scale" },
  scratch: {
    platform: "kubernetes",
    reason: "Docker puts files into no container whose root is read-only: docs/decisions/0043",
  },
  drain: {
    platform: "kubernetes",
    reason: "Docker has no step before the signal; the laptop's only Trino has nobody to hand its queries to",
  },
  "volumes.sizeGiB": { platform: "kubernetes", reason: "Docker's volumes have no size" },
  "volumes.borrowed": { platform: "kubernetes", reason: "containers of one machine share a volume" },
  "health.alive": {
    platform: "kubernetes",
    reason: "Docker restarts what has ended, never what answers badly",
  },
};

const base: Workload = {
  name: "service",
  image: "image:1",
  command: ["run"],
  health: { ready: ["check"] },
  resources: { memoryMiB: 100 },
};
const port: Port = { name: "http", port: 80, publish: 1 };
const volume: DataVolume = { name: "data", path: "/data" };
const file: RenderedFile = { path: "/etc/file", content: "text" };
const scaled: Scale = { most: 3, busyCores: 0.5, idleSeconds: 600 };

type Pair = [Workload, Workload];
/** A word for each property: growth of the vocabulary is a compile error here until it has a row. */
type Words<T> = { [K in keyof Required<T>]: Pair };

const change = (from: Partial<Workload>, to: Partial<Workload>): Pair => [
  { ...base, ...from },
  { ...base, ...to },
];
const add = (to: Partial<Workload>) => change({}, to);

const words: Words<Omit<Workload, "ports" | "volumes" | "health" | "resources" | "files">> = {
  name: add({ name: "other" }),
  image: add({ image: "image:2" }),
  command: add({ command: ["walk"] }),
  environment: add({ environment: { KEY: "value" } }),
  scratch: add({ scratch: ["/run"] }),
  prepare: add({ prepare: ["initialise"] }),
  replicas: add({ replicas: 2 }),
  scale: add({ scale: scaled }),
  ownAddressVariable: add({ ownAddressVariable: "ADDRESS" }),
  drain: add({ drain: ["leave"] }),
  stopGraceSeconds: add({ stopGraceSeconds: 90 }),
};
const ports: Words<Port> = {
  name: change({ ports: [port] }, { ports: [{ ...port, name: "web" }] }),
  port: change({ ports: [{ name: "http", port: 80 }] }, { ports: [{ name: "http", port: 81 }] }),
  // The one workload here that has a door on Kubernetes.
  publish: change({ name: "public", ports: [port] }, { name: "public", ports: [{ ...port, publish: 2 }] }),
  span: change({ ports: [port] }, { ports: [{ ...port, span: 5 }] }),
};
const volumes: Words<DataVolume> = {
  name: change({ volumes: [volume] }, { volumes: [{ ...volume, name: "other" }] }),
  path: change({ volumes: [volume] }, { volumes: [{ ...volume, path: "/other" }] }),
  sizeGiB: change({ volumes: [volume] }, { volumes: [{ ...volume, sizeGiB: 99 }] }),
  borrowed: change({ volumes: [volume] }, { volumes: [{ ...volume, borrowed: true }] }),
};
const health: Words<HealthCheck> = {
  ready: add({ health: { ready: ["ask"] } }),
  intervalSeconds: add({ health: { ...base.health, intervalSeconds: 40 } }),
  timeoutSeconds: add({ health: { ...base.health, timeoutSeconds: 40 } }),
  startSeconds: add({ health: { ...base.health, startSeconds: 999 } }),
  alive: add({ health: { ...base.health, alive: ["breathe"] } }),
};
const page: Page = { port: 80, path: "/health" };
const pages: Words<Page> = {
  port: change({ health: { ready: page } }, { health: { ready: { ...page, port: 81 } } }),
  path: change({ health: { ready: page } }, { health: { ready: { ...page, path: "/" } } }),
  tls: change({ health: { ready: page } }, { health: { ready: { ...page, tls: true } } }),
};
const resources: Words<Resources> = {
  memoryMiB: add({ resources: { memoryMiB: 200 } }),
  cpus: add({ resources: { memoryMiB: 100, cpus: 2 } }),
};
const files: Words<RenderedFile> = {
  path: change({ files: [file] }, { files: [{ ...file, path: "/etc/other" }] }),
  content: change({ files: [file] }, { files: [{ ...file, content: "other" }] }),
  executable: change({ files: [file] }, { files: [{ ...file, executable: true }] }),
  live: change({ files: [file] }, { files: [{ ...file, live: true }] }),
};
const scale: Words<Scale> = {
  most: change({ scale: scaled }, { scale: { ...scaled, most: 4 } }),
  busyCores: change({ scale: scaled }, { scale: { ...scaled, busyCores: 0.6 } }),
  idleSeconds: change({ scale: scaled }, { scale: { ...scaled, idleSeconds: 60 } }),
};

const all: Record<string, Pair> = Object.fromEntries(
  Object.entries({ "": words, ports, volumes, health, pages, resources, files, scale }).flatMap(
    ([group, pairs]) =>
      Object.entries(pairs).map(([word, pair]) => [group === "" ? word : `${group}.${word}`, pair]),
  ),
);

/** All that a platform makes of a workload, as text. */
async function resultOf(workload: Workload, make: () => Platform): Promise<string> {
  const registered = await recordResources("parity");
  make().deploy(workload, new pulumi.ComponentResource("test:index:Service", "parent"));
  await settle();
  return JSON.stringify(
    registered.filter(({ type }) => !type.startsWith("lakestack:") && !type.startsWith("test:")).map(byName),
  );
}

const byName = ({ type, name, inputs }: Registered) => ({ type, name, inputs });

const platforms = {
  docker: () => new DockerPlatform("platform", { stack: "parity" }),
  kubernetes: () =>
    new KubernetesPlatform("platform", {
      stack: "parity",
      namespace: "parity",
      checksumKey: "key",
      provider: new kubernetes.Provider("cluster", {}),
      doors: { public: { kind: "load-balancer" } },
    }),
};

describe.each(["docker", "kubernetes"] as const)("on %s", (platform) => {
  it.each(Object.keys(all))(
    "the word %s means something, or the reason why it does not is given",
    async (word) => {
      const [before, after] = all[word] as Pair;
      const same =
        (await resultOf(before, platforms[platform])) === (await resultOf(after, platforms[platform]));
      const exception = onlyOn[word];
      const expected = exception !== undefined && exception.platform !== platform;
      expect(same, exception?.reason ?? `no reason is given for "${word}"`).toBe(expected);
    },
  );
});

it("every reason is about a word that there is", () => {
  expect(Object.keys(onlyOn).filter((word) => all[word] === undefined)).toEqual([]);
});

describe("both programs", () => {
  let values: SecretValues;
  const seen: Workload[] = [];
  /** Takes down what the shared services deploy. */
  const witness: Platform = {
    deploy: (workload) => {
      seen.push(workload);
      return { ready: [] };
    },
  };

  beforeAll(async () => {
    values = await completeSecrets({}, ["localhost"]);
    configure({ trinoWorkers: "1", audit: "true" });
    await recordResources("witness");
    const secrets = Object.fromEntries(
      Object.entries(values).map(([key, value]) => [key, pulumi.secret(value as string)]),
    ) as Secrets;
    const wiring = {
      config: readConfig(),
      platform: witness,
      secrets,
      sources: [],
      image: (name: string) => name,
    };
    const store = {
      endpoint: "http://object-store:9000",
      region: "us-east-1",
      pathStyle: true,
      buckets: { warehouse: "w", source: "s", events: "e", lineage: "l", audit: "a" },
      keys: (user: StoreUser) => storeKeys(secrets, user),
      lending: { role: anyRole, hours: 1 },
      deployment: { ready: [] },
    };
    const database = { address: "database:5432", ...serviceLogins(secrets), deployment: { ready: [] } };
    const { trino } = lakehouse(wiring, store, database);
    new CertificateWatch(certificateWatch, { platform: witness, image: "trino", trino });
    ownDatabase(wiring);
    for (const name of Object.values(gateways))
      new Gateway(name, {
        platform: witness,
        image: "gateway",
        service: { host: "service", port: 1, healthPath: "/" },
        port: 1,
        after: { ready: [] },
      });
    await settle();
  });

  it("declare every workload's connections to ports that the called workload has", () => {
    const named = new Map(seen.map((workload) => [workload.name, workload]));
    const elsewhere = ["object-store", outsideSources, lineageReceiver, identityProvider];
    for (const [callee, calls] of Object.entries(connections)) {
      if (elsewhere.includes(callee)) continue;
      const known = (named.get(callee)?.ports ?? []).map(({ name }) => name);
      expect(known, callee).toEqual(expect.arrayContaining(Object.keys(calls)));
      for (const caller of Object.values(calls).flat()) {
        expect(
          [...named.keys(), "object-store", contentsTask, loginsTask],
          `a caller of ${callee}`,
        ).toContain(caller);
      }
    }
  });
});
