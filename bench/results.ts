import { mkdir, writeFile } from "node:fs/promises";
import * as os from "node:os";
import * as path from "node:path";
import { projectFolder } from "../toolchain/index";

/** What a benchmark ran on. */
export interface Machine {
  cores: number;
  memoryGiB: number;
  /** Version of Node, which generates the load of some. */
  node: string;
}

export const machine = (): Machine => ({
  cores: os.availableParallelism(),
  memoryGiB: Math.round(os.totalmem() / 2 ** 30),
  node: process.version,
});

/** Where a benchmark's result is kept. */
export const resultFile = (name: string) => path.join(projectFolder, "bench", "results", `${name}.json`);

const chartFile = (name: string) => path.join(projectFolder, "docs", "bench", `${name}.svg`);

/** Keeps a benchmark's result, and its picture if it has one, in the place of the last; prints the report. */
export async function publish(name: string, result: object, report: string, chart?: string): Promise<void> {
  const file = resultFile(name);
  await keep(file, `${JSON.stringify(result, undefined, 2)}\n`);
  if (chart !== undefined) await keep(chartFile(name), chart);
  console.log(`\n${report}\n\nWritten to ${path.relative(projectFolder, file)}`);
}

async function keep(file: string, content: string): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, content);
}
