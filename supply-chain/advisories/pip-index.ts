import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Milliseconds for pip to say what it is set to. */
const limit = 15_000;

/**
 * The index that pip would install from, without a slash at the end: PIP_INDEX_URL, else pip's configuration, else pip's own
 * default. May hold credentials.
 *
 * @throws Error if there is no pip to ask.
 */
export async function pipIndex(): Promise<string> {
  const { PIP_INDEX_URL } = process.env;
  const index = PIP_INDEX_URL ? PIP_INDEX_URL : await configured();
  return index.replace(/\/+$/, "");
}

async function configured(): Promise<string> {
  for (const key of ["install.index-url", "global.index-url"]) {
    const { stdout } = await run("pip3", ["config", "get", key], { timeout: limit }).catch(
      (error: unknown) => {
        if ((error as NodeJS.ErrnoException).code === "ENOENT")
          throw new Error(
            "there is no pip3 here that would say where its packages come from; set PIP_INDEX_URL",
          );
        return { stdout: "" };
      },
    );
    if (stdout.trim() !== "") return stdout.trim();
  }
  // pip's help names the index it uses; a narrow terminal would break the line.
  const env = { ...process.env, COLUMNS: "200" };
  const { stdout } = await run("pip3", ["install", "--help"], { timeout: limit, env });
  const index = /Python\s+Package\s+Index\s+\(default\s+(https?:\S+?)\)/.exec(stdout)?.[1];
  if (index === undefined)
    throw new Error("pip3 does not say where its packages come from; set PIP_INDEX_URL");
  return index;
}
