import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { caFile, shownAt } from "../../commands/certificate-facts";
import { query as queryAt } from "../../commands/trino-query";
import { createCertificate, remainingDays } from "../../infra/tls";
import { container } from "./docker";
import { keptSecrets, latestChanges, npmRun, outputs, pulumi, shell } from "./lakestack";
import { stackName } from "./stack";
import { query } from "./trino";
import { until } from "./until";

/** What the other tests go on with. */
let before: string;
let scratch: string;
const ownCaFile = caFile(stackName);
let ownCa: string | undefined;

beforeAll(async () => {
  scratch = await mkdtemp(path.join(os.tmpdir(), "lakestack-certificates-"));
  before = await keptDocument();
  ownCa = await readFile(ownCaFile, "utf8").catch(() => undefined);
});

afterAll(async () => {
  await keep(before);
  await pulumi("up", "--yes", "--skip-preview");
  if (ownCa !== undefined) await writeFile(ownCaFile, ownCa);
  await rm(scratch, { recursive: true });
  // By the authority that all tests know.
  expect(await query("SELECT 1")).toEqual([[1]]);
});

const keptDocument = async () => (await pulumi("config", "get", "secrets")).stdout;

/** Puts secrets into the stack's configuration. No argument of a process says them. */
async function keep(document: string): Promise<void> {
  const file = path.join(scratch, "secrets");
  await writeFile(file, document.trim(), { mode: 0o600 });
  await shell(`pulumi config set --secret secrets --stack ${stackName} --non-interactive < '${file}'`);
}

/** What a client sees that trusts the authority which it has had all the time. */
async function shown() {
  const answer = await shownAt(outputs.trinoUrl, outputs.caCertificate);
  if (answer === undefined) throw new Error(`No TLS server answers at ${outputs.trinoUrl}`);
  return answer;
}

/** Which Trino it is, and since when it runs. */
async function trinoNow(): Promise<unknown> {
  const { Id, State } = await container("trino").inspect();
  return { Id, started: State.StartedAt, process: State.Pid };
}

test("npm run status and npm run certificates show the days that Trino's certificate has left", async () => {
  const { days } = (await shown()).certificate;
  expect(days).toBeGreaterThanOrEqual(30);
  for (const name of ["status", "certificates"]) {
    const { stdout } = await npmRun(name);
    expect(stdout).toMatch(
      new RegExp(
        `^Trino +localhost, 127\\.0\\.0\\.1, trino, .* Lakestack local authority +${days} +\\d{4}-`,
        "m",
      ),
    );
    expect(stdout).not.toMatch(/ends in|has ended/);
  }
  expect((await npmRun("certificates")).stdout).toMatch(
    /^authority +Lakestack local authority .* 3\d{3} +\d{4}-/m,
  );
});

test("--renew gives a Trino that goes on running another certificate, which clients take as they took the old one", async () => {
  const [old, trino, authority] = [await shown(), await trinoNow(), (await keptSecrets()).caCertificate];
  const { stdout } = await npmRun("certificates", "--renew");
  expect(stdout).toContain("In effect: Trino shows the new certificate.");
  const renewed = await shown();
  expect(renewed.certificate.serial).not.toBe(old.certificate.serial);
  expect(renewed.distrust).toBeUndefined();
  expect(await query("SELECT 1")).toEqual([[1]]);
  expect((await keptSecrets()).caCertificate).toBe(authority);
  expect(await trinoNow()).toEqual(trino);
});

test("a bare pulumi up renews a certificate that is about to expire, without a restart, and then leaves it", async () => {
  const trino = await trinoNow();
  const secrets = await keptSecrets();
  const authority = { certificate: secrets.caCertificate, key: secrets.caKey };
  const short = await createCertificate(authority, ["localhost", "127.0.0.1", "trino"], 20);
  await keep(JSON.stringify({ ...secrets, trinoCertificate: short.certificate, trinoKey: short.key }));

  await pulumi("up", "--yes", "--skip-preview");
  const { trinoCertificate } = await keptSecrets();
  expect(remainingDays(trinoCertificate)).toBeGreaterThan(390);
  const { certificate } = await until("Trino shows the new certificate", 30, async () => {
    const now = await shown();
    return now.certificate.days > 390 && now;
  });
  const serial = certificate.serial;
  expect(await query("SELECT 1")).toEqual([[1]]);
  expect(await trinoNow()).toEqual(trino);

  await pulumi("up", "--yes", "--skip-preview");
  expect(Object.keys(await latestChanges())).toEqual(["same"]);
  expect((await shown()).certificate.serial).toBe(serial);
});

test("--renew-authority replaces it everywhere, and clients need the new one from then on", async () => {
  const { stdout } = await npmRun("certificates", "--renew-authority");
  expect(stdout).toContain("give each of them the new one");
  const now = await readFile(ownCaFile, "utf8");
  expect(now).not.toBe(outputs.caCertificate);
  expect((await pulumi("stack", "output", "caCertificate")).stdout.trim()).toBe(now.trim());
  expect((await shown()).distrust).toBeDefined();
  await expect(query("SELECT 1")).rejects.toThrow(/certificate/);
  const { trinoUrl: url, trinoUser: user, trinoPassword: password } = outputs;
  expect(await queryAt({ url, user, password, ca: now }, "SELECT 1")).toEqual([[1]]);
  expect((await npmRun("status")).stdout).toMatch(/^authority +Lakestack local authority .* 3\d{3} /m);
});
