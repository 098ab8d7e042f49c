import type Docker from "dockerode";
import { contentKey } from "../cache";
import { ifExists, reason, statusCode } from "../docker-plugin/engine-messages";
import { UserError } from "../user-error";
import type { ClusterSettings } from "./settings";

/** On the container, the volume and the network; its value is the cluster's name. */
export const clusterLabel = "lakestack.cluster";
/** Changes when the container has to be made anew. */
const recipeLabel = "lakestack.cluster.recipe";

/** Seconds that the node may take to stop its pods and itself. */
export const stopLimit = 60;

/** Where the API server listens inside. */
const apiPort = 6443;

/** All that outlives the container. */
const dataFolder = "/var/lib/cluster";

/** How it was found. */
export type Found = "running" | "stopped" | "outdated" | "absent";

/**
 * Sees to it that the node's container runs, made from the given image with the given settings. One that is otherwise is
 * made anew on the same volume: what is in the cluster stays.
 */
export async function ensureNodeContainer(
  docker: Docker,
  settings: ClusterSettings,
  image: string,
): Promise<{ container: Docker.Container; found: Found }> {
  const { Id: imageId } = await docker.getImage(image).inspect();
  const options = containerOptions(settings, image, imageId);
  const existing = docker.getContainer(settings.name);
  const facts = await ifExists(existing.inspect());
  if (facts !== undefined) {
    if (facts.Config.Labels[clusterLabel] !== settings.name) throw foreignName(settings.name);
    if (facts.Config.Labels[recipeLabel] === options.Labels?.[recipeLabel]) {
      if (!facts.State.Running) await start(existing, settings);
      return { container: existing, found: facts.State.Running ? "running" : "stopped" };
    }
    if (facts.State.Running) await existing.stop({ t: stopLimit });
    await existing.remove({ v: true });
  }
  await ensureVolumeAndNetwork(docker, settings.name);
  const container = await docker.createContainer(options).catch((error: unknown) => {
    throw refusal(error, settings);
  });
  await start(container, settings);
  return { container, found: facts === undefined ? "absent" : "outdated" };
}

async function start(container: Docker.Container, settings: ClusterSettings): Promise<void> {
  try {
    await container.start();
  } catch (error) {
    if (statusCode(error) !== 304) throw refusal(error, settings);
  }
}

async function ensureVolumeAndNetwork(docker: Docker, name: string): Promise<void> {
  const Labels = { [clusterLabel]: name };
  await docker.createVolume({ Name: name, Labels });
  if ((await ifExists(docker.getNetwork(name).inspect())) === undefined) {
    await docker.createNetwork({ Name: name, Driver: "bridge", CheckDuplicate: true, Labels });
  }
}

/**
 * A privileged container would do, but sandboxes refuse to give all that it stands for; this is what a node needs of it.
 * See docs/kubernetes.md.
 */
function containerOptions(
  { name, apiPort: hostApiPort, ports }: ClusterSettings,
  image: string,
  imageId: string,
): Docker.ContainerCreateOptions {
  const loopback = (port: number) => [{ HostIp: "127.0.0.1", HostPort: String(port) }];
  const bindings: Record<string, { HostIp: string; HostPort: string }[]> = {
    [`${apiPort}/tcp`]: loopback(hostApiPort),
  };
  for (const { host, node } of ports) (bindings[`${node}/tcp`] ??= []).push(...loopback(host));

  const options: Docker.ContainerCreateOptions = {
    name,
    Image: image,
    Hostname: name,
    ExposedPorts: Object.fromEntries(Object.keys(bindings).map((port) => [port, {}])),
    StopTimeout: stopLimit,
    HostConfig: {
      CapAdd: ["ALL"],
      CapDrop: ["SYS_RESOURCE"],
      // The last is Docker's `systempaths=unconfined`, which its command translates to the two below.
      SecurityOpt: ["seccomp=unconfined", "apparmor=unconfined"],
      MaskedPaths: [],
      ReadonlyPaths: [],
      CgroupnsMode: "private",
      DeviceCgroupRules: ["a *:* rwm"],
      Devices: [{ PathOnHost: "/dev/kmsg", PathInContainer: "/dev/kmsg", CgroupPermissions: "rwm" }],
      Tmpfs: { "/run": "exec", "/tmp": "" },
      Mounts: [{ Type: "volume", Source: name, Target: dataFolder }],
      NetworkMode: name,
      PortBindings: bindings,
      RestartPolicy: { Name: "unless-stopped" },
      LogConfig: { Type: "json-file", Config: { "max-size": "10m", "max-file": "3" } },
    },
  };
  const recipe = contentKey([imageId, JSON.stringify(options.HostConfig)]);
  return { ...options, Labels: { [clusterLabel]: name, [recipeLabel]: recipe } };
}

function foreignName(name: string): UserError {
  return new UserError(
    `Docker has a container ${name} that is no cluster of Lakestack's (it lacks the label ${clusterLabel}).`,
    "Remove or rename it, or choose another name: export LAKESTACK_CLUSTER_NAME=mine",
  );
}

/** What Docker says when it can't make or start the node, with what to do about it. */
export function refusal(error: unknown, settings: ClusterSettings): unknown {
  const message = reason(error);
  const [, port] =
    /127\.0\.0\.1:(\d+)(?: failed)?: (?:port is already allocated|bind: address already in use)/.exec(message) ??
    [];
  if (port !== undefined) return portTaken(Number(port), settings);
  if (/cgroup/i.test(message)) {
    return new UserError(
      `The cluster's node needs cgroups of its own, and Docker refuses them: ${message}`,
      "Expected Docker 20.10 or later on a kernel with cgroup namespaces. Use another engine (DOCKER_HOST), or name a cluster that you have: export LAKESTACK_KUBECONFIG=FILE",
      { cause: error },
    );
  }
  if (/apply caps|capabilit|operation not permitted/i.test(message)) {
    return new UserError(
      `The cluster's node needs more rights than this Docker gives its containers: ${message}`,
      "Rootless engines and some sandboxes refuse them. Use another engine (DOCKER_HOST), or name a cluster that you have: export LAKESTACK_KUBECONFIG=FILE",
      { cause: error },
    );
  }
  return error;
}

/** Says which port is taken and how to choose another. */
export function portTaken(port: number, { apiPort: own }: ClusterSettings, holder?: string): UserError {
  const by = holder === undefined ? "" : ` by ${holder}`;
  return new UserError(
    `Port ${port} of 127.0.0.1 is taken${by}, and the cluster is to be published there.`,
    port === own
      ? `End what uses it, or choose another: export LAKESTACK_CLUSTER_API_PORT=${port + 1000}`
      : `End what uses it, or choose others: export LAKESTACK_CLUSTER_PORTS=… (this machine's port:the Service's, as in ${port + 1000}:8443)`,
  );
}
