import { mkdir, readFile, writeFile } from "node:fs/promises";
import * as path from "node:path";
import { Writable } from "node:stream";
import type Docker from "dockerode";
import { type Command, type Context, readOptions } from "../commands/command";
import { prepareMachine } from "../commands/prepare";
import { packProject } from "../commands/python-checks";
import { removeContainer } from "../commands/stack-containers";
import { bytes, table } from "../commands/table";
import { projectFolder, UserError } from "../toolchain/index";
import { ingestChart } from "./ingest-chart";

const usage = `npm run bench:ingest [-- --rows 100000,1000000]     what a batch costs by the size of the table it goes into`;

const resultFile = path.join(projectFolder, "bench", "results", "ingest.json");
const chartFile = path.join(projectFolder, "docs", "bench", "ingest.svg");
const workplace = "/tmp/bench-work";
const label = "lakestack.bench";

/** One measurement: of each number the median of three runs, each of which is undone. */
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

interface Result {
  /** Rows of the batch. */
  batch: number;
  cores: number;
  results: Measurement[];
}

async function benchmark({ stack, reporter, signal }: Context, rows: string): Promise<Result> {
  const { docker, images } = await prepareMachine({ stack, reporter, signal, forTests: true });
  const image = images.get("spark");
  if (image === undefined) throw new UserError("There is no image of Spark.", "Run npm run up first.");
  for (const { Id } of await docker.listContainers({ all: true, filters: { label: [label] } })) {
    await removeContainer(docker, Id);
  }
  const container = await docker.createContainer({
    Image: image,
    Entrypoint: ["python3", `${workplace}/bench/ingest.py`],
    Cmd: ["--project", workplace, "--folder", "/tmp/bench-data", "--rows", rows],
    Env: [`PYTHONPATH=/opt/spark/python:${workplace}/spark-jobs/src`],
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
    return JSON.parse(lines.at(-1) ?? "") as Result;
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

/** The measurements as a table. */
export function report({ results }: Pick<Result, "results">): string {
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

export const command: Command = {
  usage,
  async run(args, context) {
    const { values } = readOptions(usage, args, { rows: { type: "string", default: "100000,1000000" } });
    if (!/^[1-9]\d*(,[1-9]\d*)*$/.test(values.rows)) {
      throw new UserError(`--rows is "${values.rows}", expected numbers that grow, with commas.`, usage);
    }
    const result = await benchmark(context, values.rows);
    await mkdir(path.dirname(resultFile), { recursive: true });
    await mkdir(path.dirname(chartFile), { recursive: true });
    await writeFile(resultFile, `${JSON.stringify(result, undefined, 2)}\n`);
    await writeFile(chartFile, ingestChart(JSON.parse(await readFile(resultFile, "utf8")) as Result));
    console.log(`\n${report(result)}\n\nWritten to ${path.relative(projectFolder, resultFile)}`);
    return 0;
  },
};
