import { expect, test } from "vitest";
import { allRuns } from "./airflow";
import { containerIds, containerName, docker } from "./docker";
import { npmRun, pulumi, startCommand, startPulumi } from "./lakestack";
import { services, stackName } from "./stack";
import { query } from "./trino";
import { until } from "./until";

/** What must outlive every container. */
interface Kept {
  tables: unknown[][];
  /** Every run of every DAG, with its state. */
  runs: string[];
  volumes: string[];
}

let before: Kept;

async function look(): Promise<Kept> {
  const volumes = await docker.listVolumes({ filters: { label: [`lakestack.stack=${stackName}`] } });
  return {
    tables: await readTables(),
    runs: (await allRuns()).map((run) => `${run.dag_id} ${run.dag_run_id} ${run.state}`).sort(),
    volumes: volumes.Volumes.map(({ Name, CreatedAt }: VolumeFacts) =>
      // Live files are written anew with the container that carries them, and no data.
      Name.endsWith("-live") ? Name : `${Name} ${CreatedAt ?? ""}`,
    ).sort(),
  };
}

/** Every table with its number of rows and what their names of objects come to. */
async function readTables(): Promise<unknown[][]> {
  const names = (await query("SHOW TABLES FROM iceberg.newtral")).map(([name]) => String(name));
  const statements = names
    // What checks have found comes from no object, and a check by the hour may add to it at any time.
    .filter((name) => !name.endsWith("_checks"))
    .map((name) => `SELECT '${name}', count(*), checksum(source_file_name) FROM iceberg.newtral."${name}"`);
  return query(`${statements.join(" UNION ALL ")} ORDER BY 1`);
}

interface VolumeFacts {
  Name: string;
  CreatedAt?: string;
}

test("npm run down removes the containers and keeps the volumes", async () => {
  before = await look();
  const { seconds } = await npmRun("down");
  console.log(`npm run down: ${seconds.toFixed(1)} s`);
  expect(await containerIds()).toEqual({});
  const { Volumes } = await docker.listVolumes({ filters: { label: [`lakestack.stack=${stackName}`] } });
  expect(Volumes).toHaveLength(before.volumes.length);
});

test("Ctrl-C in the middle of npm run up ends it in order, and says how to go on", async () => {
  const up = startCommand("up");
  await made("object-store");
  up.signal("SIGINT");
  const { code, signal, output } = await up.finished;
  // npm ends as its child was told to, by the signal itself.
  expect([130, "SIGINT"], output).toContain(signal ?? code);
  expect(output).toContain("npm run up goes on from here");
});

test("power lost in the middle of pulumi up leaves half a stack", async () => {
  const up = startPulumi("up", "--yes", "--skip-preview");
  await made("catalog");
  up.signal("SIGKILL");
  const { signal, output } = await up.finished;
  expect(signal, output).toBe("SIGKILL");
  expect(Object.keys(await containerIds()).length).toBeLessThan(services.length);
});

/** Waits until the engine has the service's container, whether it answers yet or not. */
function made(service: string): Promise<unknown> {
  return until(
    `a container ${service}`,
    120,
    () => docker.getContainer(containerName(service)).inspect(),
    0.1,
  );
}

test("the next npm run up completes the stack, and every row and every run is there", async () => {
  const { seconds } = await npmRun("up");
  console.log(`npm run up after down and two interruptions: ${seconds.toFixed(1)} s`);
  expect(Object.keys(await containerIds()).sort()).toEqual(services);
  const after = await look();
  expect(after.tables).toEqual(before.tables);
  expect(after.volumes).toEqual(before.volumes);
  // DAGs with a schedule may have begun new ones meanwhile.
  expect(after.runs).toEqual(expect.arrayContaining(before.runs));
});

test("after that, pulumi finds nothing left to do", async () => {
  await pulumi("preview", "--expect-no-changes");
  await pulumi("refresh", "--yes", "--skip-preview", "--expect-no-changes");
});
