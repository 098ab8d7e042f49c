import { readFileSync } from "node:fs";
import * as pulumi from "@pulumi/pulumi";
import { beforeAll, describe, expect, it, vi } from "vitest";
import { parse } from "yaml";
import { readConfig } from "../../infra/config";
import { callsOf } from "../../infra/connections";
import { hashPassword } from "../../infra/password";
import { tokenPublicKey } from "../../infra/catalog-tokens";
import { rotatedKeys, rotations } from "../../infra/rotation";
import { completeSecrets } from "../../infra/secrets";
import type { SecretValues } from "../../infra/secrets";
import { trinoHosts } from "../../infra/services/trino";
import { dev } from "../../stacks/dev";

vi.mock("../../infra/services/object-store-contents", () => import("./object-store-stand-in.js"));

interface Registered {
  type: string;
  name: string;
  inputs: Record<string, unknown>;
  /** Properties that were marked as secret. */
  secretInputs: string[];
}

interface ContainerInputs {
  name: string;
  image: string;
  envs: string[];
  command: string[];
  uploads: { file: string; content: string }[];
  ports: { ip: string; internal: number; external: number }[];
  volumes: { volumeName: string; containerPath: string; readOnly?: boolean }[];
  healthcheck: { tests: string[] };
  memory: number;
  memorySwap: number;
  labels: { label: string; value: string }[];
  networksAdvanced: { name: string; aliases: string[] }[];
  capabilities: { drops: string[] };
  securityOpts: string[];
}

const registered: Registered[] = [];
let outputs: Record<string, pulumi.Output<string> | string>;
let secrets: SecretValues;

/** Those that run something. */
function containers(): Map<string, ContainerInputs> {
  return new Map(
    registered
      .filter(({ type, inputs }) => type === "docker:index/container:Container" && inputs["start"] !== false)
      .map(({ name, inputs }) => [name, inputs as unknown as ContainerInputs]),
  );
}

/** The container that brings a service the files which may change while it runs. */
function carrier(service = "trino"): ContainerInputs {
  const found = registered.find(
    ({ name, inputs }) => name === `${service}-live` && inputs["start"] === false,
  );
  if (found === undefined) throw new Error(`Nothing carries the live files of ${service}`);
  return found.inputs as unknown as ContainerInputs;
}

function container(name: string): ContainerInputs {
  const found = containers().get(name);
  if (found === undefined)
    throw new Error(`No container ${name}; there are ${[...containers().keys()].join(", ")}`);
  return found;
}

/** What connections.ts calls it: a worker is one of several. */
const serviceOf = (name: string) => name.replace(/^spark-worker-\d$/, "spark-worker");

/** What a resource gets for a property with a secret in it: the value in an envelope. */
interface Envelope {
  value: unknown;
}

function opened(value: unknown): unknown {
  return typeof value === "object" && value !== null && "4dabf18193072939515e22adb298388d" in value
    ? (value as unknown as Envelope).value
    : value;
}

function named(type: string): string[] {
  return registered.filter((resource) => resource.type === type).map(({ name }) => name);
}

beforeAll(async () => {
  secrets = await completeSecrets({}, trinoHosts("dev"));
  const declared = parse(readFileSync("Pulumi.yaml", "utf8")) as {
    config: Record<string, { default: string | number | boolean }>;
  };
  const config = Object.entries(declared.config).map(([key, value]) => [
    `lakestack:${key}`,
    String(value.default),
  ]);
  pulumi.runtime.setAllConfig(
    {
      ...(Object.fromEntries(config) as Record<string, string>),
      // All that there is.
      "lakestack:audit": "true",
      "lakestack:secrets": JSON.stringify(secrets),
    },
    ["lakestack:secrets"],
  );
  await pulumi.runtime.setMocks(
    {
      newResource: ({ type, name, inputs }) => {
        const all = Object.entries(inputs as Record<string, unknown>);
        const secretInputs = all.filter(([, value]) => opened(value) !== value).map(([key]) => key);
        registered.push({
          type,
          name,
          inputs: Object.fromEntries(all.map(([key, value]) => [key, opened(value)])),
          secretInputs,
        });
        return { id: `${name}-id`, state: { ...(inputs as object), imageId: `sha256:${name}` } };
      },
      call: ({ inputs }) => inputs as Record<string, unknown>,
    },
    "lakestack",
    "dev",
  );
  outputs = await dev(readConfig());
  // Resources are registered in the background: the stack is complete when the last one is.
  await vi.waitFor(() => {
    expect(containers().size).toBeGreaterThanOrEqual(13);
  }, 30_000);
});

describe("the dev stack", () => {
  it("gives Spark's master and history server heaps by their memory", () => {
    for (const name of ["spark-master", "spark-history"]) {
      const { envs, memory } = container(name);
      expect(envs, name).toContain(`SPARK_DAEMON_MEMORY=${Math.floor(memory * 0.6)}m`);
    }
    expect(container("spark-worker-1").envs).toContain("SPARK_DAEMON_MEMORY=256m");
  });

  it("runs each process of each service in a container of its own", () => {
    expect([...containers().keys()].sort()).toEqual([
      "airflow-api",
      "airflow-dag-processor",
      "airflow-scheduler",
      "airflow-triggerer",
      "audit",
      "catalog",
      "database",
      "object-store",
      "spark-history",
      "spark-master",
      "spark-worker-1",
      "spark-worker-2",
      "trino",
    ]);
  });

  it("has two containers on one network exactly where connections.ts lets one call the other", () => {
    const names = [...containers().keys()];
    const networks = (name: string) => container(name).networksAdvanced.map((network) => network.name);
    const meeting = names.flatMap((one) =>
      names
        .filter((other) => networks(one).some((each) => networks(other).includes(each)))
        .map((other) => [one, other]),
    );
    const calls = (one: string, other: string) =>
      callsOf(serviceOf(one)).some(({ to }) => to === serviceOf(other));
    const allowed = names.flatMap((one) =>
      names
        .filter((other) => one === other || calls(one, other) || calls(other, one))
        .map((other) => [one, other]),
    );
    expect(meeting).toEqual(allowed);
  });

  it("has nine networks: an engine has about thirty to give", () => {
    expect(named("docker:index/network:Network").sort()).toEqual(
      [
        "airflow-api.airflow-dag-processor.database",
        "airflow-api.airflow-scheduler",
        "airflow-api.airflow-triggerer.database",
        "airflow-scheduler.audit.object-store.trino",
        "airflow-scheduler.catalog.database",
        "airflow-scheduler.spark-master.spark-worker",
        "catalog.object-store.spark-worker",
        "catalog.trino",
        "object-store.spark-history",
      ].map((members) => `network-${members}`),
    );
  });

  it("lets each container answer to its own name and to its service's, on all of its networks", () => {
    for (const [name, { networksAdvanced }] of containers()) {
      for (const { aliases } of networksAdvanced)
        expect(aliases).toEqual(expect.arrayContaining([name, serviceOf(name)]));
    }
  });

  it("gives a Spark worker one address to listen at, on the network with all who call it", () => {
    const { envs, networksAdvanced } = container("spark-worker-2");
    expect(envs).toContain("SPARK_LOCAL_HOSTNAME=spark-worker-2.internal");
    const home = networksAdvanced.filter(({ aliases }) => aliases.includes("spark-worker-2.internal"));
    expect(home.map(({ name }) => name)).toEqual([
      "lakestack-dev-airflow-scheduler.spark-master.spark-worker",
    ]);
  });

  it("lets drivers be called by the scheduler's name, at whichever of its addresses", () => {
    const { envs, uploads } = container("airflow-scheduler");
    expect(envs).toContain("SPARK_LOCAL_HOSTNAME=airflow-scheduler");
    const defaults = uploads.find(({ file }) => file.endsWith("/spark-defaults.conf"));
    expect(defaults?.content).toContain("spark.driver.bindAddress 0.0.0.0\n");
  });

  it("has Spark's master on one network, for it listens at the address that its name has", () => {
    expect(container("spark-master").networksAdvanced).toHaveLength(1);
  });

  it("publishes the design's ports, on the loopback address only", () => {
    const published = [...containers().values()].flatMap(({ ports }) => ports);
    expect(published.every(({ ip }) => ip === "127.0.0.1")).toBe(true);
    expect(published.map(({ external }) => external).sort((a, b) => a - b)).toEqual([
      4050, 5050, 5051, 5052, 8081, 8443, 9000, 18080,
    ]);
  });

  it("keeps data in volumes, so that containers can be replaced", () => {
    expect(named("docker:index/volume:Volume").sort()).toEqual([
      "airflow-api-live",
      "airflow-logs",
      "audit",
      "database",
      "object-store",
      "trino-live",
    ]);
    expect(container("database").volumes[0]?.volumeName).toBe("lakestack-dev-database");
  });

  it("gives every container a health check, a memory limit and the stack's labels", () => {
    for (const [name, inputs] of containers()) {
      expect(inputs.healthcheck.tests[0], name).toBe("CMD");
      expect(inputs.memory, name).toBeGreaterThan(0);
      expect(inputs.memorySwap, name).toBe(inputs.memory);
      expect(inputs.labels, name).toEqual([
        { label: "lakestack.stack", value: "dev" },
        { label: "lakestack.service", value: name },
      ]);
    }
  });

  it("takes every capability away and allows no new privileges", () => {
    for (const [name, { capabilities, securityOpts }] of containers()) {
      expect(capabilities.drops, name).toEqual(["ALL"]);
      expect(securityOpts, name).toContain("no-new-privileges");
    }
  });

  it("shows no secret where `docker inspect` does: in the environment, the command, the health check", () => {
    for (const [name, { envs, command, healthcheck }] of containers()) {
      const shown = JSON.stringify({ envs, command, healthcheck });
      for (const [secret, value] of Object.entries<string>({ ...secrets })) {
        expect(shown.includes(value), `${secret} of ${name}`).toBe(false);
      }
    }
  });

  it("hands secrets over as files", () => {
    const uploaded = JSON.stringify(
      [...containers().values(), carrier()].flatMap(({ uploads }) => uploads.map((u) => u.content)),
    );
    for (const [secret, value] of Object.entries<string>({ ...secrets })) {
      // What signs never leaves; who is outside has no file; of the administrator's password Trino has the hash.
      const stays = ["caKey", "catalogTokenKey", "outsideCatalogToken", "trinoPassword"].includes(secret);
      expect(uploaded.includes(JSON.stringify(value).slice(1, -1)), secret).toBe(!stays);
    }
    expect(uploaded).toContain(
      JSON.stringify(`${hashPassword(secrets.trinoPassword, secrets.trinoPasswordSalt)}\n`).slice(1, -1),
    );
  });

  it("lets Trino see its live files change, and nobody but their carrier write them", () => {
    const where = { volumeName: "lakestack-dev-trino-live", containerPath: "/etc/trino/access" };
    expect(container("trino").volumes).toEqual([{ ...where, readOnly: true }]);
    expect(carrier().volumes).toEqual([where]);
    const files = (inputs: ContainerInputs) => inputs.uploads.map(({ file }) => file);
    expect(files(carrier()).sort()).toEqual(
      ["groups", "passwords", "rules.json", "tls.pem"].map((name) => `/etc/trino/access/${name}`),
    );
    expect(files(container("trino")).filter((file) => file.startsWith("/etc/trino/access/"))).toEqual([]);
    // A renewed certificate is another carrier, and the same Trino.
    expect(JSON.stringify(container("trino").uploads)).not.toContain("PRIVATE KEY");
  });

  it("restarts for each secret the services that npm run rotate tells: those that were given it as a file", () => {
    const plain = (service: string) => service.replace(/-\d+$/, "");
    for (const [name, { restarts }] of rotations) {
      const values = rotatedKeys([name]).flatMap((key) => secrets[key] ?? []);
      // The catalog has what checks its callers' tokens, and not what signs them.
      if (name === "catalogTokenKey") values.push(tokenPublicKey(secrets.catalogTokenKey));
      const holders = [...containers()]
        .filter(([, { uploads }]) => values.some((value) => uploads.some((u) => u.content.includes(value))))
        .map(([service]) => plain(service));
      // Workers of Trino's are for Kubernetes.
      const told = restarts.filter((service) => service !== "trino-worker");
      expect([...new Set(holders)].sort(), name).toEqual(told.toSorted());
    }
  });

  it("tells Airflow of no former key while no rotation is under way", () => {
    expect(carrier("airflow-api").uploads).toEqual([
      expect.objectContaining({
        file: "/run/lakestack/former/fernet-key",
        content: "# Nothing is encrypted with another key.\n",
      }),
    ]);
  });

  it("gives Airflow a login of its own to Trino, and not the administrator's", () => {
    const files = JSON.stringify(container("airflow-scheduler").uploads);
    expect(files).toContain(secrets.airflowTrinoPassword);
    expect(files).not.toContain(secrets.trinoPassword);
  });

  it("gives the catalog's and the scheduler's containers each its own database password only", () => {
    const files = (name: string) => JSON.stringify(container(name).uploads);
    expect(files("catalog")).toContain(secrets.catalogDatabasePassword);
    expect(files("catalog")).not.toContain(secrets.airflowDatabasePassword);
    expect(files("airflow-api")).toContain(secrets.airflowDatabasePassword);
    expect(files("airflow-api")).not.toContain(secrets.catalogDatabasePassword);
    expect(files("trino")).not.toContain(secrets.objectStorePassword);
  });

  it("has PostgreSQL take TLS only over the network, and its clients no server but the right one", () => {
    const { command, uploads } = container("database");
    const options = command.join(" ");
    for (const option of ["ssl=on", "ssl_key_file=server.key", "hba_file=/etc/postgresql/pg_hba.conf"])
      expect(options).toContain(`'-c${option}'`);
    const access = uploads.find(({ file }) => file === "/etc/postgresql/pg_hba.conf")?.content ?? "";
    const kinds = access
      .trim()
      .split("\n")
      .map((line) => line.split(/ +/));
    expect(kinds).toEqual([
      ["local", "all", "all", "scram-sha-256"],
      ["hostssl", "all", "all", "all", "scram-sha-256"],
    ]);

    const authorityOf = (name: string) =>
      container(name).uploads.find(({ file }) => file === "/etc/lakestack/database-ca.pem")?.content;
    const airflow = ["airflow-api", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer"];
    for (const name of ["catalog", ...airflow])
      expect(authorityOf(name), name).toBe(secrets.databaseAuthority);
    for (const name of airflow)
      expect(container(name).envs, name).toEqual(
        expect.arrayContaining(["PGSSLMODE=verify-full", "PGSSLROOTCERT=/etc/lakestack/database-ca.pem"]),
      );
    expect(JSON.stringify(container("catalog").uploads)).toContain("sslmode=verify-full");
  });

  it("gives Trino and Spark each its own token for the catalog, and the key that signs them to nobody", () => {
    const { catalogTokenKey, trinoCatalogToken, sparkCatalogToken, outsideCatalogToken } = secrets;
    const holders = (secret: string) =>
      [...containers()]
        .filter(([, { uploads }]) => uploads.some(({ content }) => content.includes(secret)))
        .map(([name]) => name)
        .sort();
    expect(holders(trinoCatalogToken)).toEqual(["trino"]);
    expect(holders(sparkCatalogToken)).toEqual(holders(secrets.sparkAuthenticationSecret));
    expect(holders(outsideCatalogToken)).toEqual([]);
    expect(holders(catalogTokenKey.split("\n")[5] ?? "")).toEqual([]);
    expect(holders(tokenPublicKey(catalogTokenKey))).toEqual(["catalog"]);
  });

  it("has the outputs that its users rely on", () => {
    expect(Object.keys(outputs).sort()).toEqual(
      [
        ...["jdbcUrl", "trinoUrl", "airflowUrl", "sparkMasterUrl", "objectStoreUrl", "catalogUrl"],
        ...["trinoUser", "airflowUser", "objectStoreUser"],
        ...["trinoPassword", "airflowPassword", "objectStorePassword", "catalogToken", "caCertificate"],
      ].sort(),
    );
    expect(outputs["jdbcUrl"]).toBe("jdbc:trino://localhost:8443/iceberg?SSL=true");
  });

  it("marks its passwords as secrets, and the authority's certificate as public", async () => {
    for (const name of ["trinoPassword", "airflowPassword", "objectStorePassword", "catalogToken"]) {
      expect(await pulumi.isSecret(pulumi.output(outputs[name])), name).toBe(true);
    }
    expect(await pulumi.isSecret(pulumi.output(outputs["caCertificate"]))).toBe(false);
  });

  it("marks the files of every container as secret, so that the state holds them encrypted", () => {
    for (const { type, name, secretInputs } of registered) {
      if (type === "docker:index/container:Container") expect(secretInputs, name).toEqual(["uploads"]);
    }
  });

  it("uploads no empty file, which Docker refuses", () => {
    for (const [name, { uploads }] of containers()) {
      for (const { file, content } of uploads)
        expect(content.length, `${file} of ${name}`).toBeGreaterThan(0);
    }
  });
});
