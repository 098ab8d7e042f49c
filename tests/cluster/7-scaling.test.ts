import { Readable } from "node:stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { execIn } from "../../toolchain/cluster/container-exec";
import { until } from "../e2e/until";
import { node } from "./cluster";
import { inNamespace, isReady, Lakehouse, namespace, pods } from "./lakehouse";

let lakehouse: Lakehouse;

/** With two workers on two cores that others use, too: a third is wanted early, and let go soon. */
const scaling = { sparkWorkersMost: 3, scaleBusyPercent: 10, scaleIdleSeconds: 60 };

beforeAll(async () => {
  lakehouse = await Lakehouse.prepare();
});

afterAll(async () => {
  await endJob();
});

const workers = async () => (await pods("spark-worker")).filter(isReady).map(({ metadata }) => metadata.name);

async function configure(values: Record<string, number>): Promise<void> {
  for (const [key, value] of Object.entries(values))
    await lakehouse.pulumi("config", "set", key, String(value));
}

/** A thousand tasks, each of some seconds. */
const job = `
from pyspark.sql import SparkSession
spark = SparkSession.builder.appName("load").getOrCreate()
spark.range(0, 10**12, 1, 1000).selectExpr("max(hash(id))").collect()
`;

/** Submits the job where Airflow's tasks do it, and as they do. */
async function startJob(): Promise<void> {
  const line =
    "cat > /tmp/load.py; nohup spark-submit /tmp/load.py > /tmp/load.log 2>&1 & echo $! > /tmp/load.pid";
  const { code, stderr } = await execIn(
    node,
    ["kubectl", "-n", namespace, "exec", "-i", "airflow-scheduler-0", "--", "bash", "-c", line],
    { input: Readable.from([Buffer.from(job)]) },
  );
  expect(code, stderr).toBe(0);
}

const endJob = () =>
  inNamespace("exec", "airflow-scheduler-0", "--", "bash", "-c", "kill $(cat /tmp/load.pid)").catch(
    () => undefined,
  );

interface Autoscaler {
  status: { desiredReplicas: number; conditions: { type: string; status: string; reason: string }[] };
}

const autoscaler = async () =>
  JSON.parse(await inNamespace("get", "hpa", "spark-worker", "-o", "json")) as Autoscaler;

/** Every number of Spark workers that the Deployment asked for while the work was done. */
async function numbersWhile(work: () => Promise<unknown>): Promise<number[]> {
  const file = "/tmp/spark-worker-numbers";
  const watch = `kubectl -n ${namespace} get deployment spark-worker --watch -o 'jsonpath={.spec.replicas}{"\\n"}'`;
  const onNode = async (line: string) => (await execIn(node, ["sh", "-c", line])).stdout;
  await onNode(`nohup ${watch} > ${file} 2>&1 & echo $! > ${file}.pid`);
  await until("the watch", 60, async () => (await onNode(`cat ${file}`)) !== "");
  await work();
  return (await onNode(`kill $(cat ${file}.pid); cat ${file}`)).trim().split("\n").map(Number);
}

describe("Spark's workers under load", () => {
  it("become as many as they may, of use to the job that runs, and as few as before when it has ended", async () => {
    const before = await until("two workers", 120, async () => {
      const names = await workers();
      return names.length === 2 && names;
    });
    await configure(scaling);
    const numbers = await numbersWhile(() => lakehouse.pulumi("up", "--yes", "--skip-preview"));
    expect(numbers[0]).toBe(2);
    expect(Math.min(...numbers), `seen: ${numbers.join(", ")}`).toBe(2);
    expect(await workers()).toEqual(expect.arrayContaining(before));

    await startJob();
    const begun = performance.now();
    const added = await until("a third worker", 600, async () =>
      (await workers()).find((name) => !before.includes(name)),
    );
    console.log(`A worker was added after ${seconds(begun)} s.`);
    await until("an executor on it", 120, () =>
      inNamespace("exec", added, "--", "pgrep", "-f", "CoarseGrainedExecutorBackend"),
    );
    // The load is for more than three.
    await until("the limit", 120, async () =>
      (await autoscaler()).status.conditions.find(
        ({ type, status, reason }) =>
          type === "ScalingLimited" && status === "True" && reason === "TooManyReplicas",
      ),
    );
    expect((await autoscaler()).status.desiredReplicas).toBe(3);
    // The number is the autoscaler's: the program does not take it back.
    await lakehouse.pulumi("up", "--yes", "--skip-preview", "--expect-no-changes");
    expect(await workers()).toHaveLength(3);

    await endJob();
    const ended = performance.now();
    await until("two workers", 600, async () => (await workers()).length === 2);
    console.log(`A worker was taken away after ${seconds(ended)} s.`);
    expect((await autoscaler()).status.desiredReplicas).toBe(2);
  });

  it("are as many as the program says when scaling is switched off, though the autoscaler owned the number", async () => {
    await configure({ sparkWorkersMost: 0, sparkWorkers: 1 });
    await lakehouse.pulumi("up", "--yes", "--skip-preview");
    await until("one worker", 120, async () => (await workers()).length === 1);
    await configure({ sparkWorkers: 2 });
    await lakehouse.pulumi("up", "--yes", "--skip-preview");
    await until("two workers", 120, async () => (await workers()).length === 2);
    await lakehouse.pulumi("up", "--yes", "--skip-preview", "--expect-no-changes");
  });
});

const seconds = (since: number) => Math.round((performance.now() - since) / 1000);
