import { type ChildProcess, spawn, type SpawnOptions } from "node:child_process";
import { projectFolder } from "../../toolchain/project";

/** A program that has ended. */
export interface Finished {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
  /** Both, in the order in which they came. */
  output: string;
  seconds: number;
}

/** A program that runs in a process group of its own, as at a terminal of its own. */
export interface Running {
  child: ChildProcess;
  finished: Promise<Finished>;
  /** What it has written so far. */
  output: () => string;
  /** Sends a signal to the whole group, as Ctrl-C at a terminal or a loss of power does. */
  signal: (name: NodeJS.Signals) => void;
}

export type StartOptions = Pick<SpawnOptions, "env" | "uid" | "gid">;

/** Starts a program in the project's folder, without a terminal and without input. */
export function start(program: string, args: readonly string[], options: StartOptions = {}): Running {
  const began = performance.now();
  const child = spawn(program, args, {
    cwd: projectFolder,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    ...options,
  });
  const texts = { stdout: "", stderr: "", output: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (text: string) => {
      texts[name] += text;
      texts.output += text;
    });
  }
  const finished = new Promise<Finished>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => {
      resolve({ code, signal, ...texts, seconds: (performance.now() - began) / 1000 });
    });
  });
  return {
    child,
    finished,
    output: () => texts.output,
    signal: (name) => {
      if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, name);
    },
  };
}

/** The program ended as hoped; otherwise an error that shows all it wrote. */
export function expectSuccess(what: string, finished: Finished): Finished {
  if (finished.code === 0) return finished;
  const end = finished.signal ?? `code ${String(finished.code)}`;
  throw new Error(`${what} ended with ${end} after ${finished.seconds.toFixed(1)} s:\n${finished.output}`);
}
