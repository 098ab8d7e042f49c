import { createHash, randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import * as os from "node:os";
import * as path from "node:path";

/** The user's cache: results of long work that any clone of the project can use again. Safe to delete at any time. */
export function cacheFolder(): string {
  const { LAKESTACK_CACHE, XDG_CACHE_HOME } = process.env;
  if (LAKESTACK_CACHE) return path.resolve(LAKESTACK_CACHE);
  if (XDG_CACHE_HOME) return path.join(path.resolve(XDG_CACHE_HOME), "lakestack");
  return process.platform === "darwin"
    ? path.join(os.homedir(), "Library", "Caches", "lakestack")
    : path.join(os.homedir(), ".cache", "lakestack");
}

/** Names a result by everything that went into it: 12 hex digits that change when any part, or the parts' order, does. */
export function contentKey(parts: readonly string[]): string {
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 12);
}

/**
 * Makes the file `target` unless it is there. `make` writes to a temporary path beside it, which is moved into place
 * when it has succeeded: an interrupted run leaves no half-written file under the final name, and of two runs at once
 * either one's complete result wins.
 */
export async function makeOnce(target: string, make: (temporary: string) => Promise<void>): Promise<void> {
  if (existsSync(target)) return;
  await replaceFile(target, make);
}

/** As {@link makeOnce}, but a file that is already there is replaced. */
export async function replaceFile(target: string, make: (temporary: string) => Promise<void>): Promise<void> {
  await mkdir(path.dirname(target), { recursive: true });
  const temporary = `${target}.${randomBytes(4).toString("hex")}.partial`;
  try {
    await make(temporary);
    await rename(temporary, target);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}
