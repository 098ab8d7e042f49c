import { link, readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import * as os from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { randomUUID } from "node:crypto";

const RETRY_MS = 200;
const HEARTBEAT_MS = 10_000;
/** Without a heartbeat for this long, the holder is gone, even if its process number is in use again. */
const STALE_MS = 60_000;

interface Holder {
  host: string;
  pid: number;
}

/**
 * Does the work while holding a lock file, so that no other call, in this process or another, does the same work at the
 * same time. The lock of a process that has died is taken over.
 */
export async function withFileLock<T>(
  file: string,
  work: () => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  while (!(await acquire(file))) {
    if (!(await discardIfStale(file))) await sleep(RETRY_MS, undefined, { signal });
  }
  const heartbeat = setInterval(() => {
    const now = new Date();
    utimes(file, now, now).catch(() => undefined);
  }, HEARTBEAT_MS);
  try {
    return await work();
  } finally {
    clearInterval(heartbeat);
    await rm(file, { force: true });
  }
}

/** Writes the holder's name beside the lock and links it into place: the lock is never there without its content. */
async function acquire(file: string): Promise<boolean> {
  const own = `${file}.${randomUUID()}`;
  const holder: Holder = { host: os.hostname(), pid: process.pid };
  await writeFile(own, JSON.stringify(holder));
  try {
    await link(own, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  } finally {
    await rm(own, { force: true });
  }
}

/** Returns true if the lock may be tried again at once. */
async function discardIfStale(file: string): Promise<boolean> {
  if (!(await isStale(file))) return false;
  // Moving is atomic: of several that find the lock stale, one gets it. If a new holder came in between, give it back.
  const aside = `${file}.${randomUUID()}`;
  try {
    await rename(file, aside);
  } catch {
    return true;
  }
  if (!(await isStale(aside))) await link(aside, file).catch(() => undefined);
  await rm(aside, { force: true });
  return true;
}

async function isStale(file: string): Promise<boolean> {
  try {
    const holder = JSON.parse(await readFile(file, "utf8")) as Holder;
    if (Date.now() - (await stat(file)).mtimeMs > STALE_MS) return true;
    return holder.host === os.hostname() && !isAlive(holder.pid);
  } catch (error) {
    // Released in the meantime: there is nothing to discard.
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
