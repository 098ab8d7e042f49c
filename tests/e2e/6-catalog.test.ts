import { createHmac } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type CatalogCaller, catalogCallers } from "../../infra/catalog-access";
import { generateTokenKey, signToken, tokenPublicKey } from "../../infra/catalog-tokens";
import { catalogTokens } from "../../infra/secrets";
import { askCatalog, askOnce, type CatalogRequest } from "./catalog";
import { keptSecrets, outputs } from "./lakestack";
import { query } from "./trino";

const tables = "/iceberg/v1/main%7Cwarehouse/namespaces/newtral/tables";
const trees = "/api/v2/trees";
const branch = "audit_rights_0";

let key: string;
const tokens = {} as Record<CatalogCaller, string>;

beforeAll(async () => {
  const secrets = await keptSecrets();
  key = secrets.catalogTokenKey;
  for (const caller of catalogCallers) tokens[caller] = secrets[catalogTokens[caller]];
  await query("CREATE TABLE iceberg.newtral.rights AS SELECT 1 AS n");
});

afterAll(async () => {
  await query("DROP TABLE IF EXISTS iceberg.newtral.rights");
});

/** The same claims, signed with what everybody may know, as if it were a shared secret. */
function signedWithPublicKey(token: string): string {
  const header = Buffer.from(JSON.stringify({ alg: "HS256", typ: "JWT" })).toString("base64url");
  const signed = `${header}.${token.split(".")[1] ?? ""}`;
  return `${signed}.${createHmac("sha256", tokenPublicKey(key)).update(signed).digest("base64url")}`;
}

/** The claims of one caller with the signature of another's. */
function grafted(claimsOf: string, signatureOf: string): string {
  return [...claimsOf.split(".").slice(0, 2), signatureOf.split(".")[2]].join(".");
}

test("nobody gets an answer without a token, or with one that is forged or has ended", async () => {
  const unsigned = `${Buffer.from('{"alg":"none"}').toString("base64url")}.${tokens.spark.split(".")[1] ?? ""}.`;
  const callers: [string, string | undefined][] = [
    ["nobody", undefined],
    ["a word", "word"],
    ["another key", signToken(generateTokenKey(), "spark")],
    ["ended", signToken(key, "spark", -1)],
    ["unsigned", unsigned],
    ["signed with the public key", signedWithPublicKey(tokens.spark)],
    ["another's claims", grafted(tokens.spark, tokens.outside)],
  ];
  const paths = ["/iceberg/v1/config?warehouse=warehouse", tables, trees, "/api/v2/config"];
  const requests = callers.flatMap(([, token]) => paths.map((path) => ({ method: "GET", path, token })));
  const answers = await askCatalog(...requests);
  const seen = callers.map(([who], index) => [
    who,
    ...answers.slice(index * paths.length, (index + 1) * paths.length).map(({ status }) => status),
  ]);
  expect(seen).toEqual(callers.map(([who]) => [who, ...paths.map(() => 401)]));
  const good = paths.map((path) => ({ method: "GET", path, token: tokens.outside }));
  expect((await askCatalog(...good)).map(({ status }) => status)).toEqual(paths.map(() => 200));
});

test("the token among the outputs is the one for programs from outside", () => {
  expect(outputs.catalogToken).toBe(tokens.outside);
});

/** What is tried, in this order: reads, changes of tables on both branches, and what is done to branches themselves. */
async function attempts(): Promise<Record<string, Omit<CatalogRequest, "token">>> {
  const answer = await askOnce({ method: "GET", path: `${trees}/main`, token: tokens.spark });
  const { reference } = JSON.parse(answer.text) as { reference: { hash: string } };
  const spelt = `${trees}/main@${reference.hash}?type=BRANCH`;
  const property = { updates: [{ action: "set-properties", updates: { tried: "yes" } }], requirements: [] };
  const onBranch = tables.replace("main", branch);
  return {
    list: { method: "GET", path: tables },
    load: { method: "GET", path: `${tables}/rights` },
    history: { method: "GET", path: `${trees}/main/history?max-records=1` },
    change: { method: "POST", path: `${tables}/rights`, body: property },
    changeOnBranch: { method: "POST", path: `${onBranch}/rights`, body: property },
    dropOnBranch: { method: "DELETE", path: `${onBranch}/rights` },
    makeAuditBranch: {
      method: "POST",
      path: `${trees}?name=audit_rights_1&type=BRANCH`,
      body: { type: "BRANCH", name: "main", hash: reference.hash },
    },
    removeAuditBranch: { method: "DELETE", path: `${trees}/audit_rights_1@${reference.hash}?type=BRANCH` },
    makeOtherBranch: {
      method: "POST",
      path: `${trees}?name=other&type=BRANCH`,
      body: { type: "BRANCH", name: "main", hash: reference.hash },
    },
    setMainBack: {
      method: "PUT",
      path: spelt,
      body: { type: "BRANCH", name: "main", hash: reference.hash },
    },
    readConfiguration: { method: "GET", path: "/api/v2/config/repository?type=GARBAGE_COLLECTOR" },
  };
}

/** Who may do what. Everything else is refused. */
const allowed: Record<CatalogCaller, readonly string[]> = {
  trino: ["list", "load", "history", "change"],
  spark: ["list", "load", "history", "change", "changeOnBranch", "makeAuditBranch", "removeAuditBranch"],
  outside: ["list", "load", "history", "change"],
};

describe("a caller of the catalog", () => {
  beforeAll(async () => {
    const [main] = await askCatalog({ method: "GET", path: `${trees}/main`, token: tokens.spark });
    const { reference } = JSON.parse(main?.text ?? "") as { reference: object };
    const path = `${trees}?name=${branch}&type=BRANCH`;
    const made = await askOnce({ method: "POST", path, token: tokens.spark, body: reference });
    expect(made.status, made.text).toBe(200);
  });
  afterAll(async () => {
    const found = await askOnce({ method: "GET", path: `${trees}/${branch}`, token: tokens.spark });
    const { reference } = JSON.parse(found.text) as { reference: { hash: string } };
    const path = `${trees}/${branch}@${reference.hash}?type=BRANCH`;
    const removed = await askOnce({ method: "DELETE", path, token: tokens.spark });
    expect(removed.status, removed.text).toBe(200);
  });

  test.each(catalogCallers)("%s may do what is declared, and nothing else", async (caller) => {
    const tried = await attempts();
    const answers = await askCatalog(
      ...Object.values(tried).map((request) => ({ ...request, token: tokens[caller] })),
    );
    const seen = Object.fromEntries(
      Object.keys(tried).map((name, index) => [name, outcome(answers[index])] as const),
    );
    expect(seen).toEqual(
      Object.fromEntries(
        Object.keys(tried).map((name) => {
          const may = allowed[caller].includes(name);
          // A branch that could not be made can't be removed either.
          const missing = name === "removeAuditBranch" && !may;
          return [name, may ? "done" : missing ? "no such branch" : "refused"];
        }),
      ),
    );
  });
});

/** Nessie's Iceberg interface tells a refusal with status 500. */
function outcome(answer: { status: number; text: string } | undefined): string {
  if (answer === undefined) return "no answer";
  if (answer.status < 300) return "done";
  if (/is not allowed for/.test(answer.text)) return "refused";
  if (answer.status === 404) return "no such branch";
  return `${answer.status} ${answer.text}`;
}

test("Trino writes and drops tables, and is refused what it may not without taking harm", async () => {
  await query("CREATE TABLE iceberg.newtral.rights_too AS SELECT 1 AS n");
  await query("INSERT INTO iceberg.newtral.rights_too VALUES 2");
  expect(await query("SELECT sum(n) FROM iceberg.newtral.rights_too")).toEqual([[3]]);
  await query("DROP TABLE iceberg.newtral.rights_too");
  await expect(query("SELECT * FROM iceberg.newtral.rights_too")).rejects.toThrow(/does not exist/);
});
