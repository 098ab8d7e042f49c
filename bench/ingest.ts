import { readFile } from "node:fs/promises";
import { Writable } from "node:stream";
import type Docker from "dockerode";
import { type Command, type Context, readOptions } from "../commands/command";
import { prepareMachine } from "../commands/prepare";
import { packProject } from "../commands/python-checks";
import { removeContainer } from "../commands/stack-containers";
import { bytes, table } from "../commands/table";
import { UserError } from "../toolchain/index";
import { ingestChart } from "./ingest-chart";
import { publish, resultFile } from "./results";

const usage = `npm run bench:ingest                       what a batch costs by the size of its table, what many days at once,
                                                  and whether one much larger than the memory goes through
npm run bench:ingest -- --rows 100000,1000000     tables of these sizes; none: 0
npm run bench:ingest -- --keys random             only these keys in them, or ordered; the other results stay
npm run bench:ingest -- --backfill 5000000        rows of the many days; none: 0
npm run bench:ingest -- --memory 512              MiB of Java's heap for a batch ten times as large; none: 0`;

const workplace = "/tmp/bench-work";
const label = "lakestack.bench";

/** One measurement: of each number the median of three rounds, in each of which all tables are measured. */
export interface Measurement {
  keys: "ordered" | "random";
  /** Of the table before the batch. */
  rows: number;
  way: string;
  seconds: number;
  /** Of processor time, which other programs on the machine hardly change. */
  cpuSeconds: number;
  /** By Spark's process: table, metadata, batch, and what the steps of a query exchange. */
  bytesRead: number;
  tableBytes: number;
}

/** What one way took for many days at once. */
export interface BackfillWay {
  way: string;
  seconds: number;
  cpuSeconds: number;
  rowsPerSecond: number;
}

export interface Backfill {
  rows: number;
  days: number;
  /** Of JSON. */
  textBytes: number;
  results: BackfillWay[];
  /** The steps of Lakestack's run. */
  profile: { step: string; seconds: number; cpuSeconds: number }[];
}

/** A batch that is larger than the memory that Spark has. */
export interface Memory {
  heapBytes: number;
  /** Of JSON. */
  textBytes: number;
  rows: number;
  seconds: number;
  cpuSeconds: number;
}

interface Result {
  /** Rows of the batch. */
  batch: number;
  cores: number;
  results: Measurement[];
  backfill?: Backfill;
  memory?: Memory;
}

/** What was not asked for is not there. */
type Measured = Partial<Result>;

async function benchmark(
  { stack, reporter, signal }: Context,
  { rows, keys, backfill, memory }: Record<"rows" | "keys" | "backfill" | "memory", string>,
): Promise<Measured> {
  const { docker, images } = await prepareMachine({ stack, reporter, signal, forTests: true });
  const image = images.get("checks");
  if (image === undefined) throw new UserError("There is no image of the checks.", "Run npm test first.");
  for (const { Id } of await docker.listContainers({ all: true, filters: { label: [label] } })) {
    await removeContainer(docker, Id);
  }
  const measure = (script: string, size: string, ...more: string[]) =>
    size === "0" ? undefined : runScript({ docker, image, signal }, script, ["--size", size, ...more]);
  return {
    ...(await measure("ingest.py", rows, "--keys", keys)),
    ...(await measure("ingest_backfill.py", backfill)),
    ...(await measure("ingest_memory.py", memory)),
  };
}

/** Runs one of the scripts in a container, and returns what its last line says. */
async function runScript(
  { docker, image, signal }: { docker: Docker; image: string; signal: AbortSignal },
  script: string,
  options: readonly string[],
): Promise<Measured> {
  const container = await docker.createContainer({
    Image: image,
    Entrypoint: ["python3", `${workplace}/bench/${script}`],
    Cmd: ["--project", workplace, "--folder", "/tmp/bench-data", ...options],
    Env: [`PYTHONPATH=/opt/spark/python:/opt/checks/python:${workplace}/spark-jobs/src`],
    Labels: { [label]: "true" },
    HostConfig: { Init: true },
  });
  try {
    await container.putArchive(packProject(workplace, ["spark-jobs", "sample-data", "bench"]), {
      path: "/tmp",
    });
    const abort = () => void removeContainer(docker, container.id);
    signal.addEventListener("abort", abort, { once: true });
    const lines = await run(docker, container);
    signal.throwIfAborted();
    return JSON.parse(lines.at(-1) ?? "") as Measured;
  } finally {
    await removeContainer(docker, container.id);
  }
}

/** Runs the container to its end; prints and returns what it wrote to its output. */
async function run(docker: Docker, container: Docker.Container): Promise<string[]> {
  const stream = await container.attach({ stream: true, stdout: true, stderr: true });
  let output = "";
  const keep = new Writable({
    write(chunk: Buffer, _, done) {
      output += chunk.toString();
      process.stdout.write(chunk);
      done();
    },
  });
  docker.modem.demuxStream(stream, keep, process.stderr);
  await container.start();
  const { StatusCode } = (await container.wait()) as { StatusCode: number };
  if (StatusCode !== 0)
    throw new UserError(`The benchmark ended with code ${StatusCode}.`, "Its last lines say why.");
  return output.trim().split("\n");
}

/** The measurements as tables. */
export function report({ results, backfill, memory }: Omit<Result, "batch" | "cores">): string {
  const tables = [
    ...(results.length === 0 ? [] : [bySize(results)]),
    ...(backfill === undefined ? [] : manyDays(backfill)),
    ...(memory === undefined ? [] : [beyondMemory(memory)]),
  ];
  return tables.join("\n\n");
}

function bySize(results: readonly Measurement[]): string {
  return table(
    ["keys", "rows in the table", "what", "median", "processor", "bytes read", "of the table"],
    results.map(({ keys, rows, way, seconds, cpuSeconds, bytesRead, tableBytes }) => [
      keys,
      rows.toLocaleString("en"),
      way,
      `${seconds.toFixed(1)} s`,
      `${cpuSeconds.toFixed(1)} s`,
      bytes(bytesRead),
      `${((100 * bytesRead) / tableBytes).toFixed(1)} %`,
    ]),
  );
}

function manyDays({ rows, days, textBytes, results, profile }: Backfill): string[] {
  const ways = table(
    [`${rows.toLocaleString("en")} rows in ${days} days`, "time", "processor", "rows a second"],
    results.map(({ way, seconds, cpuSeconds, rowsPerSecond }) => [
      way,
      `${seconds.toFixed(1)} s`,
      `${cpuSeconds.toFixed(1)} s`,
      rowsPerSecond.toLocaleString("en"),
    ]),
  );
  const steps = table(
    [`Lakestack's run, of ${bytes(textBytes)} of JSON`, "time", "processor"],
    profile.map(({ step, seconds, cpuSeconds }) => [
      step,
      `${seconds.toFixed(1)} s`,
      `${cpuSeconds.toFixed(1)} s`,
    ]),
  );
  return [ways, steps];
}

function beyondMemory({ heapBytes, textBytes, rows, seconds, cpuSeconds }: Memory): string {
  return table(
    ["one batch", "JSON", "heap", "JSON to heap", "time", "processor"],
    [
      [
        `${rows.toLocaleString("en")} rows`,
        bytes(textBytes),
        bytes(heapBytes),
        `${(textBytes / heapBytes).toFixed(1)} ×`,
        `${seconds.toFixed(1)} s`,
        `${cpuSeconds.toFixed(1)} s`,
      ],
    ],
  );
}

export const command: Command = {
  usage,
  async run(args, context) {
    const { values } = readOptions(usage, args, {
      rows: { type: "string", default: "100000,1000000,10000000,50000000" },
      keys: { type: "string", default: "ordered,random" },
      backfill: { type: "string", default: "5000000" },
      memory: { type: "string", default: "512" },
    });
    if (!/^(0|[1-9]\d*(,[1-9]\d*)*)$/.test(values.rows)) {
      throw new UserError(`--rows is "${values.rows}", expected numbers that grow, with commas.`, usage);
    }
    if (!/^(ordered|random|ordered,random)$/.test(values.keys)) {
      throw new UserError(`--keys is "${values.keys}", expected ordered, random or ordered,random.`, usage);
    }
    if (!/^\d+00000$|^0$/.test(values.backfill)) {
      throw new UserError(`--backfill is "${values.backfill}", expected a multiple of 100000.`, usage);
    }
    // Spark does not start with less than 450 MiB, of which Java keeps some for itself.
    if (!/^(0|[5-9]\d{2}|[1-9]\d{3,4})$/.test(values.memory)) {
      throw new UserError(`--memory is "${values.memory}", expected MiB from 500 to 99999, or 0.`, usage);
    }
    const measured = await benchmark(context, values);
    // What was not measured now stays as it was.
    const earlier = JSON.parse(
      await readFile(resultFile("ingest"), "utf8").catch(() => "{}"),
    ) as Partial<Result>;
    const kinds = new Set(measured.results?.map(({ keys }) => keys));
    const kept = earlier.results?.filter(({ keys }) => !kinds.has(keys)) ?? [];
    const results = [...kept, ...(measured.results ?? [])];
    const result = { ...earlier, ...measured, results };
    const { batch } = result;
    // Tables of some size were never measured here: there is no picture of them.
    const chart = batch === undefined ? undefined : ingestChart({ batch, results });
    await publish("ingest", result, report({ results: [], ...measured }), chart);
    return 0;
  },
};
