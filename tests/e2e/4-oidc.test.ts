import { rm, writeFile } from "node:fs/promises";
import * as path from "node:path";
import type { Browser, Page } from "playwright-core";
import { Trino } from "trino-client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { projectFolder, toolFolder } from "../../toolchain/project";
import { ask as askAirflow } from "./airflow";
import { executablePath, openBrowser, takePicture } from "./browser";
import { askCatalog, askOnce } from "./catalog";
import { caFile, clientFile, jdbcJar, jdbcUrl, runClient } from "./client-container";
import { container, containerName, demultiplexed, docker, healthy, networksOf } from "./docker";
import { issuer, issuerHost, Keycloak } from "./keycloak";
import { clientId, groupRoles, otherProgramId, people, programId } from "./keycloak-realm";
import { outputs, pulumi } from "./lakestack";
import { ports } from "./stack";
import { query } from "./trino";
import { until } from "./until";

const noBrowser = "no Chrome, Chromium or Edge on this machine: install one, or set CHROME_PATH";
const authorityFile = path.join(toolFolder, "e2e-issuer-ca.pem");
const comments = "iceberg.newtral.tiktokcomment";
/** By which clients inside the stack call Trino, and therefore their person's browser. */
const trinoInside = "trino:8443";

let keycloak: Keycloak;
/** Whether there is something to take back. */
let isThere = false;
let browser: Browser | undefined;

/** The settings of which the issuer consists, for `pulumi config set`. */
const settings = (secret: string): string[][] => [
  ["oidcIssuer", issuer],
  ["oidcClientId", clientId],
  ["--secret", "oidcClientSecret", secret],
  ["oidcAuthoritiesFile", path.relative(projectFolder, authorityFile)],
  ...Object.entries(groupRoles).map(([group, role]) => ["--path", `oidcGroups["${group}"]`, role]),
  // By name, since she is in no group; and without a password here.
  ["--path", `users["${people.declared.name}"]`, "analyst"],
];

beforeAll(async () => {
  const asking = await Promise.all(["trino", "catalog", "airflow-api"].map(networksOf));
  keycloak = await Keycloak.start(
    [...new Set(asking.flat())],
    [
      `https://localhost:${ports.trinoPort}/oauth2/callback`,
      `https://${trinoInside}/oauth2/callback`,
      `${outputs.airflowUrl}/auth/oauth-authorized/oidc`,
    ],
  );
  isThere = true;
  await writeFile(authorityFile, keycloak.authority);
  for (const setting of settings(keycloak.secrets.clientSecret)) await pulumi("config", "set", ...setting);
  await pulumi("up", "--yes", "--skip-preview");
  if (executablePath !== undefined)
    browser = await openBrowser({
      [issuerHost]: `127.0.0.1:${await keycloak.port()}`,
      [trinoInside]: `127.0.0.1:${ports.trinoPort}`,
    });
}, 1_800_000);

afterAll(async () => {
  await browser?.close();
  if (!isThere) return;
  for (const key of ["oidcIssuer", "oidcClientId", "oidcClientSecret", "oidcAuthoritiesFile", "oidcGroups"])
    await pulumi("config", "rm", key);
  await pulumi("config", "rm", "--path", `users["${people.declared.name}"]`);
  await pulumi("up", "--yes", "--skip-preview");
  await keycloak.remove();
  await rm(authorityFile, { force: true });
  expect(await query("SELECT 1"), "as before").toEqual([[1]]);
}, 1_800_000);

/** Runs a statement with a token of the issuer's in place of a password. */
async function queryWith(token: string, name: string, statement: string): Promise<unknown[][]> {
  const trino = Trino.create({
    server: outputs.trinoUrl,
    source: "e2e",
    ssl: { ca: outputs.caCertificate },
    extraHeaders: { Authorization: `Bearer ${token}`, "X-Trino-User": name },
  });
  const rows: unknown[][] = [];
  for await (const page of await trino.query(statement)) {
    if (page.error) throw new Error(page.error.message);
    rows.push(...((page.data ?? []) as unknown[][]));
  }
  return rows;
}

const queryAs = async ({ name }: { name: string }, statement: string) =>
  queryWith(await keycloak.tokenOf(name), name, statement);

/** Runs the driver in a container; without a token it waits for somebody with a browser. */
const jdbc = (name: string, statement: string, token?: string) =>
  runClient(
    ["java", "-cp", jdbcJar, clientFile("IssuerLogin.java"), jdbcUrl, caFile, statement],
    token === undefined ? {} : { ACCESS_TOKEN: token },
    {},
    { name },
  );

/** Does something in a page that knows of nobody; anew where the browser was disturbed by containers that came or went. */
async function inNewPage<T>(work: (page: Page) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const context = await (browser as Browser).newContext({
      ignoreHTTPSErrors: true,
      viewport: { width: 1280, height: 800 },
    });
    try {
      const page = await context.newPage();
      page.setDefaultTimeout(60_000);
      return await work(page);
    } catch (error) {
      const pages = context.pages();
      const seen = (await Promise.all(pages.map((page) => page.content().catch(() => "")))).join("");
      const disturbed = `${String(error)}${seen}`.includes("ERR_NETWORK_CHANGED");
      if (!disturbed || attempt === 4) throw error;
    } finally {
      await context.close();
    }
  }
}

/** Fills in the issuer's form. */
async function logIn(page: Page, { name }: { name: string }): Promise<void> {
  await page.locator("#username").fill(name);
  await page.locator("#password").fill(keycloak.secrets.password);
  await page.locator("#kc-login").click();
}

describe("Trino", () => {
  const seen = `SELECT min("user".username), max("user".username) FROM ${comments}`;

  test("takes the issuer's tokens, and shows each role what it may see: masks to analysts only", async () => {
    const [[least, most] = []] = await query(seen);
    expect(await queryAs(people.admin, seen)).toEqual([[least, most]]);
    expect(await queryAs(people.etl, seen)).toEqual([[least, most]]);
    expect(await queryAs(people.analyst, seen)).toEqual([["***", "***"]]);
    expect(await queryAs(people.analyst, "SELECT current_user")).toEqual([[people.analyst.name]]);
  });

  test("gives each role its rights and limits", async () => {
    const make = "CREATE TABLE iceberg.newtral.by_issuer AS SELECT 1 AS n";
    await expect(queryAs(people.analyst, make)).rejects.toThrow(/Access Denied/);
    await queryAs(people.etl, make);
    await queryAs(people.etl, "ALTER TABLE iceberg.newtral.by_issuer EXECUTE optimize");
    await queryAs(people.etl, "DROP TABLE iceberg.newtral.by_issuer");
    await expect(queryAs(people.etl, "SELECT * FROM system.runtime.tasks")).rejects.toThrow(/Access Denied/);
    expect(await queryAs(people.admin, "SELECT count(*) >= 0 FROM system.runtime.tasks")).toEqual([[true]]);
    const limit = async (person: { name: string }) =>
      (await queryAs(person, "SHOW SESSION LIKE 'query_max_execution_time'"))[0]?.[1];
    expect(await limit(people.analyst)).toBe("30.00m");
    expect(await limit(people.etl)).toBe("12h");
    await expect(
      queryAs(people.analyst, "ALTER TABLE iceberg.newtral.media EXECUTE optimize"),
    ).rejects.toThrow(/table-maintenance-is-not-for-analysts/);
  });

  test("lets somebody in by name whom the configuration declares and no group does", async () => {
    expect(await queryAs(people.declared, seen)).toEqual([["***", "***"]]);
  });

  test("takes a program's own token", async () => {
    const token = await keycloak.tokenOfProgram();
    expect(await queryWith(token, programId, "SELECT current_user")).toEqual([[programId]]);
  });

  test("refuses groups that were not declared, whatever they are called, and people without one", async () => {
    for (const person of [people.stranger, people.groupless])
      await expect(queryAs(person, "SELECT 1"), person.name).rejects.toThrow(/Access Denied/);
  });

  test("refuses names of the stack's own, tokens that are forged or for others, and to be somebody else", async () => {
    await expect(queryAs(people.impostor, "SELECT 1")).rejects.toThrow(/401/);
    const token = await keycloak.tokenOf(people.admin.name);
    await expect(queryWith(`${token.slice(0, -8)}AAAAAAAA`, "ada", "SELECT 1")).rejects.toThrow(/401/);
    await expect(queryWith(token, outputs.trinoUser, "SELECT 1")).rejects.toThrow(/cannot impersonate/);
    const forOthers = await keycloak.tokenOfProgram(otherProgramId);
    await expect(queryWith(forOthers, otherProgramId, "SELECT 1")).rejects.toThrow(/401/);
  });

  test("shows views by their readers' rights, which people of the issuer's have to ask for", async () => {
    const view = "iceberg.newtral.by_issuer_view";
    await queryAs(
      people.etl,
      `CREATE VIEW ${view} SECURITY INVOKER AS SELECT count(*) AS n FROM ${comments}`,
    );
    try {
      expect(await queryAs(people.admin, `SELECT n > 0 FROM ${view}`)).toEqual([[true]]);
    } finally {
      await queryAs(people.etl, `DROP VIEW ${view}`);
    }
  });

  test("still takes passwords", async () => {
    expect(await query("SELECT current_user")).toEqual([[outputs.trinoUser]]);
  });

  test("the JDBC driver gets in with a token", async () => {
    const token = await keycloak.tokenOf(people.analyst.name);
    const { code, output } = await jdbc("jdbc-token", `SELECT min("user".username) FROM ${comments}`, token);
    expect(code, output).toBe(0);
    expect(output).toContain("row: ***");
  });

  test("the JDBC driver sends people to the issuer with their browser", async ({ skip }) => {
    if (browser === undefined) skip(noBrowser);
    const name = "jdbc-browser";
    const driver = jdbc(name, "SELECT current_user");
    const address = await until("the driver says where to go", 120, async () => {
      const written = await docker.getContainer(containerName(name)).logs({ stdout: true, follow: false });
      return /https:\/\/trino:8443\/oauth2\/token\/initiate\/\w+/.exec(demultiplexed(written))?.[0];
    });
    await inNewPage(async (page) => {
      await page.goto(address);
      await logIn(page, people.etl);
      await page.getByText("OAuth2 authentication succeeded").waitFor();
    });
    const { code, output } = await driver;
    expect(code, output).toBe(0);
    expect(output).toContain(`row: ${people.etl.name}`);
  });

  test("its page sends people to the issuer, and knows them afterwards", async ({ skip }) => {
    if (browser === undefined) skip(noBrowser);
    await inNewPage(async (page) => {
      await page.goto(`${outputs.trinoUrl}/ui/`);
      await logIn(page, people.admin);
      await page.getByText("Cluster Overview").first().waitFor();
      await takePicture(page, "oidc-trino");
    });
  });
});

describe("the catalog", () => {
  const table = "/iceberg/v1/main%7Cwarehouse/namespaces/newtral/tables/media";
  const load = async (name: string) =>
    askOnce({ method: "GET", path: table, token: await keycloak.tokenOf(name) });

  test("takes tokens of the issuer from those who see tables as they are", async () => {
    for (const { name } of [people.admin, people.etl]) expect((await load(name)).status, name).toBe(200);
    const token = await keycloak.tokenOfProgram();
    expect((await askOnce({ method: "GET", path: table, token })).status).toBe(200);
  });

  test("lends them keys with which PyIceberg reads a table", async () => {
    const token = await keycloak.tokenOf(people.etl.name);
    const { code, output } = await runClient(
      [
        ...["python", clientFile("read_table.py"), "http://catalog:19120/iceberg/", "warehouse"],
        ...["newtral.media", clientFile("token")],
      ],
      {},
      { token },
    );
    expect(code, output).toBe(0);
    const [[rows] = []] = await query("SELECT count(*) FROM iceberg.newtral.media");
    expect(output.split("\n").filter((line) => line.startsWith("row: "))).toHaveLength(Number(rows));
  });

  test("refuses analysts, who would see what is masked, and everybody without a declared group", async () => {
    const refused = [people.analyst, people.declared, people.stranger, people.groupless, people.impostor];
    for (const { name } of refused) {
      const answer = await load(name);
      expect(answer.status, answer.text).not.toBe(200);
      expect(answer.text, name).toContain("is not allowed for role");
    }
  });

  test("refuses tokens that are forged or for others, and goes on taking the stack's own", async () => {
    const forged = `${(await keycloak.tokenOf(people.admin.name)).slice(0, -8)}AAAAAAAA`;
    const forOthers = await keycloak.tokenOfProgram(otherProgramId);
    const answers = await askCatalog(
      ...[forged, forOthers, outputs.catalogToken].map((token) => ({ method: "GET", path: table, token })),
    );
    expect(answers.map(({ status }) => status)).toEqual([401, 401, 200]);
  });
});

describe("Airflow", () => {
  interface Seen {
    name: string | undefined;
    menus: string[];
  }

  /** Logs in at the page. @returns what Airflow then says of the person. */
  const visit = (person: { name: string }) =>
    inNewPage(async (page): Promise<Seen> => {
      await page.goto(outputs.airflowUrl);
      await page.getByText("Sign In with oidc").click();
      await logIn(page, person);
      await page
        .getByText("Invalid login")
        .or(page.getByRole("link", { name: "Dags", exact: true }))
        .first()
        .waitFor();
      await takePicture(page, `oidc-airflow-${person.name}`);
      const asked = (path: string) =>
        page.evaluate(async (from): Promise<unknown> => {
          const answer = await fetch(from);
          return answer.ok ? answer.json() : undefined;
        }, path);
      const [me, menus] = [await asked("/ui/auth/me"), await asked("/ui/auth/menus")];
      return {
        name: (me as { username: string } | undefined)?.username,
        menus: (menus as { authorized_menu_items: string[] } | undefined)?.authorized_menu_items ?? [],
      };
    });

  test("lets people in by the issuer, each with the role of their group", async ({ skip }) => {
    if (browser === undefined) skip(noBrowser);
    const admin = await visit(people.admin);
    expect(admin.name).toBe(people.admin.name);
    expect(admin.menus).toEqual(expect.arrayContaining(["Audit Log", "Connections", "Pools"]));
    const etl = await visit(people.etl);
    expect(etl.name).toBe(people.etl.name);
    expect(etl.menus).toContain("Pools");
    expect(etl.menus).not.toContain("Audit Log");
    for (const person of [people.analyst, people.declared]) {
      const analyst = await visit(person);
      expect(analyst.name).toBe(person.name);
      expect(analyst.menus).toContain("Dags");
      expect(analyst.menus).not.toContain("Connections");
    }
  });

  test("refuses people without a declared group, and names of the stack's own", async ({ skip }) => {
    if (browser === undefined) skip(noBrowser);
    for (const person of [people.stranger, people.impostor])
      expect(await visit(person), person.name).toEqual({ name: undefined, menus: [] });
  });

  test("still takes the administrator's password: over REST, and at a page of its own", async ({ skip }) => {
    expect(await askAirflow("GET", "/dags?limit=1")).toHaveProperty("total_entries");
    if (browser === undefined) skip(noBrowser);
    await inNewPage(async (page) => {
      await page.goto(`${outputs.airflowUrl}/auth/password/login/`);
      await page.getByLabel("Username").fill(outputs.airflowUser);
      await page.getByLabel("Password").fill(outputs.airflowPassword);
      await page.getByRole("button", { name: "Sign In" }).click();
      await page.getByRole("link", { name: "Dags", exact: true }).first().waitFor();
    });
  });
});

test("while the issuer does not answer, passwords and the stack's own tokens get in, and the catalog starts", async () => {
  await keycloak.stop();
  try {
    expect(await query("SELECT 1")).toEqual([[1]]);
    expect(await askAirflow("GET", "/dags?limit=1")).toHaveProperty("total_entries");
    await container("catalog").restart();
    await healthy("catalog", 300);
    expect(await query("SELECT count(*) > 0 FROM iceberg.newtral.media")).toEqual([[true]]);
  } finally {
    await keycloak.start();
  }
  // It has asked for the issuer once more, in vain, when Trino came.
  await container("catalog").restart();
  await healthy("catalog", 300);
  const token = await keycloak.tokenOf(people.etl.name);
  const path = "/iceberg/v1/config?warehouse=warehouse";
  expect((await askOnce({ method: "GET", path, token })).status).toBe(200);
});

test("the client's secret is in no description of a container", async () => {
  for (const service of ["trino", "airflow-api", "catalog"]) {
    const description = JSON.stringify(await container(service).inspect());
    expect(description.includes(keycloak.secrets.clientSecret), service).toBe(false);
  }
});
