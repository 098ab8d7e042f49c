import { spawn, type SpawnOptions } from "node:child_process";
import type { Task } from "./progress";

/** A command ended with an error, or could not be started. */
export class CommandFailed extends Error {
  constructor(
    command: string,
    reason: string,
    /** What it wrote. */
    readonly output: string,
  ) {
    super(`${command}: ${reason}`);
    this.name = "CommandFailed";
  }
}

export interface RunOptions extends Pick<SpawnOptions, "cwd" | "env"> {
  /** Gets every line that the command writes. */
  task?: Task;
  /** Milliseconds after which it is ended and counts as failed. */
  limit?: number;
}

/** Runs a command without a terminal or input, and returns its standard output. */
export async function run(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const { task, limit, cwd, env } = options;
  const child = spawn(command, args, { cwd, env, timeout: limit, stdio: ["ignore", "pipe", "pipe"] });
  let stdout = "";
  let all = "";
  const log = task && lineWriter(task);
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    all += text;
    log?.(text);
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    all += text;
    log?.(text);
  });
  return await new Promise((resolve, reject) => {
    child.on("error", (error) => {
      reject(new CommandFailed(command, error.message, all));
    });
    child.on("close", (code, signal) => {
      if (code === 0) resolve(stdout);
      else
        reject(new CommandFailed(command, signal ? `ended by ${signal}` : `exit code ${String(code)}`, all));
    });
  });
}

/** Gives text that arrives in pieces to a task, line by line. */
export function lineWriter(task: Task): (text: string) => void {
  let rest = "";
  return (text) => {
    const lines = (rest + text).split(/\r?\n/);
    rest = lines.pop() ?? "";
    for (const line of lines) task.log(line);
  };
}
