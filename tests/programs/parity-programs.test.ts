import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { stringify } from "yaml";
import { readConfig, type StackConfig } from "../../infra/config";
import { completeSecrets } from "../../infra/secrets";
import { createAuthority, createCertificate } from "../../infra/tls";
import { dev } from "../../stacks/dev";
import { kubernetesStack } from "../../stacks/kubernetes";
import { configure, recordResources, settle } from "../unit/registered";
import type { Registered } from "../unit/registered";
import { doors, hosts, identities, others } from "./variants";

vi.mock("../../infra/services/object-store-contents", () => import("../unit/object-store-stand-in.js"));

const ofTheCluster = "there is no cluster";
const ofDoors = "on a laptop everything is on the loopback address";
const ofCertificates = "cert-manager and ingress controllers are a cluster's";
const ofOthers = "a laptop's stack has its own store and database, or it would not be whole";

/** Settings that one platform has no use for, each with the reason. All others are read on both. */
const onlyOnKubernetes: Record<string, string> = {
  ...{ kubernetesNamespace: ofTheCluster, kubernetesContext: ofTheCluster, storageClass: ofTheCluster },
  ...{
    imageRegistry: ofTheCluster,
    keepVolumes: "Docker's volumes are kept by `down`, and go with `destroy`",
  },
  ...{
    cpuRequest: "nobody else is to be told what a laptop's programs ask for",
    memoryRequestPercent: "see cpuRequest",
  },
  ...{ trinoHosts: ofDoors, trinoDoor: ofDoors, trinoSourceRanges: ofDoors, objectStoreDoor: ofDoors },
  ...{ airflowDoor: ofDoors, airflowHost: ofDoors, objectStoreHost: ofDoors, trustedNetwork: ofDoors },
  ...{ trinoIssuer: ofCertificates, certificateIssuer: ofCertificates },
  ...{ ingressClass: ofCertificates, ingressNamespace: ofCertificates, ingressTlsSecret: ofCertificates },
  ...{ objectStoreEndpoint: ofOthers, objectStoreRegion: ofOthers, objectStorePathStyle: ofOthers },
  ...{ warehouseBucket: ofOthers, sourceBucket: ofOthers, eventsBucket: ofOthers, lineageBucket: ofOthers },
  auditBucket: ofOthers,
  ...{ databaseAddress: ofOthers, databaseAdministrator: ofOthers, databaseAuthoritiesFile: ofOthers },
};
const folder = mkdtempSync(path.join(os.tmpdir(), "lakestack-parity-"));
const pem = path.join(folder, "authority.pem");
let secrets: string;

beforeAll(async () => {
  writeFileSync(pem, "the authority\n");
  secrets = JSON.stringify(await completeSecrets({}, hosts));
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

interface Seen {
  registered: Registered[];
  /** Settings that the program has asked for. */
  read: Set<string>;
}

/** Runs a program with some settings. */
async function run(
  program: (config: StackConfig) => Promise<unknown>,
  values: Record<string, string>,
): Promise<Seen> {
  configure({ ...values, secrets, databaseAdministratorPassword: "secret" }, [
    "secrets",
    "databaseAdministratorPassword",
  ]);
  const registered = await recordResources("test");
  const read = new Set<string>();
  const watched = new Proxy(readConfig(), {
    get: (config, key, receiver): unknown => {
      read.add(String(key));
      return Reflect.get(config, key, receiver);
    },
  });
  await program(watched);
  await settle();
  return { registered, read };
}

const onDocker = (values: Record<string, string> = {}) => run(dev, { platform: "docker", ...values });
const onKubernetes = (values: Record<string, string> = {}) =>
  run(kubernetesStack, { platform: "kubernetes", ...values });

const kinds = (registered: Registered[], ...types: string[]) =>
  registered.filter(({ type }) => types.includes(type)).map(({ name }) => name);
const services = (registered: Registered[]) =>
  kinds(registered, "kubernetes:apps/v1:Deployment", "kubernetes:apps/v1:StatefulSet").sort();

describe("the programs of the laptop and of the cluster", () => {
  it("run the same services", async () => {
    const workers = { trinoWorkers: "1" };
    const { registered } = await onDocker(workers);
    const containers = kinds(registered, "docker:index/container:Container")
      // A number tells equal ones apart; a step before the service is a container of its own, and what files that
      // change under the service are put into is another.
      .map((name) => name.replace(/-\d+$/, ""))
      .filter((name) => !name.endsWith("-prepare") && !name.endsWith("-live"));
    expect([...new Set(containers)].sort()).toEqual(services((await onKubernetes(workers)).registered));
  });

  it("have the same settings, or the reason why not is given", async () => {
    const docker = await onDocker({
      ...{ objectStoreConsole: "true", publishCatalog: "true", trinoWorkers: "1" },
      ...identities,
    });
    const cluster = [
      await onKubernetes(identities),
      await onKubernetes(doors(pem)),
      await onKubernetes(others(pem)),
    ];
    const onCluster = new Set(cluster.flatMap(({ read }) => [...read]));
    const all = Object.keys(readConfig());
    const only = all.filter((key) => onCluster.has(key) && !docker.read.has(key));
    expect(only.sort()).toEqual(Object.keys(onlyOnKubernetes).sort());
    expect(all.filter((key) => docker.read.has(key) && !onCluster.has(key))).toEqual([]);
    expect(all.filter((key) => !docker.read.has(key) && !onCluster.has(key))).toEqual([]);
  });
});

describe("a stack on Kubernetes with a store and a database of others", () => {
  it("runs neither itself, makes its logins by a step, and may reach both", async () => {
    const { registered } = await onKubernetes(others(pem));
    expect(services(registered)).not.toContain("object-store");
    expect(services(registered)).not.toContain("database");
    expect(kinds(registered, "kubernetes:batch/v1:Job").sort()).toEqual([
      "airflow-api-prepare",
      "database-logins",
    ]);
    const egress = (name: string) => {
      const policy = registered.find((each) => each.name === `${name}-connections`)?.inputs;
      return JSON.stringify((policy as { spec: { egress: unknown } }).spec.egress);
    };
    expect(egress("catalog")).toContain('"port":5433');
    expect(egress("catalog")).toContain('"port":443');
    expect(egress("database-logins")).toContain('"port":5433');
    expect(egress("trino")).not.toContain('"port":5433');
  });
});

describe("a certificate of one's own", () => {
  it.each([
    ["Docker", onDocker, ":Container"],
    ["Kubernetes", onKubernetes, ":Secret"],
  ])("is what Trino shows on %s, and Airflow trusts its authority", async (_, program, carrier) => {
    const authority = await createAuthority("A company's authority");
    const server = await createCertificate(authority, ["localhost", "trino"]);
    const own = path.join(folder, "own.pem");
    const root = path.join(folder, "root.pem");
    writeFileSync(own, server.key + server.certificate);
    writeFileSync(root, authority.certificate);
    const { registered } = await program({ trinoCertificateFile: own, trinoAuthorityFile: root });

    const written = (text: string) => JSON.stringify(text).slice(1, -1);
    const live = registered.find(({ type, name }) => type.endsWith(carrier) && name === "trino-live");
    expect(JSON.stringify(live?.inputs)).toContain(written(server.key + server.certificate));
    const trusting = registered.filter(({ inputs }) =>
      JSON.stringify(inputs).includes(written(authority.certificate)),
    );
    expect(trusting.map(({ name }) => name).join(" ")).toMatch(/airflow-scheduler/);
    expect(trusting.map(({ name }) => name).join(" ")).toMatch(/trino/);
    const { trinoKey, caCertificate } = JSON.parse(secrets) as Record<string, string>;
    expect(JSON.stringify(registered)).not.toContain(written(String(trinoKey)));
    // The stack's own authority is for the database's clients alone.
    const stillTrusting = registered.filter(({ inputs }) =>
      JSON.stringify(inputs).includes(written(String(caCertificate))),
    );
    expect(stillTrusting.map(({ name }) => name).join(" ")).not.toMatch(/trino/);
    expect(stillTrusting.map(({ name }) => name).join(" ")).toMatch(/catalog/);
  });
});

interface Pod {
  metadata: unknown;
  spec: { containers: { image: string }[] };
}

const pods = (registered: Registered[]) =>
  new Map(
    registered
      .filter(({ type }) => /:(Deployment|StatefulSet)$/.test(type))
      .map(({ name, inputs }) => [name, (inputs as { spec: { template: Pod } }).spec.template]),
  );

describe("a change of the declared sources", () => {
  it("replaces the pods that read them, and no others", async () => {
    const source = (hour: number) => {
      const events = { name: "events", bucket: "source", prefix: "Events/", table: "lake.events" };
      const rest = { key: ["id"], columns: { id: "varchar" }, schedule: `0 ${hour} * * *` };
      const file = path.join(folder, `${hour}.yaml`);
      writeFileSync(file, stringify({ sources: [{ ...events, ...rest }] }));
      return file;
    };
    const before = pods((await onKubernetes({ sourcesFile: source(1) })).registered);
    const after = pods((await onKubernetes({ sourcesFile: source(2) })).registered);
    const changed = [...before].filter(
      ([name, pod]) => JSON.stringify(pod) !== JSON.stringify(after.get(name)),
    );
    expect(changed.map(([name]) => name).sort()).toEqual(
      ["api", "dag-processor", "scheduler", "triggerer"].map((name) => `airflow-${name}`),
    );
  });
});

describe("images", () => {
  it("are named by their content where nodes have them, and by digest where a registry does", async () => {
    const here = [...pods((await onKubernetes()).registered).values()];
    for (const { spec } of here)
      expect(spec.containers[0]?.image).toMatch(/^lakestack-test-[a-z]+:[0-9a-f]{12}$/);
    const { registered } = await onKubernetes({ imageRegistry: "registry.example.com/lake" });
    expect(kinds(registered, "docker:index/registryImage:RegistryImage").sort()).toEqual(
      ["airflow", "minio", "nessie", "postgres", "spark", "trino"].map((name) => `${name}-pushed`),
    );
    for (const { spec } of pods(registered).values())
      expect(spec.containers[0]?.image).toMatch(/^registry\.example\.com\/lake\/[a-z]+@/);
  });
});
