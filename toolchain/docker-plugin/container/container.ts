import type { ContainerArgs } from "@pulumi/docker";
import type Docker from "dockerode";
import { ifExists, reason, statusCode } from "../engine-messages";
import { findOrPull } from "../find-image";
import type { Values } from "../../plugin-protocol/provider";
import { IncompleteError } from "../../plugin-protocol/provider";
import type { InputsOf } from "../property-table";
import { fillRequest, labelsToMap, readProperties, withoutUndefined } from "../property-table";
import type { ResourceType, Work } from "../resource-type";
import { INCOMPLETE } from "../resource-type";
import type { Found, Request } from "./engine-types";
import { inspect } from "./engine-types";
import { limitProperties } from "./limits";
import { lifecycleProperties } from "./lifecycle";
import { networkOutputs } from "./networking";
import { containerLogs } from "./output";
import { awaitReadiness } from "./readiness";
import { containerTable } from "./table";
import { uploadFiles } from "./uploads";

type Inputs = InputsOf<ContainerArgs> & { name: string };

export const container: ResourceType = {
  table: containerTable,
  autoName: true,
  // Two containers can share neither name nor published ports.
  deleteBeforeReplace: true,

  async create(values, work) {
    const inputs = values as unknown as Inputs;
    await findOrPull(work.docker, inputs.image, inputs.platform, work);
    const made = await make(inputs, work);
    try {
      await connect(made, inputs, work.docker);
      await uploadFiles(made, inputs.uploads ?? []);
      const logs = inputs.start === false ? undefined : await run(made, inputs, work);
      return { id: made.id, outputs: await outputs(made, values, logs) };
    } catch (error) {
      const message = messageOf(work.signal.aborted ? interruption(work.signal) : error, inputs.name);
      const found = await outputs(made, values, undefined).catch(() => values);
      throw new IncompleteError(message, made.id, { ...found, [INCOMPLETE]: true });
    }
  },

  async read(id, recorded, work) {
    const existing = work.docker.getContainer(id);
    const found = await ifExists(inspect(existing));
    if (!found) return undefined;
    const { mustRun = true, start = true } = recorded as Partial<Inputs>;
    if (mustRun && start && !found.State.Running) {
      // As in the official plugin: one that has stopped is made anew by the next `up`, from a clean start.
      await remove(existing, recorded);
      return undefined;
    }
    const incomplete = INCOMPLETE in recorded ? { [INCOMPLETE]: true } : {};
    return { id: found.Id, outputs: { ...describe(found, recorded), ...incomplete } };
  },

  async update(id, recorded, inputs, { docker }) {
    const existing = docker.getContainer(id);
    const { name } = inputs as unknown as Inputs;
    try {
      await existing.update(updateRequest(recorded, inputs));
    } catch (error) {
      throw new Error(`Container ${name}: ${reason(error)}`, { cause: error });
    }
    return outputs(existing, { ...inputs, containerLogs: recorded["containerLogs"] }, undefined);
  },

  async delete(id, recorded, { docker }) {
    await remove(docker.getContainer(id), recorded);
  },
};

async function make(inputs: Inputs, { docker }: Work): Promise<Docker.Container> {
  const request = fillRequest<Request, Found>(containerTable, { HostConfig: {} }, { ...inputs });
  try {
    return await docker.createContainer(request as Docker.ContainerCreateOptions);
  } catch (error) {
    if (statusCode(error) !== 409) throw new Error(messageOf(error, inputs.name), { cause: error });
    throw new Error(await conflict(docker, inputs), { cause: error });
  }
}

/** Says whose the container is that has the name. */
async function conflict(docker: Docker, { name, labels = [] }: Inputs): Promise<string> {
  const existing = await ifExists(docker.getContainer(name).inspect());
  const given = Object.entries(labelsToMap(labels));
  const isOurs =
    given.length > 0 && given.every(([label, value]) => existing?.Config.Labels[label] === value);
  const origin = isOurs
    ? "It has this stack's labels: an interrupted run left it behind."
    : "It does not have this stack's labels: something else has made it.";
  return `Container ${name}: the engine has a container of this name that is not in the stack's state. ${origin} To remove it: docker rm -f -v ${name}`;
}

/** As the official plugin does it: off the default network, then onto each of the container's own. */
async function connect(
  made: Docker.Container,
  { networksAdvanced = [] }: Inputs,
  docker: Docker,
): Promise<void> {
  if (networksAdvanced.length === 0) return;
  await docker
    .getNetwork("bridge")
    .disconnect({ Container: made.id })
    .catch((error: unknown) => {
      // Never on it, where `networkMode` names another.
      if (!/is not connected/.test(reason(error))) throw error;
    });
  for (const { name, aliases, ipv4Address, ipv6Address } of networksAdvanced) {
    const addresses = { IPv4Address: ipv4Address, IPv6Address: ipv6Address };
    const endpoint = { Aliases: aliases, IPAMConfig: addresses };
    await docker.getNetwork(name).connect({ Container: made.id, EndpointConfig: endpoint });
  }
}

/** Returns the logs, if they were asked for. */
async function run(made: Docker.Container, inputs: Inputs, work: Work): Promise<string | undefined> {
  await made.start();
  if (inputs.attach) await made.wait({ abortSignal: work.signal });
  // One that removes itself may be gone.
  if (inputs.rm && !(await ifExists(made.inspect()))) return undefined;
  await awaitReadiness(made, inputs.name, inputs, work);
  return inputs.attach && inputs.logs ? containerLogs(made) : undefined;
}

async function outputs(made: Docker.Container, recorded: Values, logs: string | undefined): Promise<Values> {
  const found = await ifExists(inspect(made));
  const values = found ? describe(found, recorded) : recorded;
  return logs === undefined ? values : { ...values, containerLogs: logs };
}

function describe(found: Found, recorded: Values): Values {
  const { Running, ExitCode } = found.State;
  return withoutUndefined({
    ...readProperties(containerTable, found, recorded),
    ...networkOutputs(found),
    exitCode: Running ? undefined : ExitCode,
    containerLogs: recorded["containerLogs"],
  });
}

const { memory, memorySwap, memoryReservation, cpuShares, cpuSet } = limitProperties;
const { restart, maxRetryCount } = lifecycleProperties;
/** What an engine can change of a container that runs. */
const updatable = { memory, memorySwap, memoryReservation, cpuShares, cpuSet, restart, maxRetryCount };

function updateRequest(recorded: Values, inputs: Values): object {
  const { HostConfig } = fillRequest<Request, Found>(updatable, { HostConfig: {} }, inputs);
  const limitsSwap = recorded["memorySwap"] !== -1;
  // The engine refuses memory above the swap limit that it has derived from the old one: derive it as it would.
  if (HostConfig.Memory && HostConfig.MemorySwap === undefined && limitsSwap)
    HostConfig.MemorySwap = 2 * HostConfig.Memory;
  return HostConfig;
}

async function remove(existing: Docker.Container, recorded: Values): Promise<void> {
  const { destroyGraceSeconds = 0, attach = false, removeVolumes = true } = recorded as Partial<Inputs>;
  if (destroyGraceSeconds > 0 && !attach) {
    // 304 where it has stopped already
    await ifExists(existing.stop({ t: destroyGraceSeconds })).catch((error: unknown) => {
      if (statusCode(error) !== 304) throw error;
    });
  }
  await ifExists(existing.remove({ force: true, v: removeVolumes })).catch(async (error: unknown) => {
    // The engine is removing it already: of its own accord, or for another's asking.
    if (statusCode(error) !== 409) throw error;
    await ifExists(existing.wait({ condition: "removed" }));
  });
}

function interruption(signal: AbortSignal): Error {
  const isTimeout = signal.reason instanceof Error && signal.reason.name === "TimeoutError";
  return new Error(isTimeout ? "not done in the time that `customTimeouts` gives" : "interrupted");
}

function messageOf(error: unknown, name: string): string {
  const text = reason(error);
  return text.startsWith(`Container ${name} `) ? text : `Container ${name}: ${text}`;
}
