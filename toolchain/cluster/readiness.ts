import { setTimeout as sleep } from "node:timers/promises";
import type Docker from "dockerode";
import type { Task } from "../progress";
import { UserError } from "../user-error";
import { execIn } from "./container-exec";

/** How long a node may take, in milliseconds: seconds on an idle machine, minutes on one that does other things. */
const limit = 5 * 60_000;
const interval = 500;
/** Lines of the node's log that an error shows. */
const shownLines = 25;

/** Waits until the node itself says that the cluster can be used. */
export async function untilReady(
  docker: Docker,
  container: Docker.Container,
  task: Task,
  signal?: AbortSignal,
): Promise<void> {
  const deadline = Date.now() + limit;
  for (;;) {
    signal?.throwIfAborted();
    const missing = await missingNow(container, signal);
    if (missing === undefined) return;
    task.update(missing);
    const { State, Name } = await container.inspect();
    const name = Name.replace(/^\//, "");
    if (!State.Running || State.Restarting) throw await failure(container, name, State.ExitCode);
    if (Date.now() > deadline) {
      throw new UserError(
        `The cluster is not ready after ${limit / 60_000} minutes: ${missing}.\n${await lastLines(container)}`,
        `See docker logs ${name}. A machine under heavy load may need longer: run npm run cluster:up again, which goes on from here.`,
      );
    }
    await sleep(interval, undefined, { signal });
  }
}

/** What is not there yet; undefined if the cluster can be used. */
export async function missingNow(
  container: Docker.Container,
  signal?: AbortSignal,
): Promise<string | undefined> {
  try {
    const { code, stdout, stderr } = await execIn(container, ["lakestack-node", "check"], { signal });
    if (code === 0) return undefined;
    return stdout.trim() || stderr.trim() || `the node's check ended with exit code ${code}`;
  } catch (error) {
    signal?.throwIfAborted();
    return `the container does not answer: ${error instanceof Error ? error.message : String(error)}`;
  }
}

async function failure(container: Docker.Container, name: string, code: number): Promise<UserError> {
  // Nobody wants it to try for ever.
  await container.stop({ t: 5 }).catch(() => undefined);
  const lines = await lastLines(container);
  const aboutCgroups = /cgroup/i.test(lines);
  return new UserError(
    `The cluster's node ended (exit code ${code}). Its last lines:\n${lines}`,
    aboutCgroups
      ? "The node needs cgroups, version 1 or 2, that it may divide among its pods: expected Docker with the option cgroupns=private. Use another engine (DOCKER_HOST), or name a cluster that you have: export LAKESTACK_KUBECONFIG=FILE"
      : `See docker logs ${name}. To start over without what was in the cluster: npm run cluster:destroy`,
  );
}

async function lastLines(container: Docker.Container): Promise<string> {
  const log = (await container.logs({ stdout: true, stderr: true, tail: shownLines })) as Buffer;
  return withoutFrames(log)
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => `    ${line.slice(0, 300)}`)
    .join("\n");
}

/** The log's text: each piece comes with eight bytes before it, the stream's number and the length. */
function withoutFrames(log: Buffer): string {
  const pieces: Buffer[] = [];
  for (let at = 0; at + 8 <= log.length; ) {
    const length = log.readUInt32BE(at + 4);
    pieces.push(log.subarray(at + 8, at + 8 + length));
    at += 8 + length;
  }
  return Buffer.concat(pieces).toString("utf8");
}
