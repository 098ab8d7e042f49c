import { spawn } from "node:child_process";
import { existsSync, mkdirSync, openSync, readFileSync, rmSync } from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { cacheFolder } from "./cache";
import { canInstallPackages, installPackages } from "./debian-host";
import { dockerClient, dockerEndpoint, systemSocket } from "./docker-client";
import type { Reporter, Task } from "./progress";
import { CommandFailed, run } from "./run";
import { UserError } from "./user-error";

/** How long the engine may take to answer a ping, and to start, in milliseconds. */
const answerLimit = 10_000;
const startLimit = 90_000;

/**
 * Makes sure that a Docker engine answers. One that is there is used as it is; where it is the system's own and we are
 * root, it is started, and on Debian or Ubuntu installed if missing. Nothing is ever stopped.
 *
 * @throws UserError where the user has to act.
 */
export async function ensureDocker(reporter: Reporter): Promise<void> {
  const failure = await connectionFailure();
  if (failure === undefined) return;

  const ours = dockerEndpoint().address === `unix://${systemSocket}` && process.platform === "linux";
  const isRoot = process.getuid?.() === 0;
  const installed = findProgram("dockerd") !== undefined;
  if (!ours || !isRoot || !(installed || canInstallPackages())) throw explanation(failure, installed);

  const task = reporter.task("Docker");
  try {
    if (!installed) {
      task.update("installing docker.io");
      await installPackages(["docker.io", "ca-certificates", "iptables"], task);
    }
    task.update("starting the engine");
    await start(task);
    task.done(installed ? "started" : "installed and started");
  } catch (error) {
    task.fail("could not be installed and started");
    throw error instanceof CommandFailed
      ? new UserError(
          `Docker could not be set up: ${error.message}.`,
          "Mend what the lines above say, or install and start Docker yourself.",
          { cause: error },
        )
      : error;
  }
}

/** Why the engine does not answer; undefined if it does. */
async function connectionFailure(): Promise<NodeJS.ErrnoException | undefined> {
  const client = dockerClient();
  const limit = new AbortController();
  const timeout = sleep(answerLimit, undefined, { signal: limit.signal, ref: false }).then(() => {
    throw Object.assign(new Error(`no answer within ${answerLimit / 1000} seconds`), { code: "ETIMEDOUT" });
  });
  timeout.catch(() => undefined);
  try {
    await Promise.race([client.ping(), timeout]);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  } finally {
    limit.abort();
  }
}

async function start(task: Task): Promise<void> {
  if (existsSync("/run/systemd/system")) {
    await run("systemctl", ["start", "docker"], { task });
    await untilAnswers(() => undefined);
    return;
  }
  removeStalePidFile();
  const logFile = path.join(cacheFolder(), "dockerd.log");
  mkdirSync(path.dirname(logFile), { recursive: true });
  const log = openSync(logFile, "a");
  // In a session of its own: it outlives this command, and Ctrl-C does not reach it.
  const engine = spawn("dockerd", [], { detached: true, stdio: ["ignore", log, log] });
  let ended: string | undefined;
  engine.on("error", (error) => (ended = error.message));
  engine.on("exit", (code, signal) => (ended = signal ?? `exit code ${String(code)}`));
  engine.unref();
  await untilAnswers(() => {
    if (ended === undefined) return undefined;
    const lastLines = readFileSync(logFile, "utf8").trim().split("\n").slice(-20);
    for (const line of lastLines) task.log(line);
    return new UserError(
      `The Docker engine ended as soon as it was started (${ended}).`,
      `Its log says why: ${logFile}. In a container or sandbox it may lack the rights to run; give it an engine from outside by DOCKER_HOST.`,
    );
  });
}

/**
 * An engine that was killed leaves its process number behind, and the next one refuses to start if any process has that
 * number by now. An engine that is still there keeps its file.
 */
function removeStalePidFile(): void {
  const file = "/var/run/docker.pid";
  if (!existsSync(file)) return;
  const command = `/proc/${readFileSync(file, "utf8").trim()}/comm`;
  const owner = existsSync(command) ? readFileSync(command, "utf8").trim() : "";
  if (owner !== "dockerd") rmSync(file);
}

async function untilAnswers(ended: () => Error | undefined): Promise<void> {
  const deadline = Date.now() + startLimit;
  let failure: Error | undefined;
  do {
    await sleep(300);
    failure = await connectionFailure();
    if (failure === undefined) return;
    const fault = ended();
    if (fault) throw fault;
  } while (Date.now() < deadline);
  throw new UserError(
    `The Docker engine was started but does not answer after ${startLimit / 1000} seconds (${failure.message}).`,
    "Look into its log (journalctl -u docker, or dockerd.log in Lakestack's cache folder), and run the command again.",
  );
}

function explanation(failure: NodeJS.ErrnoException, installed: boolean): UserError {
  const { address, origin } = dockerEndpoint();
  const user = os.userInfo().username;
  if (failure.code === "EACCES") {
    return new UserError(
      `Docker is running, but user ${user} may not use it: permission to ${address} was denied.`,
      [
        "Either join its group, then log out and in again:",
        `    sudo usermod -aG docker ${user}`,
        "or run an engine of your own without root: dockerd-rootless-setuptool.sh install",
      ].join("\n"),
      { cause: failure },
    );
  }
  const message = `No Docker engine answers at ${address} (from ${origin}): ${failure.message}.`;
  return new UserError(message, remedy(origin, installed), { cause: failure });
}

function remedy(origin: string, installed: boolean): string {
  if (origin !== "the default socket") return `Start that engine, or correct ${origin}.`;
  if (process.platform === "darwin")
    return "Start Docker Desktop (or install it: brew install --cask docker), wait until it says that it is running, and run the command again.";
  if (installed) return "Start it: sudo systemctl start docker";
  return "Install Docker Engine (Debian and Ubuntu: sudo apt-get install docker.io), or run this command as root to have that done.";
}

function findProgram(name: string): string | undefined {
  const folders = [
    ...(process.env["PATH"] ?? "").split(path.delimiter),
    "/usr/sbin",
    "/usr/bin",
    "/usr/local/bin",
  ];
  return folders.map((folder) => path.join(folder, name)).find((file) => existsSync(file));
}
