import { readFile } from "node:fs/promises";
import * as path from "node:path";
import { buffer } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { pack } from "tar-stream";
import { AirflowClient } from "../commands/airflow-client";
import { type Command, type Context, readOptions } from "../commands/command";
import { awaitTables } from "../commands/pipelines";
import { table } from "../commands/table";
import { projectFolder, UserError } from "../toolchain/index";
import { type OwnStack, withOwnStack } from "./own-stack";
import { type Machine, machine, publish } from "./results";
import { schedulerChart } from "./scheduler-chart";
import { median, rounded } from "./statistics";

const usage = `npm run bench:scheduler [-- OPTIONS]     tasks a second, on a stack of its own that is removed afterwards
  --settings 1x1,1x2,1x4,1x8     schedulers, and tasks that each runs at a time; the first is the baseline
  --tasks 40                     tasks of the run that is measured
  --keep                         leave the stack up for the next benchmark`;

const dagFile = path.join(projectFolder, "bench", "scheduler_dags.py");
const dagFolder = "/opt/airflow/dags";

/** One run of many tasks, each of which does nothing. */
export interface SchedulerMeasurement {
  schedulers: number;
  /** Of each scheduler: `airflowParallelism`. */
  parallelism: number;
  /** From the first task queued to the last one ended. */
  seconds: number;
  tasksPerSecond: number;
  /** Median of the seconds from started to ended of a task. */
  run: number;
  /** Seconds from the request for a run of one task, with nothing else to do, to that task's start. */
  delay: { median: number; most: number };
  /** Seconds of processor time for each task, by who used it. */
  cpu: { scheduler: number; api: number; database: number };
}

export interface SchedulerResult {
  machine: Machine;
  tasks: number;
  results: SchedulerMeasurement[];
}

async function benchmark(
  context: Context,
  own: OwnStack,
  settings: readonly [schedulers: number, parallelism: number][],
  tasks: number,
): Promise<SchedulerResult> {
  const { reporter, signal } = context;
  const { airflowUrl, airflowUser, airflowPassword } = own.outputs;
  const login = () => AirflowClient.login(airflowUrl, airflowUser, airflowPassword, signal);
  // What runs by itself on a new stack, and asks Trino, has to be over.
  await own.start(["database", "airflow-api"]);
  const tables = await (await login()).latestRun("create_tables").catch(() => undefined);
  if (tables?.state !== "success") {
    await own.start(["object-store", "catalog-1", "trino", "airflow-dag-processor", "airflow-scheduler"]);
    await awaitTables(await login(), reporter, signal);
  }

  const text = (await readFile(dagFile, "utf8")).replace(/^TASKS = \d+$/m, `TASKS = ${tasks}`);
  const results: SchedulerMeasurement[] = [];
  for (const [schedulers, parallelism] of settings) {
    signal.throwIfAborted();
    await own.change(
      { airflowSchedulers: schedulers, airflowParallelism: parallelism },
      "airflow-scheduler*",
    );
    const names = Array.from({ length: schedulers }, (_, index) =>
      schedulers === 1 ? "airflow-scheduler" : `airflow-scheduler-${index + 1}`,
    );
    await own.onlyRun(["database", "airflow-api", "airflow-dag-processor", ...names]);
    for (const service of ["airflow-dag-processor", ...names]) await upload(own, service, text);
    if (results.length === 0) await own.execute("airflow-dag-processor", ["airflow", "dags", "reserialize"]);

    const task = reporter.task(`${schedulers} scheduler(s), ${parallelism} at a time`);
    const measured = await measure(own, await login(), { schedulers, parallelism, tasks, names }, signal);
    task.done(`${measured.tasksPerSecond} tasks a second`);
    results.push(measured);
  }
  return { machine: machine(), tasks, results };
}

/** Puts the DAGs into a container's folder. They are nowhere else, and go with the container. */
async function upload(own: OwnStack, service: string, text: string): Promise<void> {
  const files = pack();
  files.entry({ name: "bench_dags.py", mode: 0o444 }, text);
  files.finalize();
  const container = await own.container(service);
  await container.putArchive(await buffer(files), { path: dagFolder });
}

interface Setting {
  schedulers: number;
  parallelism: number;
  tasks: number;
  /** Services that schedule and run tasks. */
  names: string[];
}

async function measure(
  own: OwnStack,
  airflow: AirflowClient,
  { schedulers, parallelism, tasks, names }: Setting,
  signal: AbortSignal,
): Promise<SchedulerMeasurement> {
  const id = `${schedulers}x${parallelism}-${Date.now()}`;
  const delays: number[] = [];
  for (let turn = 0; turn < 4; turn++) {
    const asked = Date.now() / 1000;
    const [only] = await runToEnd(own, airflow, "bench_one", `${id}-${turn}`, signal);
    // The first one also starts what runs the tasks.
    if (turn > 0) delays.push((only?.started ?? Number.NaN) - asked);
  }

  const used = async () => ({
    scheduler: await own.cpuSeconds(names),
    api: await own.cpuSeconds(["airflow-api"]),
    database: await own.cpuSeconds(["database"]),
  });
  const before = await used();
  const times = await runToEnd(own, airflow, "bench_many", id, signal);
  const after = await used();
  if (times.length !== tasks) throw new Error(`The run had ${times.length} tasks, expected ${tasks}`);

  const seconds =
    Math.max(...times.map(({ ended }) => ended)) - Math.min(...times.map(({ queued }) => queued));
  const each = (part: keyof typeof before) => rounded((after[part] - before[part]) / tasks, 3);
  const middle = (values: number[]) => rounded(median(values), 2);
  return {
    schedulers,
    parallelism,
    seconds: rounded(seconds),
    tasksPerSecond: rounded(tasks / seconds, 2),
    run: middle(times.map(({ started, ended }) => ended - started)),
    delay: { median: middle(delays), most: rounded(Math.max(...delays), 2) },
    cpu: { scheduler: each("scheduler"), api: each("api"), database: each("database") },
  };
}

interface TaskTimes {
  /** Seconds since 1970. */
  queued: number;
  started: number;
  ended: number;
}

/** Starts a run, waits for its success, and reads from Airflow's database when each task did what. */
async function runToEnd(
  own: OwnStack,
  airflow: AirflowClient,
  dag: string,
  id: string,
  signal: AbortSignal,
): Promise<TaskTimes[]> {
  await airflow.awaitDag(dag);
  await airflow.unpause(dag);
  await airflow.trigger(dag, id, {});
  const until = Date.now() + 600_000;
  for (;;) {
    const state = (await airflow.run(dag, id))?.state;
    if (state === "success") break;
    if (state === "failed" || Date.now() > until)
      throw new Error(`Run ${id} of ${dag} is ${state ?? "gone"}`);
    await sleep(500, undefined, { signal });
  }
  const rows = await own.sql(
    "airflow",
    `SELECT extract(epoch FROM queued_dttm), extract(epoch FROM start_date), extract(epoch FROM end_date)
     FROM task_instance WHERE dag_id = '${dag}' AND run_id = '${id}'`,
  );
  return rows.map(([queued, started, ended]) => ({
    queued: Number(queued),
    started: Number(started),
    ended: Number(ended),
  }));
}

/** The measurements as a table. */
export function report({ tasks, results }: Pick<SchedulerResult, "tasks" | "results">): string {
  const baseline = results[0]?.tasksPerSecond ?? Number.NaN;
  const seconds = (value: number) => `${value.toFixed(2)} s`;
  return table(
    [
      ...["schedulers", "at a time, each", `${tasks} tasks`, "tasks/s", "to one at a time"],
      ...["started to ended", "delay, median", "delay, most", "processor each"],
    ],
    results.map((each) => [
      String(each.schedulers),
      String(each.parallelism),
      `${each.seconds.toFixed(1)} s`,
      each.tasksPerSecond.toFixed(2),
      `${(each.tasksPerSecond / baseline).toFixed(2)} ×`,
      seconds(each.run),
      seconds(each.delay.median),
      seconds(each.delay.most),
      seconds(each.cpu.scheduler + each.cpu.api + each.cpu.database),
    ]),
  );
}

export const command: Command = {
  usage,
  afterInterrupt: "Its stack is removed, unless it was to be kept (--keep).",
  async run(args, context) {
    const { values } = readOptions(usage, args, {
      settings: { type: "string", default: "1x1,1x2,1x4,1x8" },
      tasks: { type: "string", default: "40" },
      keep: { type: "boolean", default: false },
    });
    const tasks = Number(values.tasks);
    if (!Number.isInteger(tasks) || tasks < 2 || tasks > 1000) {
      throw new UserError(`--tasks is "${values.tasks}", expected a whole number from 2 to 1000.`, usage);
    }
    if (!/^[1-9]x[1-9]\d*(,[1-9]x[1-9]\d*)*$/.test(values.settings)) {
      throw new UserError(
        `--settings is "${values.settings}", expected SCHEDULERSxTASKS with commas between.`,
        usage,
      );
    }
    const settings = values.settings
      .split(",")
      .map((each) => each.split("x").map(Number) as [schedulers: number, parallelism: number]);
    const result = await withOwnStack(context, values.keep, (own) =>
      benchmark(context, own, settings, tasks),
    );
    await publish("scheduler", result, report(result), schedulerChart(result));
    return 0;
  },
};
