import { expect, test } from "vitest";
import { containerMemory } from "../../commands/machine-facts";
import { containerIds, containerName, docker } from "./docker";
import { latestChanges, npmRun, outputs, pulumi, shell } from "./lakestack";
import { daysBetween, idsOf } from "./sample-data";
import { services, stackName } from "./stack";
import { counts, query, value } from "./trino";

test("npm run up ends with every service healthy", async () => {
  expect(Object.keys(await containerIds()).sort()).toEqual(services);
  const { stdout } = await npmRun("status");
  for (const service of services) expect(stdout).toMatch(new RegExp(`${service} .*running.*healthy`));
});

test("npm run logs shows what a service has written", async () => {
  // As docker logs does, it keeps the service's two streams apart; Trino writes to the second.
  const { stderr } = await npmRun("logs", "trino", "--tail", "1000");
  expect(stderr).toContain("SERVER STARTED");
});

test("the outputs have the names of the contract, and passwords are hidden unless they are asked for", async () => {
  const { stdout } = await pulumi("stack", "output", "--json");
  const shown = JSON.parse(stdout) as Record<string, string>;
  expect(Object.keys(shown).sort()).toEqual(Object.keys(outputs).sort());
  const hidden = Object.keys(shown).filter((name) => shown[name] === "[secret]");
  expect(hidden.sort()).toEqual(["airflowPassword", "catalogToken", "objectStorePassword", "trinoPassword"]);
  expect(await pulumi("stack", "output", "trinoPassword", "--show-secrets")).toMatchObject({
    stdout: `${outputs.trinoPassword}\n`,
  });
});

test("the stack idles within 4 GiB", async () => {
  const used = await Promise.all(services.map((service) => containerMemory(docker, containerName(service))));
  const total = used.reduce((sum, bytes) => sum + bytes, 0) / 2 ** 30;
  console.log(`Memory of the idle stack: ${total.toFixed(2)} GiB`);
  expect(Math.min(...used), "every service has told its memory").toBeGreaterThan(0);
  expect(total).toBeLessThan(4);
});

test("npm run up loads some days of both sources, each id once", async () => {
  const media = idsOf("Media", daysBetween("2018-04-14", "2018-04-18")).size;
  const comments = idsOf("TiktokComment", daysBetween("2015-05-24", "2015-05-28")).size;
  expect(await counts("newtral.media")).toEqual({ rows: media, ids: media });
  expect(await counts("newtral.tiktokcomment")).toEqual({ rows: comments, ids: comments });
});

test("the tables have exactly the columns of the sources and the two of the system", async () => {
  const system = ["created_at_etl timestamp(6) with time zone", "source_file_name varchar"];
  expect(await columnsOf("media")).toEqual([
    "categories array(row(id varchar, name varchar))",
    "date varchar",
    "feed row(id varchar, name varchar)",
    "id varchar",
    "link varchar",
    "msgid varchar",
    "sentiment varchar",
    "source row(title varchar)",
    "summary varchar",
    "text varchar",
    "title varchar",
    "type varchar",
    ...system,
  ]);
  expect(await columnsOf("tiktokcomment")).toEqual([
    "categories array(row(id varchar, name varchar))",
    "date varchar",
    "feed row(id varchar, name varchar)",
    "id varchar",
    "link varchar",
    "msgid varchar",
    "parentid varchar",
    "sentiment varchar",
    "text varchar",
    "type varchar",
    "user row(gender varchar, id varchar, username varchar)",
    ...system,
  ]);
});

async function columnsOf(table: string): Promise<string[]> {
  const rows = await query(
    `SELECT column_name, data_type FROM iceberg.information_schema.columns
     WHERE table_schema = 'newtral' AND table_name = '${table}' ORDER BY ordinal_position`,
  );
  return rows.map((row) => row.join(" "));
}

test("a row says when it was ingested and which object it came from", async () => {
  const [[batches, first, last] = []] = await query(
    `SELECT count(DISTINCT created_at_etl), min(source_file_name), max(source_file_name) FROM iceberg.newtral.media`,
  );
  expect(batches, "one batch has one time").toBe(1);
  expect(first).toBe("s3a://source/Media/2018/04/14/part-00.json");
  expect(last).toMatch(/^s3a:\/\/source\/Media\/2018\/04\/18\/part-\d\d\.json$/);
});

test("a second npm run up changes nothing, and says so", async () => {
  const before = await containerIds();
  const { stdout, seconds } = await npmRun("up");
  console.log(`npm run up without changes: ${seconds.toFixed(1)} s`);
  expect(stdout).toContain("Nothing to change");
  expect(Object.keys(await latestChanges())).toEqual(["same"]);
  expect(await containerIds()).toEqual(before);
});

test("pulumi preview and pulumi up, typed with the environment that npm run env prints, find nothing to do", async () => {
  const typed = (line: string) =>
    shell(`eval "$(npm run -s env)" && ${line} --stack ${stackName} --expect-no-changes`);
  await typed("pulumi preview");
  const { seconds } = await typed("pulumi up --yes --skip-preview");
  console.log(`pulumi up without changes: ${seconds.toFixed(1)} s`);
});

test("pulumi refresh right after up finds no drift", async () => {
  await pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes");
});

test("another amount of memory for one service replaces that service's container alone", async () => {
  const before = await containerIds();
  await pulumi("config", "set", "catalogMemory", "800");
  await pulumi("up", "--yes", "--skip-preview");
  const after = await containerIds();
  const changed = services.filter((service) => before[service] !== after[service]);
  expect(changed).toEqual(["catalog"]);
  expect(await latestChanges()).toMatchObject({ replace: 1 });
  expect(await value("SELECT count(*) FROM iceberg.newtral.media")).toBeGreaterThan(0);
});
