import {
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
} from "@aws-sdk/client-s3";
import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeBucket } from "../../infra/services/object-store-contents";
import { createAuthority, createCertificate } from "../../infra/tls";
import { sourcesFile } from "../../infra/services/airflow-settings";
import { sparkDefaultsFile } from "../../infra/services/spark";
import { allows, readPolicy } from "../aws/iam";
import { idsOf, manifestOf, objectsOf } from "../e2e/sample-data";
import { element, FakeAws, type Keys, region } from "./fake-aws";
import { makeAdministrator, makeRoles, podTokens } from "./identities";
import { agentAddress, Lakehouse, trustStoreOf } from "./lakehouse";
import { Production, roleArn } from "./production";
import { prefix, removeTraces } from "./traces";

const day = "2018-03-01";
const nextDay = "2018-03-02";
const media = "iceberg.newtral.media";
const copy = "iceberg.newtral.copy";

let aws: FakeAws;
let services: Lakehouse;
let production: Production;
let tokenOf: Record<string, string>;

beforeAll(async () => {
  production = await Production.evaluate();
  services = await Lakehouse.describe(production);
  await services.makeGround();
  const pods = podTokens(production.podRoles);
  tokenOf = pods.tokenOf;
  const authority = await createAuthority("A fake AWS");
  const ofRegion = (service: string) => `${service}.${region}.amazonaws.com`;
  const tls = await createCertificate(authority, [ofRegion("s3"), `*.${ofRegion("s3")}`, ofRegion("sts")]);
  const buckets = Object.values(production.buckets);
  aws = await FakeAws.start(`${prefix}-aws`, {
    tls: tls.key + tls.certificate,
    pods: pods.roleOf,
    network: {
      name: services.network,
      aliases: [ofRegion("s3"), ofRegion("sts"), ...buckets.map((bucket) => `${bucket}.${ofRegion("s3")}`)],
      ipv4Address: agentAddress,
    },
  });
  const trustStore = await trustStoreOf(authority.certificate, `${prefix}-keytool`);
  services.useIdentities(authority.certificate, trustStore, tokenOf);
  await fillAws();
  await services.start("database");
  await services.start("catalog");
  await Promise.all([services.startTrino(), startSpark()]);
});

afterAll(removeTraces);

async function startSpark(): Promise<void> {
  await services.start("spark-master");
  await services.start("spark-worker-1", "spark-worker");
}

/** The account as the stack's program makes it, with two days of data; from then on rights are checked. */
async function fillAws(): Promise<void> {
  aws.keys = await makeAdministrator(aws);
  await makeRoles(aws, production);
  const { warehouse, source, events, lineage } = production.buckets;
  const connection = {
    endpoint: aws.endpoint,
    region,
    accessKey: aws.keys.accessKeyId,
    secretKey: aws.keys.secretAccessKey,
  };
  await aws.checkRights();
  await makeBucket({ ...connection, bucket: warehouse });
  await makeBucket({ ...connection, bucket: source });
  await makeBucket({ ...connection, bucket: events, folders: ["spark-events/"] });
  await makeBucket({ ...connection, bucket: lineage });
  const client = aws.s3();
  for (const [Key, file] of [...objectsOf("Media", day), ...objectsOf("Media", nextDay)]) {
    await client.send(new PutObjectCommand({ Bucket: source, Key, Body: await readFile(file) }));
  }
  client.destroy();
}

interface Ingested {
  read: number;
  inserted: number;
}

/** Ingests a day as a task of the scheduler does. */
async function ingest(from: string, to: string): Promise<Ingested> {
  const { code, output } = await services.run("airflow-scheduler", [
    "spark-submit",
    ...[
      "--conf",
      "spark.cores.max=1",
      "--conf",
      "spark.log.level=WARN",
      "--conf",
      "spark.driver.memory=512m",
    ],
    "/opt/lakestack/jobs/lakestack_jobs/__main__.py",
    ...["ingest", "--source", "media", "--start", from, "--end", to],
  ]);
  const result = /^LAKESTACK_RESULT (.*)$/m.exec(output)?.[1];
  if (code !== 0 || result === undefined) throw new Error(`The job ended with ${code}:\n${output}`);
  return JSON.parse(result) as Ingested;
}

/** What the catalog tells whoever loads a table and asks for keys. */
interface LoadedTable {
  config: Record<string, string>;
  metadata: { location: string };
}

/** Asks the catalog's Iceberg REST API from inside the network, as Spark's jobs do. */
async function askCatalog<T>(path: string): Promise<T> {
  const url = `http://catalog:19120/iceberg/v1/${path}`;
  const header = "X-Iceberg-Access-Delegation: vended-credentials";
  const token = `$(sed -n 's/^spark.sql.catalog.iceberg.token //p' ${sparkDefaultsFile})`;
  const { code, output } = await services.run("airflow-scheduler", [
    "/bin/sh",
    "-c",
    `curl -fsS -H "Authorization: Bearer ${token}" -H "$1" "$2"`,
    "sh",
    header,
    url,
  ]);
  if (code !== 0) throw new Error(`The catalog did not answer at ${url}: ${output}`);
  return JSON.parse(output) as T;
}

async function loadTable(namespace: string, table: string): Promise<{ keys: Keys; location: string }> {
  const { defaults = {}, overrides = {} } = await askCatalog<Record<string, Record<string, string>>>(
    "config?warehouse=warehouse",
  );
  // As it stands in paths already.
  const prefixOfPaths = { ...defaults, ...overrides }["prefix"] ?? "";
  const { config, metadata } = await askCatalog<LoadedTable>(
    `${prefixOfPaths}/namespaces/${namespace}/tables/${table}`,
  );
  const keys = {
    accessKeyId: config["s3.access-key-id"] ?? "",
    secretAccessKey: config["s3.secret-access-key"] ?? "",
    sessionToken: config["s3.session-token"] ?? "",
  };
  return { keys, location: metadata.location };
}

/** Objects of a bucket whose names begin with a prefix. */
async function objects(bucket: string, Prefix: string): Promise<string[]> {
  const client = aws.s3();
  const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: bucket, Prefix }));
  client.destroy();
  return Contents.map(({ Key }) => Key ?? "");
}

/** Lines of a properties file that begin with one of the words. Each stack has tokens of its own. */
const linesOf = (text: string, ...words: string[]) =>
  text
    .split("\n")
    .filter((line) => words.some((word) => line.startsWith(word)) && !/^[\w.-]*\.token[= ]/.test(line));

describe("the services on a fake AWS that checks rights", () => {
  test("are told about S3 what they are told on AWS, and no more", () => {
    const both = (workload: string, path: string, ...words: string[]) =>
      [
        services.file(workload === "spark-worker" ? "spark-worker-1" : workload, path),
        production.file(workload, path),
      ].map((text) => linesOf(text, ...words));
    const files = [
      both("catalog", "/etc/nessie/application.properties", "nessie.catalog"),
      both("trino", "/etc/trino/catalog/iceberg.properties", ""),
      both("spark-worker", sparkDefaultsFile, "spark.hadoop.fs.s3a", "spark.sql.catalog", "spark.eventLog"),
      both("airflow-scheduler", sourcesFile, ""),
    ];
    for (const [here, onAws] of files) {
      expect(onAws?.length).toBeGreaterThan(3);
      expect(here).toEqual(onAws);
    }
  });

  test("ingest a day by Spark, of which Trino counts what the manifest says", async () => {
    const { rows, distinct_ids: ids } = manifestOf("Media", day);
    expect(await ingest(day, nextDay)).toMatchObject({ read: rows, inserted: ids });
    expect(await services.query(`SELECT count(*), count(DISTINCT id) FROM ${media}`)).toEqual([[ids, ids]]);
  });

  test("ingest two days, of which one is there: Spark reads the keys of the table and adds the other", async () => {
    const [first, both] = [idsOf("Media", [day]), idsOf("Media", [day, nextDay])];
    expect(await ingest(day, "2018-03-03")).toMatchObject({ inserted: both.size - first.size });
    expect(await services.query(`SELECT count(*) FROM ${media}`)).toEqual([[both.size]]);
  });

  test("write, change and drop a table by Trino", async () => {
    const ids = idsOf("Media", [day, nextDay]).size;
    await services.query(`CREATE TABLE ${copy} AS SELECT id, title FROM ${media}`);
    await services.query(`UPDATE ${copy} SET title = 'changed' WHERE id = (SELECT min(id) FROM ${copy})`);
    await services.query(`DELETE FROM ${copy} WHERE id = (SELECT max(id) FROM ${copy})`);
    expect(await services.query(`SELECT count(*), count_if(title = 'changed') FROM ${copy}`)).toEqual([
      [ids - 1, 1],
    ]);
    await services.query(`DROP TABLE ${copy}`);
    await expect(services.query(`SELECT count(*) FROM ${copy}`)).rejects.toThrow("TABLE_NOT_FOUND");
  });

  test("keep Spark's event logs, by the right of Spark's role", async () => {
    expect(await objects(production.buckets.events, "spark-events/")).toContainEqual(
      expect.stringMatching(/^spark-events\/.*app-\d+/),
    );
  });
});

test("the scheduler tells of lineage in its bucket, by its role, and can remove nothing of it", async () => {
  const event = JSON.stringify({ eventType: "START" });
  const { code, output } = await services.run("airflow-scheduler", ["python3", "-c", tell, event]);
  expect(code, output).toBe(0);
  const { lineage } = production.buckets;
  const [Key = "", ...others] = await objects(lineage, "");
  expect(others).toEqual([]);
  expect(Key).toMatch(/^\d{4}\/\d\d\/\d\d\/.*\.jsonl$/);
  const keys = await aws.keysOfPod(tokenOf["airflow-scheduler"] ?? "");
  const remove = (client: S3Client) => client.send(new DeleteObjectCommand({ Bucket: lineage, Key }));
  expect(await outcome(keys, remove)).toBe("AccessDenied");
});

/** Sends an event as Airflow's tasks do, by the settings that they have. */
const tell = `
import json, os, sys
sys.path.append("/opt/airflow/config")
from lakestack_lineage import BucketConfig, BucketTransport
settings = json.loads(os.environ["AIRFLOW__OPENLINEAGE__TRANSPORT"])
BucketTransport(BucketConfig.from_dict(settings)).add([sys.argv[1]])
`;

describe("the keys that the catalog lends", () => {
  test("are of the lending role, cut down by a policy for the one table", async () => {
    const { keys, location } = await loadTable("newtral", "media");
    expect(element(await aws.call("sts", { Action: "GetCallerIdentity" }, keys), "Arn")).toContain(
      "assumed-role/lakestack-prod-catalog-lending/",
    );
    const sessions = await aws.held<{ access_key_id: string; policy: string }>("sts", "AssumedRole");
    const session = sessions.find(({ access_key_id: id }) => id === keys.accessKeyId);
    const policies = [readPolicy(session?.policy ?? "")];
    const may = (action: string, url: string) =>
      allows(policies, { action, resource: url.replace("s3://", "arn:aws:s3:::") });
    const { warehouse, source } = production.buckets;
    expect(location).toMatch(`s3://${warehouse}/newtral/media`);
    for (const action of ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]) {
      expect(may(action, `${location}/data/file.parquet`), action).toBe(true);
      expect(may(action, `s3://${warehouse}/newtral/other_1/data/file.parquet`), action).toBe(false);
      expect(may(action, `s3://${source}/Media/file.json`), action).toBe(false);
    }
  });

  test("open the table's objects, and not the bucket of the source data", async () => {
    const { keys, location } = await loadTable("newtral", "media");
    const { warehouse, source } = production.buckets;
    const [Key = ""] = await objects(warehouse, location.replace(`s3://${warehouse}/`, ""));
    expect(await outcome(keys, get(warehouse, Key))).toBe("done");
    const [sourceKey = ""] = objectsOf("Media", day).keys();
    expect(await outcome(keys, get(source, sourceKey))).toBe("AccessDenied");
  });
});

describe("a pod's role, with the policies of the stack on AWS", () => {
  const [Key = ""] = objectsOf("Media", day).keys();
  const lend = { Action: "AssumeRole", RoleArn: roleArn("catalog-lending"), RoleSessionName: "lent" };

  test("lets Spark read the source and write event logs, and nothing else", async () => {
    const keys = await aws.keysOfPod(tokenOf["spark-worker"] ?? "");
    const { warehouse, source, events } = production.buckets;
    expect({
      readSource: await outcome(keys, get(source, Key)),
      writeSource: await outcome(keys, put(source)),
      writeEvents: await outcome(keys, put(events)),
      writeTables: await outcome(keys, put(warehouse)),
      listTables: await outcome(keys, list(warehouse)),
    }).toEqual({
      readSource: "done",
      writeSource: "AccessDenied",
      writeEvents: "done",
      writeTables: "AccessDenied",
      listTables: "AccessDenied",
    });
    await expect(aws.call("sts", lend, keys)).rejects.toThrow("AccessDenied");
  });

  test("lets the catalog, and nobody else, take the role that it lends", async () => {
    const keys = await aws.keysOfPod(tokenOf["catalog"] ?? "");
    expect(element(await aws.call("sts", lend, keys), "AccessKeyId")).toMatch(/^ASIA/);
    const other = { ...lend, RoleArn: roleArn("spark") };
    await expect(aws.call("sts", other, keys)).rejects.toThrow("AccessDenied");
    expect(await outcome(keys, get(production.buckets.source, Key))).toBe("AccessDenied");
    // Who has all rights but is not the catalog is turned away by the role itself.
    await expect(aws.call("sts", lend)).rejects.toThrow("AccessDenied");
  });
});

/** How S3 takes a request with some keys: "done", or the name of its refusal. */
async function outcome(keys: Keys, request: (client: S3Client) => Promise<unknown>): Promise<string> {
  const client = aws.s3(keys);
  try {
    await request(client);
    return "done";
  } catch (error) {
    return (error as Error).name;
  } finally {
    client.destroy();
  }
}

const get = (Bucket: string, Key: string) => async (client: S3Client) => {
  const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }));
  // Read to its end, or closing the client breaks the answer off.
  await Body?.transformToByteArray();
};
const put = (Bucket: string) => (client: S3Client) =>
  client.send(new PutObjectCommand({ Bucket, Key: "spark-events/test", Body: "text" }));
const list = (Bucket: string) => (client: S3Client) => client.send(new ListObjectsV2Command({ Bucket }));
