import { createWriteStream, readdirSync, readFileSync } from "node:fs";
import { chmod } from "node:fs/promises";
import * as path from "node:path";
import { pipeline } from "node:stream/promises";
import { PassThrough } from "node:stream";
import type Docker from "dockerode";
import * as tar from "tar-stream";
import versions from "../versions.json";
import { hostCertificates } from "./ca-bundle";
import { cacheFolder, contentKey, makeOnce } from "./cache";
import { dockerClient } from "./docker-client";
import { ifExists, statusCode } from "./docker-plugin/engine-messages";
import type { Reporter, Task } from "./progress";
import { projectFolder } from "./project";
import { lineWriter } from "./run";
import { UserError } from "./user-error";

const sourceFolder = path.join(projectFolder, "toolchain", "engine");
const label = "lakestack.toolchain";

/** The user's settings for downloads, which the build takes over. */
const downloadSettings = [
  ...["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"],
  ...["GOPROXY", "GONOPROXY", "GOPRIVATE", "GOSUMDB", "GONOSUMDB"],
  ...["PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST"],
];

/**
 * The Pulumi command for this host, built from its Go module in a container; from the cache if it was built before.
 *
 * An interrupted build leaves its container stopped, with all that was downloaded and compiled: the next one goes on in
 * it. Two builds at once share one container.
 *
 * @returns the path of the executable.
 */
export async function buildEngine(
  reporter: Reporter,
  baseImage: string,
  signal?: AbortSignal,
): Promise<string> {
  const executable = path.join(cacheFolder(), "engine", engineKey(), "pulumi");
  await makeOnce(executable, async (temporary) => {
    const task = reporter.task("Pulumi engine");
    try {
      const settings = downloadSettings.flatMap((name) =>
        process.env[name] ? [`${name}=${process.env[name]}`] : [],
      );
      await build(dockerClient(), {
        baseImage,
        environment: [...target(), ...settings],
        temporary,
        task,
        signal,
      });
      task.done("built from its Go module");
    } catch (error) {
      if (signal?.aborted) task.done("stopped; the next run goes on from here");
      else task.fail("could not be built");
      throw error;
    }
  });
  return executable;
}

/** Names the result: changes with the version, the module's own files and the host's kind. */
export function engineKey(): string {
  return contentKey([...Object.values(sources()), ...target()]);
}

/** What to build and for which kind of host, as the build script's environment. */
function target(): string[] {
  const architecture = process.arch === "x64" ? "amd64" : process.arch;
  return [`PULUMI_VERSION=${versions.pulumi}`, `GOOS=${process.platform}`, `GOARCH=${architecture}`];
}

interface Build {
  baseImage: string;
  /** `NAME=value`, as Docker wants them. */
  environment: string[];
  temporary: string;
  task: Task;
  signal: AbortSignal | undefined;
}

async function build(
  docker: Docker,
  { baseImage, environment, temporary, task, signal }: Build,
): Promise<void> {
  const name = `lakestack-engine-${contentKey([baseImage, ...environment, ...Object.values(sources())])}`;
  await removeOthers(docker, name);
  const container = await provide(docker, name, baseImage, environment);
  const stop = () => void container.stop({ t: 1 }).catch(() => undefined);
  signal?.throwIfAborted();
  signal?.addEventListener("abort", stop);
  try {
    await ignoring(304, container.start());
    const log = await container.logs({ follow: true, stdout: true, stderr: true });
    showProgress(docker, log, task);
    const { StatusCode: code } = (await container.wait()) as { StatusCode: number };
    signal?.throwIfAborted();
    if (code !== 0) {
      await ignoring(404, container.remove({ force: true }));
      throw new UserError(
        `The Pulumi engine could not be built (exit code ${code}).`,
        "The lines above say why. Most often a download failed: check the network and proxy settings, and run the command again.",
      );
    }
    await copyOut(container, "/engine/pulumi", temporary);
    await ignoring(404, container.remove({ force: true }));
  } finally {
    signal?.removeEventListener("abort", stop);
  }
}

/** The container of the build: the one that is there, of an interrupted build or of one that runs beside us; else a new one. */
async function provide(
  docker: Docker,
  name: string,
  image: string,
  environment: string[],
): Promise<Docker.Container> {
  const existing = docker.getContainer(name);
  if (await ifExists(existing.inspect())) return existing;
  try {
    const container = await docker.createContainer({
      name,
      Image: image,
      Cmd: ["sh", "/engine/build.sh"],
      Env: environment,
      Labels: { [label]: "engine" },
    });
    await container.putArchive(await packed({ ...sources(), "ca-bundle.pem": hostCertificates() }), {
      path: "/",
    });
    return container;
  } catch (error) {
    if (statusCode(error) === 409) return existing;
    throw error;
  }
}

/** Stopped containers of builds that nobody will go on with: other sources, other settings. */
async function removeOthers(docker: Docker, name: string): Promise<void> {
  const filters = { label: [`${label}=engine`], status: ["created", "exited", "dead"] };
  const stopped = await docker.listContainers({ all: true, filters });
  for (const { Id, Names } of stopped) {
    if (!Names.includes(`/${name}`)) await ignoring(404, docker.getContainer(Id).remove({ v: true }));
  }
}

/** The build script's own messages begin with `==>`: they say what it is doing. */
function showProgress(docker: Docker, log: NodeJS.ReadableStream, task: Task): void {
  const write = lineWriter({
    ...task,
    log: (line) => {
      if (line.startsWith("==> ")) task.update(`${line.slice(4)} (once, about five minutes in all)`);
      else task.log(line);
    },
  });
  const output = new PassThrough({ encoding: "utf8" });
  output.on("data", write);
  (
    docker.modem as { demuxStream(from: NodeJS.ReadableStream, out: PassThrough, err: PassThrough): void }
  ).demuxStream(log, output, output);
}

async function copyOut(container: Docker.Container, from: string, to: string): Promise<void> {
  const archive = await container.getArchive({ path: from });
  const extract = tar.extract();
  const reading = pipeline(archive, extract);
  for await (const entry of extract) await pipeline(entry, createWriteStream(to));
  await reading;
  await chmod(to, 0o755);
}

/** A tar archive of a folder `engine` with these files. */
async function packed(files: Record<string, string>): Promise<Buffer> {
  const pack = tar.pack();
  pack.entry({ name: "engine", type: "directory" });
  for (const [name, content] of Object.entries(files)) pack.entry({ name: `engine/${name}` }, content);
  pack.finalize();
  const chunks: Uint8Array[] = [];
  for await (const chunk of pack) chunks.push(chunk as Uint8Array);
  return Buffer.concat(chunks);
}

/** The files of the engine's folder by name, in a fixed order. */
function sources(): Record<string, string> {
  const names = readdirSync(sourceFolder).sort();
  return Object.fromEntries(names.map((name) => [name, readFileSync(path.join(sourceFolder, name), "utf8")]));
}

async function ignoring(status: number, request: Promise<unknown>): Promise<void> {
  try {
    await request;
  } catch (error) {
    if (statusCode(error) !== status) throw error;
  }
}
