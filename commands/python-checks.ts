import { readdir, readFile, stat } from "node:fs/promises";
import * as path from "node:path";
import { Readable, type Writable } from "node:stream";
import type Docker from "dockerode";
import { extract, pack, type Pack } from "tar-stream";
import { projectFolder } from "../toolchain/index";
import { removeContainer } from "./stack-containers";
import { add, type Counts, junitCounts, junitFailures, none } from "./test-counts";

/** Packages with checks of their own, each with its pyproject.toml. */
const packages = ["spark-jobs", "scheduler", "audit"];

/** What the checks read. Copied in, not mounted: the engine may be on another machine. */
const sources = [...packages, "sources.yaml", "sources.schema.json", "sample-data"];

const workplace = "/opt/checks-work";
const reportFile = (name: string) => `${workplace}/${name}.xml`;
const label = "lakestack.checks";
/** The images' user. */
const user = { uid: 10001, gid: 10001 };

const commands = (name: string, leftOut: readonly string[]) => [
  ["ruff", "check", "."],
  ["ruff", "format", "--check", "."],
  ["mypy"],
  [
    ...["pytest", "--durations=10", `--junitxml=${reportFile(name)}`],
    ...leftOut
      .filter((file) => file.startsWith(`${name}/`))
      .map((file) => `--ignore=${path.posix.relative(name, file)}`),
  ],
];

export interface PythonOutcome {
  /** Commands that ended with an error. */
  failed: string[];
  counts: Counts;
  /** The tests that failed, and why. */
  failures: string[];
}

/**
 * Runs the Python checks in a container of the image that has them, with the versions that the services run.
 *
 * @param leftOut files with tests that are not to be run.
 */
export async function checkPython(
  docker: Docker,
  image: string,
  leftOut: readonly string[],
  output: Writable,
  signal: AbortSignal,
): Promise<PythonOutcome> {
  for (const { Id } of await docker.listContainers({ all: true, filters: { label: [label] } })) {
    await removeContainer(docker, Id);
  }
  const container = await docker.createContainer({
    Image: image,
    Entrypoint: ["sleep"],
    Cmd: ["infinity"],
    WorkingDir: workplace,
    Labels: { [label]: "true" },
    HostConfig: { Init: true },
  });
  try {
    await container.putArchive(packProject(workplace, sources), { path: path.dirname(workplace) });
    await container.start();
    const failed: string[] = [];
    const failures: string[] = [];
    let counts = none;
    for (const name of packages) {
      for (const command of commands(name, leftOut)) {
        signal.throwIfAborted();
        output.write(`${name}$ ${command.join(" ")}\n`);
        const run = { command, folder: `${workplace}/${name}`, output, signal };
        const code = await execute(docker, container, run);
        if (code !== 0) failed.push(`${command[0] ?? ""} in ${name}`);
      }
      const report = await readOut(container, reportFile(name));
      if (report === undefined) continue;
      counts = add(counts, junitCounts(report));
      failures.push(...junitFailures(report));
    }
    return { failed, counts, failures };
  } finally {
    await removeContainer(docker, container.id);
  }
}

/** Files and folders of the project as an archive, to be unpacked where the folder is to stand. */
export function packProject(folder: string, names: readonly string[]): Readable {
  const archive = pack();
  const base = path.basename(folder);
  const fill = async () => {
    archive.entry({ name: base, type: "directory", mode: 0o755, ...user });
    for (const name of names) await addTree(archive, path.join(projectFolder, name), `${base}/${name}`);
    archive.finalize();
  };
  fill().catch((error: unknown) => {
    archive.destroy(error as Error);
  });
  return Readable.from(archive);
}

/** What tools leave behind in the sources and nobody wants copied. */
const leftBehind = new Set(["__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".venv"]);

async function addTree(archive: Pack, source: string, name: string): Promise<void> {
  const found = await stat(source);
  if (found.isDirectory()) {
    archive.entry({ name, type: "directory", mode: 0o755, ...user });
    for (const child of await readdir(source)) {
      if (!leftBehind.has(child)) await addTree(archive, path.join(source, child), `${name}/${child}`);
    }
  } else if (found.isFile()) {
    archive.entry({ name, mode: 0o644, mtime: found.mtime, ...user }, await readFile(source));
  }
}

async function execute(
  docker: Docker,
  container: Docker.Container,
  {
    command,
    folder,
    output,
    signal,
  }: { command: string[]; folder: string; output: Writable; signal: AbortSignal },
): Promise<number> {
  const exec = await container.exec({
    Cmd: command,
    WorkingDir: folder,
    AttachStdout: true,
    AttachStderr: true,
  });
  const stream = await exec.start({});
  docker.modem.demuxStream(stream, output, output);
  await new Promise<void>((resolve, reject) => {
    stream.once("end", resolve);
    stream.once("error", reject);
    signal.addEventListener("abort", () => {
      reject(signal.reason as Error);
    });
  });
  return (await exec.inspect()).ExitCode ?? 1;
}

/** The content of one file of the container, or undefined if there is none. */
async function readOut(container: Docker.Container, file: string): Promise<string | undefined> {
  const archive = await container.getArchive({ path: file }).catch(() => undefined);
  if (archive === undefined) return undefined;
  const chunks: Buffer[] = [];
  for await (const entry of archive.pipe(extract())) {
    for await (const chunk of entry) chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString("utf8");
}
