import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import * as path from "node:path";
import { parse, stringify } from "yaml";
import { projectFolder, toolFolder } from "../../toolchain/project";

/**
 * The tests' own stack. Nothing of it, state and passphrase included, is shared with a stack that people use. Two clones
 * on one engine need another name, beginning with "e2e", and other ports.
 */
export const stackName = process.env["LAKESTACK_E2E_STACK"] ?? "e2e";

/** Its ports: the usual ones, this much higher. Another number lets two clones be tested at the same time. */
const portShift = Number(process.env["LAKESTACK_E2E_PORT_SHIFT"] ?? 10_000);

export const ports = {
  trinoPort: 8443 + portShift,
  airflowPort: 8081 + portShift,
  sparkMasterPort: 5050 + portShift,
  sparkWorkerPort: 5051 + portShift,
  sparkDriverPort: 4050 + portShift,
  sparkHistoryPort: 18080 + portShift,
  objectStorePort: 9000 + portShift,
  objectStoreConsolePort: 9090 + portShift,
  catalogPort: 19120 + portShift,
};

/**
 * A second stack, for the test that copies from one to the other: of its services only store, database, catalog and Trino run.
 * It has the same state folder and passphrase, and ports of its own.
 */
export const otherStack = `${stackName}-other`;
export const otherConfigFile = path.join(projectFolder, `Pulumi.${otherStack}.yaml`);
export const otherPorts = Object.fromEntries(Object.entries(ports).map(([key, port]) => [key, port + 200]));

/** Services of the stack, as containers are labelled. */
export const services = [
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
];

export const configFile = path.join(projectFolder, `Pulumi.${stackName}.yaml`);
export const passphraseFile = path.join(toolFolder, "e2e-passphrase");
export const sourcesFile = path.join(toolFolder, "e2e-sources.yaml");
export const stateFolder = path.join(toolFolder, "e2e-state");
export const screenshotFolder = path.join(toolFolder, "screenshots");

/** What makes every command, ours and pulumi, work on this stack and on no other. */
export const stackEnvironment: Record<string, string> = {
  LAKESTACK_STACK: stackName,
  PULUMI_BACKEND_URL: `file://${stateFolder}`,
  PULUMI_CONFIG_PASSPHRASE_FILE: passphraseFile,
};

/** A source beside the usual ones: its prefix is nowhere in the bucket. */
const nowhere = {
  name: "nowhere",
  bucket: "source",
  prefix: "Nowhere/",
  table: "newtral.nowhere",
  key: ["id"],
  columns: { id: "varchar" },
};

/** Articles that come all day long. Two small files are compacted already, and a day without objects is no failure. */
const live = {
  name: "live",
  prefix: "Live/",
  table: "newtral.live",
  schedule: "every 15 minutes",
  onEmpty: "skip",
  maintenance: { smallFiles: 2 },
};

/** One whose batches are checked before anybody sees them. */
const audited = {
  name: "audited",
  bucket: "source",
  prefix: "Audited/",
  table: "newtral.audited",
  key: ["id"],
  columns: { id: "varchar", price: "integer" },
  checks: [{ check: "range", columns: ["price"], least: 0, onFailure: "block" }],
};

/** What the tests declare beside what sources.yaml does, by the name of the source. */
const additions: Record<string, object> = {
  media: {
    checks: [
      { check: "unique", columns: ["id"], onFailure: "fail" },
      { check: "notNull", columns: ["title"] },
      { check: "rowCount", least: 1, days: 3 },
    ],
  },
  // Comments of the sample have no sentiment.
  tiktokcomment: { checks: [{ check: "notNull", columns: ["id", "sentiment"], onFailure: "fail" }] },
};

/** Writes the stack's configuration, sources, passphrase and state folder, unless they are there. */
export async function configure(): Promise<void> {
  await mkdir(stateFolder, { recursive: true });
  if (!existsSync(passphraseFile)) {
    await writeFile(passphraseFile, randomBytes(24).toString("hex"), { mode: 0o600 });
  }
  const { sources } = parse(await readFile(path.join(projectFolder, "sources.yaml"), "utf8")) as {
    sources: { name: string }[];
  };
  const declared = sources.map((source) => ({ ...source, ...additions[source.name] }));
  const media = sources.find(({ name }) => name === "media");
  await writeFile(
    sourcesFile,
    stringify({ sources: [...declared, nowhere, { ...media, ...live }, audited] }),
  );
  if (existsSync(configFile)) return;
  const settings = {
    platform: "docker",
    sourcesFile: path.relative(projectFolder, sourcesFile),
    sparkWorkers: 2,
    // All that a stack can have.
    audit: true,
    ...ports,
  };
  const config = Object.fromEntries(
    Object.entries(settings).map(([key, value]) => [`lakestack:${key}`, value]),
  );
  await writeFile(configFile, stringify({ config }));
}

/** Forgets the stack: for when nothing of it is left in Docker. */
export async function forget(): Promise<void> {
  for (const trace of [stateFolder, passphraseFile, sourcesFile, configFile, otherConfigFile]) {
    await rm(trace, { recursive: true, force: true });
  }
}
