import type Docker from "dockerode";
import type { Reporter } from "../toolchain/index";
import { UserError } from "../toolchain/index";
import type { PulumiCli, State } from "./pulumi-cli";
import { StackLocked } from "./pulumi-cli";
import { isAbandoned } from "./pulumi-lock";
import {
  ignoreAbsence,
  labelled,
  removeContainer,
  type StackContainer,
  stackContainers,
} from "./stack-containers";

export const containerType = "docker:index/container:Container";

/** What has to be put right before the engine can go on. */
export interface Damage {
  /** An interrupted run: the state does not know how these operations ended. */
  pending: string[];
  /** Containers that the state does not know, made by an interrupted run. */
  strangers: StackContainer[];
  /** Services whose container is stopped or gone although the state has it. */
  missing: string[];
  /** Containers that neither the state nor an interrupted run explains: those of another clone, or of a lost state. */
  unexplained: StackContainer[];
}

/** Compares what the state says with what the engine has. */
export function assess(state: State, containers: readonly StackContainer[]): Damage {
  const known = new Map(
    state.resources.filter(({ type }) => type === containerType).map(({ id, urn }) => [id, urn]),
  );
  const unknown = containers.filter(({ id }) => !known.has(id));
  const running = new Set(
    containers.filter(({ state, carrier }) => state === "running" || carrier).map(({ id }) => id),
  );
  const pending = state.pendingOperations.map(({ resource }) => resource.urn.split("::").at(-1) ?? "");
  const missing = [...known]
    .filter(([id = ""]) => !running.has(id))
    .map(([, urn]) => urn.split("::").at(-1) ?? "");
  const interrupted = pending.length > 0;
  return {
    pending,
    strangers: interrupted ? unknown : [],
    missing,
    unexplained: interrupted ? [] : unknown,
  };
}

/**
 * Puts right what an interrupted run, or a person with the docker command, left behind, so that `pulumi up` can
 * go on from there.
 *
 * @returns whether `up` has to refresh first.
 */
export async function mend(
  cli: PulumiCli,
  docker: Docker,
  state: State,
  reporter: Reporter,
): Promise<boolean> {
  const damage = assess(state, await stackContainers(docker, cli.stack));
  if (damage.unexplained.length > 0) throw leftovers(cli.stack, damage.unexplained);

  if (damage.pending.length > 0) {
    const task = reporter.task("Mending an interrupted run");
    task.update(`${damage.pending.join(", ")} half made`);
    for (const { id } of damage.strangers) await removeContainer(docker, id);
    await removeUnknownNetworks(docker, cli.stack, state);
    await unlocking(cli, () => cli.deploy("refresh", ["--clear-pending-creates"], () => undefined));
    task.done(`${damage.pending.join(", ")} will be made again`);
    return false;
  }
  if (damage.missing.length > 0) {
    reporter.task("Looking at what is there").done(`not running: ${damage.missing.join(", ")}`);
    return true;
  }
  return false;
}

export function leftovers(stack: string, containers: readonly StackContainer[]): UserError {
  const names = containers.map(({ name }) => name);
  return new UserError(
    `There are containers of a stack "${stack}" that this clone knows nothing of: ${names.join(", ")}.`,
    [
      "They are another clone's, or this clone's whose .lakestack/state is lost.",
      "Another clone: use that one, or another name here: export LAKESTACK_STACK=mine (and other ports).",
      "Not needed any more: npm run destroy removes them and their data.",
    ].join("\n"),
  );
}

/** Docker allows several networks of one name: one that the state does not know would be made a second time. */
async function removeUnknownNetworks(docker: Docker, stack: string, state: State): Promise<void> {
  const known = new Set(state.resources.map(({ id }) => id));
  const found = await docker.listNetworks({ filters: labelled(stack) });
  for (const { Id: id } of found) {
    if (!known.has(id)) await ignoreAbsence(docker.getNetwork(id).remove());
  }
}

/** Runs the work; if a lock of a process that has ended is in its way, takes that away and tries once more. */
export async function unlocking<T>(cli: PulumiCli, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof StackLocked && isAbandoned(error.holders))) throw error;
    await cli.unlock();
    return work();
  }
}
