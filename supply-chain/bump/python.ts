import { existsSync } from "node:fs";
import { cp, readFile, writeFile } from "node:fs/promises";
import * as path from "node:path";
import { withScratch } from "../../toolchain/scratch";
import type { Task } from "../../toolchain/progress";
import { pipIndex } from "../advisories/pip-index";
import { runProgram } from "./program";
import { type Changes, versionsFile, withValues } from "./versions-file";

/** Milliseconds for uv to resolve one file. */
const limit = 5 * 60_000;

/** Folders whose requirements.txt is locked, those first that others have as a constraint. */
const folders = [
  "images/builder",
  "images/spark",
  "images/airflow",
  "images/checks",
  "images/moto",
  "toolchain/engine",
];

/**
 * A version of a Python package, in every lock file that has it. With a requirements.in uv resolves anew what depends on it, by the
 * command that the lock file itself names; what does not have to change keeps its version. Without one only the package's own
 * hashes change.
 */
export async function bumpPython(
  folder: string,
  name: string,
  version: string,
  task: Task,
): Promise<Changes> {
  return withScratch("bump", async (scratch) => {
    // uv reads a file beside another, so it works on a copy of all.
    for (const each of folders)
      await cp(path.join(folder, each), path.join(scratch, each), { recursive: true });
    const env = { ...process.env, UV_DEFAULT_INDEX: await pipIndex() };
    const changes: Changes = new Map();
    for (const each of folders) {
      const at = path.join(scratch, each);
      const lock = await readFile(path.join(at, "requirements.txt"), "utf8");
      const affected = [...changes.keys()].some((file) =>
        lock.includes(`../${path.basename(path.dirname(file))}/`),
      );
      if (!pins(name).test(lock) && !affected) continue;
      task.update(`resolving ${each}`);
      if (existsSync(path.join(at, "requirements.in"))) await resolve(at, lock, name, version, { env, task });
      else
        await writeFile(
          path.join(at, "requirements.txt"),
          await relocked(lock, name, version, { env, task }),
        );
      for (const file of ["requirements.in", "requirements.txt"]) {
        const text = await readFile(path.join(at, file), "utf8").catch(() => undefined);
        if (text !== undefined && text !== (await readFile(path.join(folder, each, file), "utf8")))
          changes.set(`${each}/${file}`, text);
      }
    }
    return changes.set(versionsFile, withValues(folder, "locked", { [name]: version }));
  });
}

interface Uv {
  env: NodeJS.ProcessEnv;
  task: Task;
}

async function uv(args: readonly string[], cwd: string, { env, task }: Uv): Promise<string> {
  return runProgram("uv", ["pip", "compile", ...args], "Install uv (pip install uv)", {
    cwd,
    env,
    task,
    limit,
  });
}

/** Sets the version where it is asked for, and has uv repeat the command that the lock file starts with. */
async function resolve(at: string, lock: string, name: string, version: string, tools: Uv): Promise<void> {
  const asked = path.join(at, "requirements.in");
  const text = await readFile(asked, "utf8");
  await writeFile(asked, text.replace(pins(name), `$1${version}`));
  const command = /^#\s+uv pip compile (.+)$/m.exec(lock)?.[1];
  if (command === undefined)
    throw new Error(
      `${at}/requirements.txt does not say how it was made, expected "# uv pip compile …" on top`,
    );
  await uv([...command.split(" "), "--quiet"], at, tools);
}

/** A lock file of a few packages, with another version and its hashes for one of them. */
async function relocked(lock: string, name: string, version: string, tools: Uv): Promise<string> {
  return withScratch("bump", async (folder) => {
    await writeFile(path.join(folder, "requirements.in"), `${name}==${version}\n`);
    const args = [
      "--no-deps",
      "--generate-hashes",
      "--no-annotate",
      "--no-header",
      "--quiet",
      "requirements.in",
    ];
    const locked = (await uv(args, folder, tools)).trim();
    return lock.replace(
      new RegExp(`^${escaped(name)}==\\S+(?:[ \\t]*\\\\\\n[ \\t]+--hash=\\S+)*`, "m"),
      () => locked,
    );
  });
}

/** The line that pins a package, with or without extras; all before the version is its first group. */
function pins(name: string): RegExp {
  return new RegExp(`^(${escaped(name)}(?:\\[[^\\]]*\\])?==)[^\\s;]+`, "m");
}

const escaped = (name: string) => name.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
