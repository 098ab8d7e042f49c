import { readdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import * as path from "node:path";
import { buffer } from "node:stream/consumers";
import { beforeAll, expect, test } from "vitest";
import { toolFolder } from "../../toolchain/project";
import { container, docker, logs } from "./docker";
import { keptSecrets, pulumi } from "./lakestack";
import { applications, environmentPage, historyUrl } from "./spark";
import { configFile, services, stateFolder } from "./stack";

/** Values that were generated beside the secrets and that everybody may see. */
const open = new Set(["caCertificate", "trinoCertificate", "databaseCertificate", "databaseAuthority"]);

/** A piece of each secret that is long enough to know it by, by the secret's name. */
let secrets: [name: string, piece: string][];

beforeAll(async () => {
  secrets = Object.entries<string>({ ...(await keptSecrets()) })
    .filter(([name]) => !open.has(name))
    .map(([name, value]) => [name, longestLine(value)]);
  expect(secrets.length).toBeGreaterThan(10);
});

/** A key in PEM form is broken into lines in more than one way, so one of its lines stands for it. */
const longestLine = (value: string) => value.split("\n").reduce((a, b) => (b.length > a.length ? b : a));

/** Which secrets can be read at a place. Says their names only: this is printed when it fails. */
function exposed(place: string, content: string | Buffer): string[] {
  return secrets.filter(([, piece]) => content.includes(piece)).map(([name]) => `${name} in ${place}`);
}

async function exposedInFiles(folder: string): Promise<string[]> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name));
  expect(files.length).toBeGreaterThan(0);
  const found = files.map(async (file) => exposed(file, await readFile(file)));
  return (await Promise.all(found)).flat();
}

test("no secret is in pulumi's state, its backups and history, the configuration or our logs in the clear", async () => {
  const { stdout } = await pulumi("stack", "export");
  expect(JSON.parse(stdout)).toHaveProperty("deployment.resources");
  expect([
    ...exposed("the exported state", stdout),
    ...exposed(configFile, await readFile(configFile)),
    ...(await exposedInFiles(stateFolder)),
    ...(await exposedInFiles(path.join(toolFolder, "logs"))),
  ]).toEqual([]);
});

test.each(services)("no secret is in the description, the processes or the log of %s", async (service) => {
  const description = await container(service).inspect();
  const image = docker.getImage(description.Image);
  const processes = (await container(service).top()) as unknown;
  expect([
    ...exposed("docker inspect", JSON.stringify(description)),
    ...exposed("docker top", JSON.stringify(processes)),
    ...exposed("docker logs", await logs(service)),
    ...exposed("docker image inspect", JSON.stringify(await image.inspect())),
    ...exposed("docker history", JSON.stringify(await image.history())),
  ]).toEqual([]);
});

test("no secret is in the logs of Airflow's tasks or on the pages of Spark's jobs", async () => {
  const taskLogs = await buffer(await container("airflow-api").getArchive({ path: "/opt/airflow/logs" }));
  expect(taskLogs.includes("LAKESTACK_RESULT"), "the logs of the jobs were looked at").toBe(true);
  const jobs = await applications(historyUrl);
  expect(jobs.length).toBeGreaterThan(0);
  const found = exposed("the logs of the tasks", taskLogs);
  // One after the other: each is a whole log that the history server reads.
  for (const { id } of jobs) found.push(...exposed(`job ${id}`, await environmentPage(id)));
  expect(found).toEqual([]);
});
