import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { lstat, readdir, readFile, readlink } from "node:fs/promises";
import * as path from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import dockerignore from "@balena/dockerignore";
import * as tar from "tar-stream";

/** What is sent to the engine to build an image from. */
export interface BuildContext {
  /** Path of the Dockerfile inside the context. */
  dockerfile: string;
  /** Sorted by path. */
  entries: ContextEntry[];
}

interface ContextEntry {
  /** Relative to the context, with forward slashes. */
  path: string;
  kind: "file" | "directory" | "symlink";
  /** Where it lies on this machine. */
  source: string;
  mode: number;
  size: number;
  /** What a symlink points to. */
  target?: string;
}

/** Name inside the context of a Dockerfile that lies outside of it. */
const OUTSIDE_DOCKERFILE = ".Dockerfile.outside-of-context";

/** Any fixed time will do, so that equal contexts are equal archives; ZIP tools refuse years before 1980. */
const MODIFIED = new Date("2000-01-01T00:00:00Z");

/**
 * Lists what `.dockerignore` leaves of a context folder.
 *
 * @param folder absolute path of the context
 * @param dockerfile path of the Dockerfile, absolute or relative to the folder
 */
export async function readBuildContext(folder: string, dockerfile: string): Promise<BuildContext> {
  const file = path.resolve(folder, dockerfile);
  const inside = path.relative(folder, file);
  const isOutside = inside.startsWith("..") || path.isAbsolute(inside);
  const name = isOutside ? OUTSIDE_DOCKERFILE : inside.split(path.sep).join("/");

  const entries = await walk(folder, await readIgnoreRules(folder));
  // The builder needs the Dockerfile even if the rules leave it out.
  if (!entries.some((entry) => entry.path === name)) {
    const entry = await describe(file, name).catch((cause: unknown) => {
      throw new Error(`No Dockerfile at ${file}`, { cause });
    });
    entries.push(entry);
  }
  return { dockerfile: name, entries: entries.sort((a, b) => (a.path < b.path ? -1 : 1)) };
}

/** A digest that changes with any path, mode or content in the context, and with nothing else. */
export async function digestContext(context: BuildContext): Promise<string> {
  const digest = createHash("sha256").update(`Dockerfile ${context.dockerfile}\n`);
  for (const entry of context.entries) {
    const content = entry.kind === "file" ? await digestFile(entry.source) : (entry.target ?? "");
    digest.update(JSON.stringify([entry.path, entry.kind, entry.mode, content]));
  }
  return digest.digest("hex");
}

/** The context as the tar archive that the engine reads. */
export function packContext(context: BuildContext): Readable {
  const pack = tar.pack();
  void fill(pack, context).then(
    () => {
      pack.finalize();
    },
    (error: unknown) => {
      pack.destroy(error as Error);
    },
  );
  return pack as unknown as Readable;
}

async function fill(pack: tar.Pack, context: BuildContext): Promise<void> {
  for (const { path: name, kind, mode, size, target, source } of context.entries) {
    const header = { name, type: kind, mode, mtime: MODIFIED };
    if (kind === "file") await pipeline(createReadStream(source), pack.entry({ ...header, size }));
    else pack.entry(kind === "symlink" ? { ...header, linkname: target } : header);
  }
}

type Ignores = (relative: string) => boolean;

async function readIgnoreRules(folder: string): Promise<{ ignores: Ignores; hasExceptions: boolean }> {
  const rules = await readFile(path.join(folder, ".dockerignore"), "utf8").catch(() => "");
  const matcher = dockerignore().add(rules);
  return { ignores: (relative) => matcher.ignores(relative), hasExceptions: /^\s*!/m.test(rules) };
}

async function walk(
  folder: string,
  rules: { ignores: Ignores; hasExceptions: boolean },
  prefix = "",
): Promise<ContextEntry[]> {
  const entries: ContextEntry[] = [];
  for (const name of await readdir(path.join(folder, prefix))) {
    const relative = prefix === "" ? name : `${prefix}/${name}`;
    const ignored = rules.ignores(relative);
    const entry = await describe(path.join(folder, relative), relative);
    if (!ignored) entries.push(entry);
    // An ignored folder may hold a file that a later `!` rule takes back in.
    if (entry.kind === "directory" && (!ignored || rules.hasExceptions)) {
      entries.push(...(await walk(folder, rules, relative)));
    }
  }
  return entries;
}

async function describe(source: string, name: string): Promise<ContextEntry> {
  const status = await lstat(source);
  if (status.isDirectory()) return { path: name, kind: "directory", source, mode: 0o755, size: 0 };
  if (status.isSymbolicLink()) {
    return { path: name, kind: "symlink", source, mode: 0o777, size: 0, target: await readlink(source) };
  }
  if (!status.isFile())
    throw new Error(`${source} is neither file, folder nor link: leave it out by .dockerignore`);
  // As in git, only the executable bit counts: a checkout under another umask is the same context.
  const mode = status.mode & 0o100 ? 0o755 : 0o644;
  return { path: name, kind: "file", source, mode, size: status.size };
}

async function digestFile(file: string): Promise<string> {
  const digest = createHash("sha256");
  await pipeline(createReadStream(file), digest);
  return digest.digest("hex");
}
