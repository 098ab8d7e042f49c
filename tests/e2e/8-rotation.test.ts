import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { Sha256 } from "@aws-crypto/sha256-js";
import { ListBucketsCommand, ListObjectsV2Command, S3Client } from "@aws-sdk/client-s3";
import { SignatureV4 } from "@smithy/signature-v4";
import { beforeAll, expect, test } from "vitest";
import { type StackOutputs, stackOutputs } from "../../commands/stack-outputs";
import { query as queryAt } from "../../commands/trino-query";
import type { SecretValues } from "../../infra/secrets";
import { anyRole } from "../../infra/services/object-storage";
import { allRuns, ask, login, runToSuccess, usePassword } from "./airflow";
import { ask as askDatabase } from "./database";
import { container, containerIds, docker, execute, healthy } from "./docker";
import { keptDrivers } from "./drivers";
import { keptSecrets, npmRun, outputs as old, pulumi, startCommand } from "./lakestack";
import { asUser, put, region } from "./object-store";
import { objectsOf } from "./sample-data";
import { services, stackName } from "./stack";
import { until } from "./until";

const day = "2018-04-27";
const tables = "SELECT table_name FROM iceberg.information_schema.tables WHERE table_schema = 'newtral'";

let oldSecrets: SecretValues;
let outputs: StackOutputs;
let secrets: SecretValues;
let before: { rows: unknown[][]; runs: string[] };
/** Of the catalog, for the object store. */
let lent: { accessKeyId: string; secretAccessKey: string; sessionToken: string };

const queryAs = (user: string, password: string, statement: string) =>
  queryAt({ url: outputs.trinoUrl, user, password, ca: outputs.caCertificate }, statement);

const query = (statement: string) => queryAs(outputs.trinoUser, outputs.trinoPassword, statement);

/** Rows of every table but those of checks, to which one by the hour may add at any time. */
async function rows(): Promise<unknown[][]> {
  const names = (await query(tables))
    .map(([name]) => String(name))
    .filter((name) => !name.endsWith("_checks"));
  const counts = names.map((name) => `SELECT '${name}', count(*) FROM iceberg.newtral."${name}"`);
  return query(`${counts.join(" UNION ALL ")} ORDER BY 1`);
}

const runs = async () => (await allRuns()).map(({ dag_id, dag_run_id }) => `${dag_id} ${dag_run_id}`);

async function readOutputs(): Promise<StackOutputs> {
  const { stdout } = await pulumi("stack", "output", "--json", "--show-secrets");
  return stackOutputs(JSON.parse(stdout) as Record<string, unknown>);
}

/** Keys that the store lends for an hour, as it does to the catalog. */
async function lend(user: string, key: string): Promise<typeof lent> {
  const url = new URL("/", old.objectStoreUrl);
  const signer = new SignatureV4({
    service: "sts",
    region,
    sha256: Sha256,
    credentials: { accessKeyId: user, secretAccessKey: key },
  });
  const body = `Action=AssumeRole&Version=2011-06-15&DurationSeconds=3600&RoleArn=${encodeURIComponent(anyRole)}`;
  const { headers } = await signer.sign({
    method: "POST",
    protocol: url.protocol,
    hostname: url.hostname,
    port: Number(url.port),
    path: "/",
    headers: { host: url.host, "content-type": "application/x-www-form-urlencoded" },
    body,
  });
  const text = await (await fetch(url, { method: "POST", headers, body })).text();
  const part = (name: string) => {
    const found = new RegExp(`<${name}>([^<]+)<`).exec(text)?.[1];
    if (found === undefined) throw new Error(`The store lent no ${name}: ${text}`);
    return found;
  };
  return {
    accessKeyId: part("AccessKeyId"),
    secretAccessKey: part("SecretAccessKey"),
    sessionToken: part("SessionToken"),
  };
}

/** Lists the warehouse with keys that were lent. */
async function listWithLent(): Promise<unknown> {
  const client = new S3Client({
    endpoint: old.objectStoreUrl,
    region,
    forcePathStyle: true,
    credentials: lent,
  });
  try {
    return await client.send(new ListObjectsV2Command({ Bucket: "warehouse", MaxKeys: 1 }));
  } finally {
    client.destroy();
  }
}

/**
 * Counts the containers that are made for each service from now on. As they are made: the engine remembers only its last
 * 256 events, and health checks fill those within a minute.
 */
async function countMade(): Promise<{ made: Record<string, number>; stop: () => unknown }> {
  const stream = await docker.getEvents({
    filters: { type: ["container"], event: ["create"], label: [`lakestack.stack=${stackName}`] },
  });
  if (!(stream instanceof Readable)) throw new Error("The engine's events are no stream that can be ended");
  const made: Record<string, number> = {};
  const lines = createInterface({ input: stream });
  lines.on("line", (line) => {
    const { Actor } = JSON.parse(line) as { Actor: { Attributes: Record<string, string> } };
    const service = Actor.Attributes["lakestack.service"];
    if (service !== undefined) made[service] = (made[service] ?? 0) + 1;
  });
  return { made, stop: () => stream.destroy() };
}

/** A piece of a value that is long enough to know it by: PEM is broken into lines in more than one way. */
const piece = (value: string) => value.split("\n").reduce((a, b) => (b.length > a.length ? b : a));

const isRotating = async () => (await pulumi("config", "--json")).stdout.includes("lakestack:rotation");

beforeAll(async () => {
  outputs = old;
  oldSecrets = await keptSecrets();
  await put(objectsOf("Media", day));
  lent = await lend("catalog", oldSecrets.catalogObjectStoreKey);
  await listWithLent();
  // What only Airflow's database has, encrypted.
  await ask("POST", "/variables", { key: "precious", value: "kept by hand" });
  before = { rows: await rows(), runs: await runs() };
});

test("an unknown name is refused with those that there are, and changes nothing", async () => {
  const { code, output } = await startCommand("rotate", "passwords").finished;
  expect(code, output).toBe(1);
  expect(output).toContain('There is no secret "passwords"');
  expect(output).toContain("airflowFernetKey");
  expect(await keptSecrets()).toEqual(oldSecrets);
});

test("a chosen password is not replaced unless that is said", async () => {
  await pulumi("config", "set", "--secret", "airflowPassword", old.airflowPassword);
  const { code, output } = await startCommand("rotate", "all").finished;
  await pulumi("config", "rm", "airflowPassword");
  expect(code, output).toBe(1);
  expect(output).toContain("pulumi config set --secret airflowPassword");
  expect(await isRotating()).toBe(false);
});

test("npm run rotate -- all changes every secret, and starts each service anew once", async () => {
  const [ids, counter] = [await containerIds(), await countMade()];
  const { stdout, output, seconds } = await npmRun("rotate", "all");
  counter.stop();
  console.log(`npm run rotate -- all: ${seconds.toFixed(0)} s\n${stdout}`);
  secrets = await keptSecrets();
  outputs = await readOutputs();
  usePassword(outputs.airflowPassword);

  const names = Object.keys(oldSecrets) as (keyof SecretValues)[];
  expect(names.filter((name) => secrets[name] === oldSecrets[name])).toEqual([]);
  const said = Object.entries({ ...oldSecrets, ...secrets }).filter(([, value]) => output.includes(value));
  expect(said.map(([name]) => name)).toEqual([]);

  expect(counter.made).toEqual(Object.fromEntries(services.map((service) => [service, 1])));
  const now = await containerIds();
  for (const service of services) {
    expect(now[service], service).not.toBe(ids[service]);
    await healthy(service);
    expect((await container(service).inspect()).RestartCount, service).toBe(0);
  }
});

test("every row of every table, every run and what was kept in Airflow by hand are there", async () => {
  expect(await rows()).toEqual(before.rows);
  expect(await runs()).toEqual(expect.arrayContaining(before.runs));
  expect(await ask("GET", "/variables/precious")).toMatchObject({ value: "kept by hand" });
});

test("no old value is in any container, nor in the configuration", async () => {
  const { stdout } = await pulumi("stack", "export", "--show-secrets");
  const configuration = (await pulumi("config", "--json", "--show-secrets")).stdout;
  const used = (values: SecretValues, text: string) =>
    Object.entries<string>({ ...values })
      .filter(([, value]) => text.includes(piece(value)))
      .map(([name]) => name);
  // The new ones are found there, so the old ones would be.
  expect(used(secrets, stdout).length).toBeGreaterThan(15);
  expect(used(secrets, configuration)).toEqual(Object.keys(secrets));
  expect(used(oldSecrets, stdout)).toEqual([]);
  expect(used(oldSecrets, configuration)).toEqual([]);
  expect(await isRotating()).toBe(false);
  expect(await execute("airflow-api", ["cat", "/run/lakestack/former/fernet-key"])).toMatch(/^# /);
});

test("Trino, Airflow, the object store and PostgreSQL refuse the old passwords and keys, and take the new ones", async () => {
  for (const [user, oldPassword, password] of [
    [outputs.trinoUser, oldSecrets.trinoPassword, secrets.trinoPassword],
    ["airflow", oldSecrets.airflowTrinoPassword, secrets.airflowTrinoPassword],
  ] as const) {
    await expect(queryAs(user, oldPassword, "SELECT 1"), user).rejects.toThrow(/Access Denied|401/);
    expect(await queryAs(user, password, "SELECT 1"), user).toEqual([[1]]);
  }
  const { trinoUrl: url, trinoUser: user, trinoPassword: password } = outputs;
  await expect(queryAt({ url, user, password, ca: old.caCertificate }, "SELECT 1")).rejects.toThrow(
    /certificate/,
  );

  await expect(login(oldSecrets.airflowPassword)).rejects.toThrow("HTTP 401");
  expect(await login(secrets.airflowPassword)).toBeTruthy();

  for (const [name, oldKey, key] of [
    [outputs.objectStoreUser, oldSecrets.objectStorePassword, secrets.objectStorePassword],
    ["catalog", oldSecrets.catalogObjectStoreKey, secrets.catalogObjectStoreKey],
    ["spark", oldSecrets.sparkObjectStoreKey, secrets.sparkObjectStoreKey],
  ] as const) {
    const list = (secret: string) =>
      asUser(name, secret, (client) => client.send(new ListBucketsCommand({})));
    await expect(list(oldKey), name).rejects.toMatchObject({ name: "SignatureDoesNotMatch" });
    expect((await list(key)).$metadata.httpStatusCode, name).toBe(200);
  }
  await expect(listWithLent(), "a key that was lent before").rejects.toThrow();

  for (const [role, database, oldPassword, password] of [
    ["postgres", "postgres", oldSecrets.databasePassword, secrets.databasePassword],
    ["catalog", "catalog", oldSecrets.catalogDatabasePassword, secrets.catalogDatabasePassword],
    ["airflow", "airflow", oldSecrets.airflowDatabasePassword, secrets.airflowDatabasePassword],
  ] as const) {
    const refusal = await askDatabase(role, oldPassword, database, "SELECT 1");
    expect(refusal, role).toContain("password authentication failed");
    expect(await askDatabase(role, password, database, "SELECT 1"), role).toBe("1");
  }
});

test("a day is ingested, by a driver that knows the new keys", async () => {
  // A pipeline that is switched on for the first time has yesterday's run to do as well, which may have the driver.
  for (const time of ["01:00:05", "01:00:06"])
    await runToSuccess("etl_spark_media_daily", { id: `rotation-${time}`, logicalDate: `${day}T${time}Z` });
  const path = `/Media/${day.replaceAll("-", "/")}/`;
  const found = await query(
    `SELECT count(*) FROM iceberg.newtral.media WHERE source_file_name LIKE '%${path}%'`,
  );
  expect(Number(found[0]?.[0])).toBeGreaterThan(0);
  expect((await keptDrivers()).length).toBeGreaterThan(0);
});

test("the object store's root password by itself starts the store alone anew, and tables are read on", async () => {
  const read = () => query("SELECT count(DISTINCT id) FROM iceberg.newtral.media");
  const [counter, ids] = [await countMade(), await read()];
  await npmRun("rotate", "objectStorePassword");
  counter.stop();
  secrets = await keptSecrets();
  expect(counter.made).toEqual({ "object-store": 1 });
  // The catalog lends keys as before: the store's root has signed the earlier ones, which have ended.
  expect(await read()).toEqual(ids);
});

test("Ctrl-C in the middle of a rotation says how to go on, and npm run up completes it", async () => {
  const [api, counter] = [(await containerIds())["airflow-api"], await countMade()];
  const rotation = startCommand("rotate", "airflowFernetKey");
  await until("another airflow-api", 120, () => Promise.resolve(counter.made["airflow-api"] === 1));
  counter.stop();
  rotation.signal("SIGINT");
  const { code, signal, output } = await rotation.finished;
  expect([130, "SIGINT"], output).toContain(signal ?? code);
  expect(output).toContain("npm run rotate -- --finish");
  expect(await isRotating()).toBe(true);
  expect((await containerIds())["airflow-api"]).not.toBe(api);

  await npmRun("up");
  expect(await isRotating()).toBe(false);
  const now = await keptSecrets();
  expect(now.airflowFernetKey).not.toBe(secrets.airflowFernetKey);
  expect({ ...now, airflowFernetKey: "" }).toEqual({ ...secrets, airflowFernetKey: "" });
  expect(await execute("airflow-api", ["cat", "/run/lakestack/former/fernet-key"])).toMatch(/^# /);
  expect(await ask("GET", "/variables/precious")).toMatchObject({ value: "kept by hand" });
  await pulumi("preview", "--expect-no-changes");
});
