import { setTimeout as sleep } from "node:timers/promises";
import { type Command, type Context, readOptions, wholeNumber } from "../commands/command";
import { table } from "../commands/table";
import { query, type TrinoAccess } from "../commands/trino-query";
import { type OwnStack, withOwnStack } from "./own-stack";
import { daysOf, declareSources, putDays } from "./pipeline-data";
import { PipelineRuns } from "./pipeline-runs";
import { type Machine, machine, publish } from "./results";
import { median, rounded } from "./statistics";

const usage = `npm run bench:maintenance [-- OPTIONS]     a table of many small batches before and after its maintenance, on a stack of its own
  --days 28         batches, one a day
  --rows 2000       rows of each
  --rounds 7        how often each query is asked, in turn with the same of the table as it was
  --keep            leave the stack up for the next benchmark`;

const source = "s1";
const tableName = `iceberg.bench.${source}`;

/** What a table consists of. */
export interface Shape {
  files: number;
  /** Of the data files, MiB. */
  dataMiB: number;
  /** Of all that lies in the table's folder: data, metadata, what older states need. MiB. */
  folderMiB: number;
}

/** One query of the table as it was and as it is; seconds, medians. */
export interface Asked {
  query: string;
  before: number;
  after: number;
}

export interface MaintenanceResult {
  machine: Machine;
  days: number;
  rows: number;
  rounds: number;
  before: Shape;
  after: Shape;
  /** When older states may go, too. */
  swept: Shape;
  asked: Asked[];
}

class MeasuredTable {
  private readonly access: TrinoAccess;

  constructor(
    private readonly own: OwnStack,
    access: Omit<TrinoAccess, "ca">,
    ca: string,
  ) {
    this.access = { ...access, ca };
  }

  async shape(): Promise<Shape> {
    const [row] = await query(
      this.access,
      `SELECT count(*), sum(file_size_in_bytes) FROM "iceberg"."bench"."${source}$files"`,
    );
    const [files, bytes] = (row ?? []).map(Number);
    // What lies on the store's disk below the table's folders, as its file system counts it.
    const used = await this.own.execute("object-store", [
      "sh",
      "-c",
      `du -sk /data/warehouse/bench/${source}_* | cut -f 1`,
    ]);
    const folderKiB = used
      .trim()
      .split(/\s+/)
      .map(Number)
      .reduce((sum, each) => sum + each, 0);
    return {
      files: files ?? 0,
      dataMiB: rounded((bytes ?? 0) / 2 ** 20),
      folderMiB: rounded(folderKiB / 1024),
    };
  }

  /** Asks some queries of the table as it was at a time and as it is, in turn with each other. */
  async ask(time: string, rounds: number): Promise<Asked[]> {
    const then = `iceberg.bench."${source}#${time}"`;
    const [row] = await query(this.access, `SELECT max(id) FROM ${tableName}`);
    const id = String(row?.[0]).replaceAll("'", "''");
    const queries = {
      "a scan: the length of all texts": (of: string) => `SELECT sum(length(text)) FROM ${of}`,
      "a count of the rows": (of: string) => `SELECT count(*) FROM ${of}`,
      "a point: one row by its key": (of: string) => `SELECT title FROM ${of} WHERE id = '${id}'`,
    };
    const asked: Asked[] = [];
    for (const [name, statement] of Object.entries(queries)) {
      const seconds: { before: number[]; after: number[] } = { before: [], after: [] };
      // One more, which is not counted.
      for (let round = 0; round <= rounds; round++) {
        const before = await this.timed(statement(then));
        const after = await this.timed(statement(tableName));
        if (round === 0) continue;
        seconds.before.push(before);
        seconds.after.push(after);
      }
      const middle = (values: number[]) => rounded(median(values), 3);
      asked.push({ query: name, before: middle(seconds.before), after: middle(seconds.after) });
    }
    return asked;
  }

  private async timed(statement: string): Promise<number> {
    const began = performance.now();
    await query(this.access, statement);
    return (performance.now() - began) / 1000;
  }
}

async function measure(
  context: Context,
  own: OwnStack,
  size: { days: number; rows: number; rounds: number },
) {
  const { reporter, signal } = context;
  const { outputs } = own;
  const days = daysOf("01", size.days);
  await putDays(outputs, source, days, size.rows);
  const runs = new PipelineRuns(own, signal);
  await runs.ready([source], reporter);
  const batches = reporter.task(`${size.days} batches of ${size.rows} rows`);
  for (const day of days) {
    const [times] = await runs.run(day, [source]);
    if (times?.state !== "success") throw new Error(`The run of ${day} has failed`);
  }
  batches.done("committed");

  const { trinoUrl: url, trinoUser: user, trinoPassword: password, caCertificate } = outputs;
  const measured = new MeasuredTable(own, { url, user, password }, caCertificate);
  const before = await measured.shape();
  const time = new Date().toISOString();
  await maintain(context, runs, "kept", {});
  const after = await measured.shape();
  const asked = await measured.ask(time, size.rounds);
  await maintain(context, runs, "swept", { keep_days: 0, orphan_days: 0 });
  return { before, after, asked, swept: await measured.shape() };
}

/** Runs the table's maintenance to its end. */
async function maintain(
  { reporter, signal }: Context,
  runs: PipelineRuns,
  id: string,
  conf: Record<string, number>,
): Promise<void> {
  const task = reporter.task(`Maintenance, ${id}`);
  const airflow = await runs.login();
  const dag = `maintain_${source}`;
  await airflow.trigger(dag, id, conf);
  for (;;) {
    const run = await airflow.run(dag, id);
    if (run?.state === "failed") throw new Error(`Run ${id} of ${dag} has failed`);
    if (run?.state === "success") break;
    await sleep(500, undefined, { signal });
  }
  task.done("done");
}

/** The measurements as two tables. */
export function report({ before, after, swept, asked }: MaintenanceResult): string {
  const shapes = table(
    ["the table", "files", "data", "its folder"],
    Object.entries({
      "as the batches left it": before,
      "after its maintenance": after,
      "and without older states": swept,
    }).map(([name, { files, dataMiB, folderMiB }]) => [
      name,
      String(files),
      `${dataMiB} MiB`,
      `${folderMiB} MiB`,
    ]),
  );
  const queries = table(
    ["asked of Trino", "before", "after", "to before"],
    asked.map(({ query: name, before: was, after: is }) => [
      name,
      `${was.toFixed(3)} s`,
      `${is.toFixed(3)} s`,
      `${(is / was).toFixed(2)} ×`,
    ]),
  );
  return `${shapes}\n\n${queries}`;
}

export const command: Command = {
  usage,
  afterInterrupt: "Its stack is removed, unless it was to be kept (--keep).",
  async run(args, context) {
    const { values } = readOptions(usage, args, {
      days: { type: "string", default: "28" },
      rows: { type: "string", default: "2000" },
      rounds: { type: "string", default: "7" },
      keep: { type: "boolean", default: false },
    });
    const size = {
      days: wholeNumber(usage, "--days", values.days, 2, 28),
      rows: wholeNumber(usage, "--rows", values.rows, 1, 1_000_000),
      rounds: wholeNumber(usage, "--rounds", values.rounds, 1, 1000),
    };
    const sourcesFile = await declareSources([source]);
    const result = await withOwnStack(
      context,
      values.keep,
      async (own): Promise<MaintenanceResult> => ({
        machine: machine(),
        ...size,
        ...(await measure(context, own, size)),
      }),
      { sourcesFile, airflowParallelism: 4 },
    );
    await publish("maintenance", result, report(result));
    return 0;
  },
};
