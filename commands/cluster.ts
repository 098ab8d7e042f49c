import * as path from "node:path";
import type Docker from "dockerode";
import { imageBuilds, imageReference, prepareBuilderContext } from "../infra/image-builds";
import {
  type Cluster,
  clusterSettings,
  type ClusterSettings,
  clusterStatus,
  destroyCluster,
  ensureCluster,
  portTaken,
  stopCluster,
} from "../toolchain/cluster/index";
import { ensureImage } from "../toolchain/docker-plugin/image-builder";
import {
  cacheFolder,
  dockerClient,
  ensureBaseImage,
  ensureDocker,
  projectFolder,
  type Reporter,
  UserError,
} from "../toolchain/index";
import versions from "../versions.json";
import { type Command, messageOf, readOptions } from "./command";
import { containerMemory, freeDockerDisk } from "./machine-facts";
import { isPortFree, processAtPort } from "./port-holder";
import { bytes } from "./table";

/** The builder image is made under this name of a stack; its content is that of every stack's. */
const imageOwner = "cluster";

const GiB = 1024 ** 3;
/** Bytes of disk for compiling, images and a little data; and for an image that is there. */
const firstDisk = 10 * GiB;
const laterDisk = 2 * GiB;

export interface BringUpOptions {
  reporter: Reporter;
  signal: AbortSignal;
  /** Default: what the environment says. */
  settings?: ClusterSettings;
}

/** A cluster that can be used, with all that it takes on a fresh machine: Docker, a base image, the builder, the node. */
export async function bringUpCluster({
  reporter,
  signal,
  settings = clusterSettings(),
}: BringUpOptions): Promise<Cluster> {
  const docker = dockerClient();
  if (settings.kubeconfig === undefined) {
    await ensureDocker(reporter);
    await checkPorts(docker, settings);
  }
  const sources = async () => {
    await checkDisk(docker);
    const baseImage = (await ensureBaseImage(reporter, signal)) ?? versions.baseImage;
    return { baseImage, builderImage: await ensureBuilder(docker, baseImage, reporter, signal) };
  };
  return ensureCluster({ docker, settings, reporter, signal, sources });
}

async function ensureBuilder(
  docker: Docker,
  baseImage: string,
  reporter: Reporter,
  signal: AbortSignal,
): Promise<string> {
  const builder = imageBuilds({ baseImage }).find(({ name }) => name === "builder");
  if (builder === undefined) throw new Error("images/ has no builder");
  const { mirrors } = prepareBuilderContext();
  const name = imageReference(imageOwner, builder);
  const context = path.join(projectFolder, builder.context);
  const task = reporter.task("Image builder");
  try {
    const onProgress = (line: string) => {
      task.update(line.replace(`${name}: `, ""));
    };
    const buildArgs = { ...builder.args, ...mirrors };
    const { how } = await ensureImage({ name, context, buildArgs }, { docker, cacheFolder: cacheFolder(), onProgress, signal });
    task.done({ built: "built", cache: "loaded from the cache", present: "there already" }[how]);
    return name;
  } catch (error) {
    task.fail("could not be built");
    throw error;
  }
}

/** Docker would say it too, but not who has the port. */
async function checkPorts(docker: Docker, settings: ClusterSettings): Promise<void> {
  const wanted = [settings.apiPort, ...settings.ports.map(({ host }) => host)];
  const running = await docker.listContainers();
  for (const port of wanted) {
    const holder = running.find(({ Ports }) => Ports.some(({ PublicPort }) => PublicPort === port));
    const name = holder?.Names[0]?.replace(/^\//, "");
    if (name === settings.name) continue;
    if (name !== undefined) throw portTaken(port, settings, `the container ${name}`);
    if (!(await isPortFree(port)))
      throw portTaken(port, settings, (await processAtPort(port)) ?? "a process that this user can't see");
  }
}

async function checkDisk(docker: Docker): Promise<void> {
  const free = await freeDockerDisk(docker);
  if (free === undefined) return;
  const images = await docker.listImages({ filters: { reference: ["lakestack-cluster-node"] } });
  const needed = images.length === 0 ? firstDisk : laterDisk;
  if (free.bytes >= needed) return;
  throw new UserError(
    `${bytes(free.bytes)} are free at ${free.path}, where Docker keeps images and data, but the cluster needs ${bytes(needed)}.`,
    "See what Docker holds with docker system df, and remove what is not needed.",
  );
}

const upUsage = "npm run cluster:up     a Kubernetes cluster on this machine, for tests and for trying things out";

export const up: Command = {
  usage: upUsage,
  afterInterrupt: "npm run cluster:up goes on from here.",
  async run(args, { reporter, signal }) {
    readOptions(upUsage, args, {});
    const cluster = await bringUpCluster({ reporter, signal });
    const file = path.relative(process.cwd(), cluster.kubeconfig);
    console.log(`\nThe cluster is ready: kubectl --kubeconfig ${file} --context ${cluster.context} get pods -A`);
    if (cluster.origin === "own") {
      console.log(`kubectl is inside, too: docker exec ${cluster.name} kubectl get pods -A`);
      for (const { host, node } of cluster.ports)
        console.log(`  127.0.0.1:${host} is port ${node} of a Service of type LoadBalancer`);
    }
    return 0;
  },
};

const downUsage = "npm run cluster:down     stops the cluster; what is in it is kept";

export const down: Command = {
  usage: downUsage,
  afterInterrupt: "npm run cluster:down goes on from here.",
  async run(args, { reporter }) {
    readOptions(downUsage, args, {});
    const stopped = await stopCluster(await ownContext(reporter));
    console.log(
      stopped
        ? "\nStopped. npm run cluster:up starts it again, npm run cluster:destroy removes it."
        : "Nothing to stop: the cluster does not run.",
    );
    return 0;
  },
};

const destroyUsage = "npm run cluster:destroy     removes the cluster with all that is in it, without asking";

export const destroy: Command = {
  usage: destroyUsage,
  afterInterrupt: "npm run cluster:destroy goes on from here.",
  async run(args, { reporter }) {
    readOptions(destroyUsage, args, {});
    const removed = await destroyCluster(await ownContext(reporter));
    console.log(
      removed ? "\nThe cluster is gone. npm run cluster:up makes a new one." : "Nothing to remove: there is no cluster.",
    );
    return 0;
  },
};

const statusUsage =
  "npm run cluster:status     the cluster's state, its pods and its memory; exit code 1 unless it can be used";

export const status: Command = {
  usage: statusUsage,
  async run(args, { reporter }) {
    readOptions(statusUsage, args, {});
    const { docker, settings } = await ownContext(reporter);
    const { state, missing, pods } = await clusterStatus({ docker, settings });
    if (state !== "running") {
      console.log(`The cluster ${settings.name} is ${state === "stopped" ? "stopped" : "not there"}. Bring it up: npm run cluster:up`);
      return 1;
    }
    const memory = await containerMemory(docker, settings.name);
    console.log(`The cluster ${settings.name} runs and holds ${bytes(memory)} of memory.`);
    console.log(missing === undefined ? `\n${pods ?? ""}` : `It can't be used yet: ${missing}`);
    return missing === undefined ? 0 : 1;
  },
};

async function ownContext(reporter: Reporter) {
  const docker = dockerClient();
  await docker.ping().catch((error: unknown) => {
    throw new UserError(`Docker does not answer: ${messageOf(error)}`, "See npm run doctor.");
  });
  return { docker, settings: clusterSettings(), reporter };
}
