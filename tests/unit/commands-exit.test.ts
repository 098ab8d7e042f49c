import { spawn } from "node:child_process";
import * as path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { projectFolder } from "../../toolchain/project";

const size = 1 << 20;

/** A command that prints much and ends with a code. */
const program = `
  const { exit } = require(${JSON.stringify(path.join(projectFolder, "commands", "exit.ts"))});
  process.stdout.write("o".repeat(${size}));
  process.stderr.write("e".repeat(${size}));
  void exit(3);
`;

// A process is started, and its reader is slow.
test(
  "a slow reader gets all that a command has printed, and its exit code",
  { timeout: 30_000 },
  async () => {
    const child = spawn(process.execPath, ["--import", "tsx", "-e", program], {
      cwd: projectFolder,
      stdio: ["ignore", "pipe", "pipe"],
    });
    const ended = new Promise((resolve) => child.once("close", resolve));
    const length = { stdout: 0, stderr: 0 };
    for (const name of ["stdout", "stderr"] as const) {
      child[name].pause();
      child[name].on("data", (chunk: Buffer) => {
        length[name] += chunk.length;
      });
    }
    await sleep(1500);
    child.stdout.resume();
    child.stderr.resume();
    expect(await ended).toBe(3);
    expect(length).toEqual({ stdout: size, stderr: size });
  },
);
