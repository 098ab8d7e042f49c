import type Docker from "dockerode";
import { frames } from "../../commands/logs";
import { dockerClient } from "../../toolchain/docker-client";
import { stackName } from "./stack";
import { until } from "./until";

export const docker = dockerClient();

/** Those that run a service: others only carry files to them. */
const ofStack = { label: [`lakestack.stack=${stackName}`, "lakestack.service"] };

const prefix = `lakestack-${stackName}`;

export const containerName = (service: string) => `${prefix}-${service}`;

export const container = (service: string): Docker.Container => docker.getContainer(containerName(service));

/** ID of each container of the stack, by its service. */
export async function containerIds(): Promise<Record<string, string>> {
  const found = await docker.listContainers({ all: true, filters: ofStack });
  return Object.fromEntries(found.map(({ Labels, Id }) => [Labels["lakestack.service"] ?? "?", Id]));
}

/** The networks that a service is on, and its address on each. */
export async function addressesOf(service: string): Promise<Map<string, string>> {
  const { NetworkSettings } = await container(service).inspect();
  return new Map(
    Object.entries(NetworkSettings.Networks).map(([network, { IPAddress }]) => [network, IPAddress]),
  );
}

export const networksOf = async (service: string): Promise<string[]> => [
  ...(await addressesOf(service)).keys(),
];

/** Waits until Docker says that the service's own health check passes. */
export async function healthy(service: string, seconds = 120): Promise<void> {
  await until(`${service} is healthy`, seconds, async () => {
    const { State } = await container(service).inspect();
    return State.Running && State.Health?.Status === "healthy";
  });
}

/** Restarts a service as `docker restart` does. @returns when it is healthy again. */
export async function restart(service: string): Promise<void> {
  await container(service).restart();
  await healthy(service);
}

/** Everything that a service has written, or its last lines. */
export async function logs(service: string, tail?: number): Promise<string> {
  const options = { stdout: true, stderr: true, follow: false as const, tail };
  return demultiplexed(await container(service).logs(options));
}

/** Both streams of a container's output, in the order in which they were written. */
export const demultiplexed = (output: Buffer): string =>
  Buffer.concat(frames(output).map(({ text }) => text)).toString();

/** Runs a command inside a service's container. @returns what it wrote to its standard output. */
export async function execute(service: string, command: string[]): Promise<string> {
  const exec = await container(service).exec({ Cmd: command, AttachStdout: true, AttachStderr: true });
  const stream = await exec.start({});
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  const text = demultiplexed(Buffer.concat(chunks));
  const { ExitCode } = await exec.inspect();
  if (ExitCode !== 0)
    throw new Error(`${command.join(" ")} in ${service} ended with ${String(ExitCode)}: ${text}`);
  return text;
}

/** What Docker has of the stack, by label and by name. */
export async function belongings(): Promise<string[]> {
  const [containers, networks, { Volumes: volumes }, images] = await Promise.all([
    docker.listContainers({ all: true }),
    docker.listNetworks(),
    docker.listVolumes(),
    docker.listImages(),
  ]);
  return [
    ...containers
      .filter(({ Labels, Names }) => isOurs(Labels, ...Names.map((name) => name.slice(1))))
      .map(({ Names }) => `container ${Names.join(", ")}`),
    ...networks.filter(({ Labels, Name }) => isOurs(Labels, Name)).map(({ Name }) => `network ${Name}`),
    ...volumes.filter(({ Labels, Name }) => isOurs(Labels, Name)).map(({ Name }) => `volume ${Name}`),
    ...images
      .flatMap(({ RepoTags }) => RepoTags ?? [])
      .filter((tag) => new RegExp(`^${prefix}-[a-z]+:`).test(tag))
      .map((tag) => `image ${tag}`),
  ].sort();
}

/** By its label; without one, by its name. The label counts first: another stack's name may begin with this one's. */
function isOurs(labels: Record<string, string> | null | undefined, ...names: string[]): boolean {
  const label = labels?.["lakestack.stack"];
  return label === undefined
    ? names.some((name) => name === prefix || name.startsWith(`${prefix}-`))
    : label === stackName;
}
