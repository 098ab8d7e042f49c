/** A real Kubernetes cluster on this machine, for tests and for people. */
import type Docker from "dockerode";
import { ifExists } from "../docker-plugin/engine-messages";
import type { Reporter } from "../progress";
import { UserError } from "../user-error";
import { execIn } from "./container-exec";
import { findForeign, loadIntoKind, removeKind } from "./foreign";
import { kubeconfigFile, outsideKubeconfig, writeKubeconfig } from "./kubeconfig";
import { loadIntoNode, type LoadedImages } from "./load-images";
import { clusterLabel, ensureNodeContainer, stopLimit } from "./node-container";
import { ensureNodeImage } from "./node-image";
import { missingNow, untilReady } from "./readiness";
import type { ClusterSettings, PublishedPort } from "./settings";

export type { LoadedImages } from "./load-images";
export { portTaken } from "./node-container";
export { clusterSettings, type ClusterSettings, type PublishedPort } from "./settings";

/** A cluster that can be used. */
export interface Cluster {
  name: string;
  /** Made here, kind's, or the one that LAKESTACK_KUBECONFIG names. */
  origin: "own" | "kind" | "given";
  /** Path of the kubeconfig. */
  kubeconfig: string;
  /** Context in that kubeconfig. */
  context: string;
  /** Where Services of type LoadBalancer are to be found on 127.0.0.1. Only a cluster made here publishes any. */
  ports: PublishedPort[];
}

export interface ClusterContext {
  docker: Docker;
  settings: ClusterSettings;
  reporter: Reporter;
  signal?: AbortSignal;
}

export interface EnsureOptions extends ClusterContext {
  /** The images that the node's is built from; asked for only if a node is needed. */
  sources: () => Promise<{ baseImage: string; builderImage: string }>;
}

/**
 * Sees to it that there is a cluster, with the least work: nothing if it runs, starting it if it is stopped, making it
 * otherwise. What an interrupted run left behind is used or replaced.
 */
export async function ensureCluster(options: EnsureOptions): Promise<Cluster> {
  const { docker, settings, reporter, signal } = options;
  const foreign = await findForeign(settings, reporter);
  if (foreign !== undefined) return foreign;

  const image = await ensureNodeImage({ ...options, ...(await options.sources()) });
  signal?.throwIfAborted();
  const task = reporter.task(`Cluster ${settings.name}`);
  try {
    const { container, found } = await ensureNodeContainer(docker, settings, image);
    await untilReady(docker, container, task, signal);
    const cluster = await ownCluster(container, settings);
    const how = {
      running: "there already",
      stopped: "started again",
      outdated: "renewed, with all that was in it",
      absent: "made",
    };
    task.done(how[found]);
    return cluster;
  } catch (error) {
    task.fail(signal?.aborted ? "stopped; the next cluster:up goes on from here" : "not to be had");
    throw error;
  }
}

async function ownCluster(container: Docker.Container, settings: ClusterSettings): Promise<Cluster> {
  const { name, apiPort, ports } = settings;
  const { code, stdout, stderr } = await execIn(container, ["cat", "/etc/kubernetes/admin.conf"]);
  if (code !== 0) throw new Error(`the node's kubeconfig can't be read: ${stderr}`);
  const file = kubeconfigFile(name);
  await writeKubeconfig(file, outsideKubeconfig(stdout, name, apiPort));
  return { name, origin: "own", kubeconfig: file, context: name, ports };
}

/**
 * Brings images of the Docker engine into the cluster under the same names. Pods that name them need
 * `imagePullPolicy: IfNotPresent` or `Never`.
 */
export async function loadImages(
  cluster: Cluster,
  references: readonly string[],
  { docker, reporter, signal }: Omit<ClusterContext, "settings">,
): Promise<LoadedImages> {
  if (cluster.origin === "own")
    return loadIntoNode(docker, docker.getContainer(cluster.name), references, { reporter, signal });
  if (cluster.origin === "kind") return loadIntoKind(cluster.name, references, reporter);
  throw new UserError(
    `Images can't be put into the cluster of LAKESTACK_KUBECONFIG: ${references.join(", ")}`,
    "Push them to a registry that the cluster pulls from, and name that registry in the stack's configuration.",
  );
}

/** What a cluster made here is doing. */
export interface ClusterStatus {
  state: "absent" | "stopped" | "running";
  /** What is not there yet, if it runs and can't be used. */
  missing?: string;
  /** As `kubectl get pods -A` lists them, if it can be used. */
  pods?: string;
}

export async function clusterStatus({
  docker,
  settings,
}: Pick<ClusterContext, "docker" | "settings">): Promise<ClusterStatus> {
  const container = docker.getContainer(settings.name);
  const facts = await ifExists(container.inspect());
  if (facts === undefined || facts.Config.Labels[clusterLabel] !== settings.name) return { state: "absent" };
  if (!facts.State.Running) return { state: "stopped" };
  const missing = await missingNow(container);
  if (missing !== undefined) return { state: "running", missing };
  const { stdout } = await execIn(container, ["kubectl", "get", "pods", "--all-namespaces"]);
  return { state: "running", pods: stdout.trimEnd() };
}

/**
 * Stops the cluster; pods and data are there again after the next start.
 *
 * @returns false if it did not run.
 */
export async function stopCluster({ docker, settings, reporter }: ClusterContext): Promise<boolean> {
  const { state } = await clusterStatus({ docker, settings });
  if (state !== "running") return false;
  const task = reporter.task(`Cluster ${settings.name}`);
  task.update("stopping its pods");
  await docker.getContainer(settings.name).stop({ t: stopLimit });
  task.done("stopped");
  return true;
}

/**
 * Removes the cluster with all that is in it. The image stays in the cache, so that another is soon made.
 *
 * @returns false if there was nothing.
 */
export async function destroyCluster(context: ClusterContext): Promise<boolean> {
  const { docker, settings, reporter } = context;
  const removedKind = settings.kind === "kind" && (await removeKind(reporter));
  const filters = { label: [`${clusterLabel}=${settings.name}`] };
  const [containers, networks, { Volumes: volumes }] = await Promise.all([
    docker.listContainers({ all: true, filters }),
    docker.listNetworks({ filters }),
    docker.listVolumes({ filters }),
  ]);
  if (containers.length + networks.length + volumes.length === 0) return removedKind;
  const task = reporter.task(`Cluster ${settings.name}`);
  for (const { Id } of containers) await ifExists(docker.getContainer(Id).remove({ force: true, v: true }));
  for (const { Id } of networks) await ifExists(docker.getNetwork(Id).remove() as Promise<unknown>);
  for (const { Name } of volumes) await ifExists(docker.getVolume(Name).remove() as Promise<unknown>);
  task.done("removed, with all that was in it");
  return true;
}
