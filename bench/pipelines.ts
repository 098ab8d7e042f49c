import * as os from "node:os";
import { type Command, type Context, readOptions, wholeNumber } from "../commands/command";
import { table } from "../commands/table";
import { type OwnStack, withOwnStack } from "./own-stack";
import { brokenSource, daysOf, declareSources, putDays } from "./pipeline-data";
import { PipelineRuns } from "./pipeline-runs";
import { type Machine, machine, publish } from "./results";
import { median, rounded } from "./statistics";

const usage = `npm run bench:pipelines [-- OPTIONS]     a small day, and eight sources due at once, on a stack of its own
  --days 5          small days, one after the other, of which the medians are told
  --rows 20000      rows of each of the eight sources
  --keep            leave the stack up for the next benchmark`;

const sources = Array.from({ length: 8 }, (_, index) => `s${index + 1}`);
const smallDay = 1000;

/** Ways to run a small day; the first, a driver and an executor for each job, is the baseline. */
const ways = [
  { way: "a driver and an executor each", sparkWarmDrivers: 0, sparkLocalBatch: 0 },
  { way: "a kept driver, an executor each", sparkWarmDrivers: 1, sparkLocalBatch: 0 },
  { way: "a kept driver alone", sparkWarmDrivers: 1, sparkLocalBatch: 16 },
];

/** A day of 1,000 rows; of each number the median. */
export interface SmallDay {
  way: string;
  /** From the request to the task's end, by when all is committed. */
  seconds: number;
  /** Of these, from the request to the task's start: Airflow's. */
  delay: number;
  /** Of these, from the start of the Spark application to its end. */
  spark: number;
  /** Processor time of the scheduler and the workers. */
  cpu: number;
}

/** A batch of each of eight sources, and one of a source that fails. */
export interface Eight {
  way: string;
  /** From the request to the last task's end. */
  seconds: number;
  /** Share of all cores' time that was used meanwhile. */
  busy: number;
  failed: string[];
}

export interface PipelinesResult {
  machine: Machine;
  rows: number;
  small: SmallDay[];
  eight: Eight[];
}

async function smallDays(context: Context, own: OwnStack, count: number): Promise<SmallDay[]> {
  const results: SmallDay[] = [];
  for (const [index, { way, ...settings }] of ways.entries()) {
    // One more, that starts what then is kept.
    const [first = "", ...days] = daysOf(String(index + 1).padStart(2, "0"), count + 1);
    await putDays(own.outputs, "s1", [first, ...days], smallDay);
    await own.change({ ...settings, airflowParallelism: 4 }, "airflow-scheduler*");
    const pipelines = new PipelineRuns(own, context.signal);
    await pipelines.ready([...sources, brokenSource], context.reporter);
    const task = context.reporter.task(`Small days, ${way}`);
    await pipelines.run(first, ["s1"]);
    const measured: Omit<SmallDay, "way">[] = [];
    for (const day of days) {
      const services = ["airflow-scheduler", "spark-worker-1", "spark-worker-2"];
      const before = await own.cpuSeconds(services);
      const [times] = await pipelines.run(day, ["s1"]);
      if (times?.state !== "success") throw new Error(`The run of ${day} has failed`);
      measured.push({
        seconds: times.ended - times.asked,
        delay: times.started - times.asked,
        spark: await pipelines.sparkSeconds("s1", day, times.asked),
        cpu: (await own.cpuSeconds(services)) - before,
      });
    }
    const middle = (part: keyof Omit<SmallDay, "way">) => rounded(median(measured.map((each) => each[part])));
    const result = {
      way,
      seconds: middle("seconds"),
      delay: middle("delay"),
      spark: middle("spark"),
      cpu: middle("cpu"),
    };
    task.done(`${result.seconds} s each`);
    results.push(result);
  }
  return results;
}

async function eightSources(context: Context, own: OwnStack, rows: number): Promise<Eight[]> {
  // One day more for each turn: what starts with the first jobs then is kept.
  const [oneBefore = "", one = "", twoBefore = "", two = ""] = daysOf("12", 4);
  for (const source of sources) await putDays(own.outputs, source, [oneBefore, one, twoBefore, two], rows);
  await putDays(own.outputs, brokenSource, [one, two], 100);
  const results: Eight[] = [];
  const turns = [
    { way: "one after the other", before: oneBefore, day: one, airflowParallelism: 1 },
    { way: "all at once", before: twoBefore, day: two, airflowParallelism: 4 },
  ];
  for (const { way, before: dayBefore, day, airflowParallelism } of turns) {
    await own.change({ airflowParallelism, sparkWarmDrivers: 2, sparkLocalBatch: 16 }, "airflow-scheduler*");
    const pipelines = new PipelineRuns(own, context.signal);
    await pipelines.ready([...sources, brokenSource], context.reporter);
    const task = context.reporter.task(`Eight sources, ${way}`);
    await pipelines.run(dayBefore, sources);
    const before = processorTimes();
    const times = await pipelines.run(day, [brokenSource, ...sources]);
    const after = processorTimes();
    const result = {
      way,
      seconds: rounded(Math.max(...times.map(({ ended }) => ended)) - (times[0]?.asked ?? Number.NaN)),
      busy: rounded((after.used - before.used) / (after.all - before.all), 2),
      failed: times.filter(({ state }) => state === "failed").map(({ source }) => source),
    };
    if (result.failed.join() !== brokenSource) throw new Error(`Failed: ${result.failed.join(", ")}`);
    task.done(`${result.seconds} s`);
    results.push(result);
  }
  return results;
}

/** Of this machine's cores since it started, in milliseconds. */
function processorTimes(): { used: number; all: number } {
  const times = os.cpus().map(({ times }) => times);
  const all = times.flatMap((each) => Object.values(each)).reduce((sum, value) => sum + value, 0);
  const idle = times.reduce((sum, each) => sum + each.idle, 0);
  return { used: all - idle, all };
}

/** The measurements as two tables. */
export function report({ rows, small, eight }: Pick<PipelinesResult, "rows" | "small" | "eight">): string {
  const ratio = (value: number, baseline = Number.NaN) => `${(value / baseline).toFixed(2)} ×`;
  const smallTable = table(
    [`a day of ${smallDay} rows`, "in all", "to the baseline", "until it starts", "in Spark", "processor"],
    small.map(({ way, seconds, delay, spark, cpu }) => [
      way,
      `${seconds.toFixed(1)} s`,
      ratio(seconds, small[0]?.seconds),
      `${delay.toFixed(1)} s`,
      `${spark.toFixed(1)} s`,
      `${cpu.toFixed(1)} s`,
    ]),
  );
  const eightTable = table(
    [
      `eight sources of ${rows.toLocaleString("en")} rows, a ninth fails`,
      "in all",
      "to the baseline",
      "cores busy",
    ],
    eight.map(({ way, seconds, busy }) => [
      way,
      `${seconds.toFixed(1)} s`,
      ratio(seconds, eight[0]?.seconds),
      `${(100 * busy).toFixed(0)} %`,
    ]),
  );
  return `${smallTable}\n\n${eightTable}`;
}

export const command: Command = {
  usage,
  afterInterrupt: "Its stack is removed, unless it was to be kept (--keep).",
  async run(args, context) {
    const { values } = readOptions(usage, args, {
      days: { type: "string", default: "5" },
      rows: { type: "string", default: "20000" },
      keep: { type: "boolean", default: false },
    });
    const days = wholeNumber(usage, "--days", values.days, 1, 28);
    const rows = wholeNumber(usage, "--rows", values.rows, 1, 1_000_000);
    const sourcesFile = await declareSources(sources);
    const result = await withOwnStack(
      context,
      values.keep,
      async (own): Promise<PipelinesResult> => ({
        machine: machine(),
        rows,
        small: await smallDays(context, own, days),
        eight: await eightSources(context, own, rows),
      }),
      { sourcesFile, sparkWorkers: 2 },
    );
    await publish("pipelines", result, report(result));
    return 0;
  },
};
