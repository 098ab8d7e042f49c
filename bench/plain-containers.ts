import { buffer } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import type Docker from "dockerode";
import { pack } from "tar-stream";
import { removeContainer } from "../commands/stack-containers";

/** A container as the stack's state describes it, secrets included. */
export interface DeclaredContainer {
  urn: string;
  /** URNs of everything that has to be there first. */
  dependencies: string[];
  inputs: {
    name: string;
    image: string;
    hostname: string;
    entrypoints: string[];
    command: string[];
    envs: string[];
    uploads: { file: string; content: string; permissions: string }[];
    ports: { internal: number; external: number; ip: string }[];
    volumes: { volumeName: string; containerPath: string }[];
    networksAdvanced: { name: string; aliases: string[] }[];
    labels: { label: string; value: string }[];
    healthcheck: { tests: string[]; interval: string; timeout: string };
    memory: number;
  };
}

/**
 * The baseline: makes and starts the same containers with nothing but the engine's own calls, each as soon as those
 * it needs are healthy, and returns when all are.
 *
 * @returns a function that removes them.
 */
export async function startPlain(
  docker: Docker,
  declared: readonly DeclaredContainer[],
  signal: AbortSignal,
): Promise<() => Promise<void>> {
  const started = new Map<string, Promise<string>>();
  const start = (container: DeclaredContainer): Promise<string> => {
    const known = started.get(container.urn);
    if (known !== undefined) return known;
    const needs = declared.filter(({ urn }) => container.dependencies.includes(urn));
    const work = Promise.all(needs.map(start)).then(() => startOne(docker, container, signal));
    started.set(container.urn, work);
    return work;
  };
  const remove = async () => {
    const made = await Promise.allSettled(started.values());
    const ids = made.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
    await Promise.all(ids.map((id) => removeContainer(docker, id)));
  };
  try {
    await Promise.all(declared.map(start));
  } catch (error) {
    await remove();
    throw error;
  }
  return remove;
}

async function startOne(docker: Docker, { inputs }: DeclaredContainer, signal: AbortSignal): Promise<string> {
  const memory = inputs.memory * 1024 * 1024;
  const [network, ...otherNetworks] = inputs.networksAdvanced;
  const container = await docker.createContainer({
    name: inputs.name,
    Image: inputs.image,
    Hostname: inputs.hostname,
    Entrypoint: inputs.entrypoints,
    Cmd: inputs.command,
    Env: inputs.envs,
    Labels: Object.fromEntries(inputs.labels.map(({ label, value }) => [label, value])),
    ExposedPorts: Object.fromEntries(inputs.ports.map(({ internal }) => [`${internal}/tcp`, {}])),
    Healthcheck: {
      Test: inputs.healthcheck.tests,
      Interval: seconds(inputs.healthcheck.interval) * 1e9,
      Timeout: seconds(inputs.healthcheck.timeout) * 1e9,
    },
    NetworkingConfig: {
      EndpointsConfig: network === undefined ? {} : { [network.name]: { Aliases: network.aliases } },
    },
    HostConfig: {
      Binds: inputs.volumes.map(({ volumeName, containerPath }) => `${volumeName}:${containerPath}`),
      PortBindings: Object.fromEntries(
        inputs.ports.map(({ internal, external, ip }) => [
          `${internal}/tcp`,
          [{ HostIp: ip, HostPort: String(external) }],
        ]),
      ),
      NetworkMode: network?.name,
      Memory: memory,
      MemorySwap: memory,
      CapDrop: ["ALL"],
      SecurityOpt: ["no-new-privileges"],
      Init: true,
    },
  });
  for (const { name, aliases } of otherNetworks) {
    const endpoint = { Container: container.id, EndpointConfig: { Aliases: aliases } };
    await docker.getNetwork(name).connect(endpoint);
  }
  const files = pack();
  for (const { file, content, permissions } of inputs.uploads) {
    files.entry({ name: file, mode: Number.parseInt(permissions, 8) }, content);
  }
  files.finalize();
  await container.putArchive(await buffer(files), { path: "/" });
  await container.start();
  for (;;) {
    signal.throwIfAborted();
    const { State } = await container.inspect();
    if (State.Health?.Status === "healthy") return container.id;
    if (!State.Running) throw new Error(`${inputs.name} ended with code ${State.ExitCode}`);
    await sleep(250);
  }
}

/** Seconds of a duration such as 1m30s. */
function seconds(duration: string): number {
  const units: Record<string, number> = { h: 3600, m: 60, s: 1 };
  return [...duration.matchAll(/(\d+)([hms])/g)].reduce(
    (sum, [, count, unit]) => sum + Number(count) * (units[unit ?? ""] ?? 0),
    0,
  );
}
