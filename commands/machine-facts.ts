import { existsSync } from "node:fs";
import { access, constants, readFile, statfs } from "node:fs/promises";
import * as os from "node:os";
import * as path from "node:path";
import type Docker from "dockerode";
import { cacheFolder, dockerClient, dockerEndpoint, projectFolder, toolFolder } from "../toolchain/index";
import { canInstallPackages } from "../toolchain/debian-host";
import { systemSocket } from "../toolchain/docker-client";
import { messageOf } from "./command";
import { currentPassphrase, passphraseState, type PassphraseState } from "./passphrase";
import { isPortFree, processAtPort } from "./port-holder";
import { configFile, Settings } from "./settings";
import { stackImages } from "./stack-images";
import { stackContainers, type StackContainer } from "./stack-containers";

export interface EngineFacts {
  /** Where the engine is, for messages. */
  address: string;
  version: string;
  /** As the engine names it: "x86_64", "aarch64". */
  architecture: string;
  cpus: number;
  /** Memory of the machine (or virtual machine) that the engine runs on, bytes. */
  memory: number;
  /** Where it keeps images and volumes, on its own machine. */
  rootFolder: string;
  /** The stack's containers, running or not. */
  containers: StackContainer[];
  /** The stack's volumes. */
  volumes: string[];
  networks: NetworkFacts;
  /** True if the stack's images were built before. */
  hasImages: boolean;
}

/** Networks of the kind that the stack needs, each of which takes one of the engine's ranges of addresses. */
export interface NetworkFacts {
  own: number;
  /** Of others, the engine's own one included. */
  others: number;
  /** As many as the engine has ranges for, if no range is in use outside Docker. */
  most: number;
}

/** The engine does not answer. */
export interface EngineFault {
  address: string;
  /** `denied`: it is there, but not for this user. */
  kind: "absent" | "denied";
  message: string;
  /** True if `up` installs and starts Docker by itself: root on Debian or Ubuntu. */
  installable: boolean;
}

export interface DiskFacts {
  /** What is kept there. */
  purpose: "containers and images" | "downloads and builds" | "project";
  path: string;
  /** Bytes. */
  free: number;
}

export interface PortFacts {
  /** Configuration key, for example "trinoPort". */
  key: string;
  port: number;
  /** Who has it; undefined if it is free or the stack's own. */
  holder?: string;
}

/** What the checks judge. Plain data, so that any machine can be described. */
export interface MachineFacts {
  stack: string;
  nodeVersion: string;
  platform: string;
  architecture: string;
  engine: EngineFacts | EngineFault;
  /** Bytes that the stack may use: what is free and what its own containers hold. Undefined where it can't be told. */
  availableMemory?: number;
  disks: DiskFacts[];
  ports: PortFacts[];
  passphrase: PassphraseState;
  /** False if the state, kept in the project, has nothing of this stack; undefined if it is kept elsewhere. */
  stateKnown?: boolean;
}

/** Looks at this machine. Changes nothing and asks nothing outside it. */
export async function examineMachine(stack: string): Promise<MachineFacts> {
  const docker = dockerClient();
  const engine = await examineEngine(docker, stack);
  const present = "version" in engine ? engine : undefined;
  const containers = present?.containers ?? [];
  const [ports, availableMemory, disks, passphrase] = await Promise.all([
    examinePorts(stack, present && docker),
    present && examineMemory(docker, present),
    examineDisks(present),
    examinePassphrase(stack),
  ]);
  const own = new Set(containers.flatMap((container) => container.ports.map(({ PublicPort }) => PublicPort)));
  return {
    stack,
    nodeVersion: process.versions.node,
    platform: process.platform,
    architecture: process.arch,
    engine,
    availableMemory,
    disks,
    ports: ports.map((facts) => (own.has(facts.port) ? { ...facts, holder: undefined } : facts)),
    passphrase,
    stateKnown: examineState(stack),
  };
}

async function examineEngine(docker: Docker, stack: string): Promise<EngineFacts | EngineFault> {
  const { address, origin } = dockerEndpoint();
  const where = `${address} (${origin})`;
  try {
    const [info, containers, volumes, images, networks] = await Promise.all([
      docker.info() as Promise<DockerInfo>,
      stackContainers(docker, stack),
      docker.listVolumes({ filters: { label: [`lakestack.stack=${stack}`] } }),
      stackImages(docker, stack),
      docker.listNetworks({ filters: { driver: ["bridge"] } }),
    ]);
    const own = networks.filter(({ Labels }) => Labels?.["lakestack.stack"] === stack).length;
    return {
      address: where,
      version: info.ServerVersion,
      architecture: info.Architecture,
      cpus: info.NCPU,
      memory: info.MemTotal,
      rootFolder: info.DockerRootDir,
      containers,
      volumes: volumes.Volumes.map(({ Name }) => Name),
      networks: { own, others: networks.length - own, most: mostNetworks(info.DefaultAddressPools) },
      hasImages: images.length > 0,
    };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    const denied = code === "EACCES" || code === "EPERM";
    return {
      address: where,
      kind: denied ? "denied" : "absent",
      message: messageOf(error),
      installable: !denied && canProvideEngine(address),
    };
  }
}

/** Whether `up` would start the engine, or install it: root, and the engine wanted is the system's own. */
function canProvideEngine(address: string): boolean {
  const own = process.platform === "linux" && address === `unix://${systemSocket}`;
  return own && process.getuid?.() === 0 && (existsSync("/usr/sbin/dockerd") || canInstallPackages());
}

/** The part of the engine's answer that is read here. */
interface DockerInfo {
  ServerVersion: string;
  Architecture: string;
  NCPU: number;
  MemTotal: number;
  DockerRootDir: string;
  /** Only where they were configured. */
  DefaultAddressPools?: AddressPool[] | null;
}

/** Addresses that the engine cuts into networks, each of 2 ** (32 - size) addresses. */
interface AddressPool {
  /** For example "172.16.0.0/12". */
  Base: string;
  Size: number;
}

/** What an engine cuts networks from by itself: 172.17 to 172.31, and a 192.168 in sixteen parts. */
const enginesOwnPools: AddressPool[] = [
  ...Array.from({ length: 15 }, (_, index) => ({ Base: `172.${17 + index}.0.0/16`, Size: 16 })),
  { Base: "192.168.0.0/16", Size: 20 },
];

export function mostNetworks(configured: readonly AddressPool[] | null | undefined): number {
  const pools = configured?.length ? configured : enginesOwnPools;
  return pools.reduce((sum, { Base, Size }) => sum + 2 ** (Size - Number(Base.split("/")[1])), 0);
}

/** What is free on this machine if the engine runs here, else what the engine's machine has at all. */
async function examineMemory(docker: Docker, engine: EngineFacts): Promise<number | undefined> {
  const here = process.platform === "linux" && Math.abs(engine.memory - os.totalmem()) < 0.1 * os.totalmem();
  if (!here) return engine.memory;
  const meminfo = await readFile("/proc/meminfo", "utf8");
  const available = Number(/^MemAvailable:\s+(\d+) kB$/m.exec(meminfo)?.[1]) * 1024;
  const held = await Promise.all(
    engine.containers
      .filter(({ state }) => state === "running")
      .map(({ id }) => containerMemory(docker, id).catch(() => 0)),
  );
  return available + held.reduce((sum, count) => sum + count, 0);
}

/** Bytes that a container holds, as `docker stats` counts them: without the page cache that can be given back. */
export async function containerMemory(docker: Docker, id: string): Promise<number> {
  const stats = await docker.getContainer(id).stats({ stream: false, "one-shot": true });
  const { usage, stats: details } = stats.memory_stats as { usage?: number; stats?: Record<string, number> };
  const cache = details?.["inactive_file"] ?? details?.["total_inactive_file"] ?? 0;
  return Math.max(0, (usage ?? 0) - cache);
}

async function examineDisks(engine: EngineFacts | undefined): Promise<DiskFacts[]> {
  const places: [DiskFacts["purpose"], string | undefined][] = [
    // With a remote engine or one in a virtual machine, its folder is not to be seen from here.
    ["containers and images", engine && existsSync(engine.rootFolder) ? engine.rootFolder : undefined],
    ["downloads and builds", cacheFolder()],
    ["project", projectFolder],
  ];
  const disks = await Promise.all(
    places.map(async ([purpose, folder]) => {
      const free = folder === undefined ? undefined : await freeBytes(folder);
      return folder === undefined || free === undefined ? [] : [{ purpose, path: folder, free }];
    }),
  );
  return disks.flat();
}

/** Free space where the engine keeps images and data; undefined if that is not on this machine. */
export async function freeDockerDisk(docker: Docker): Promise<{ path: string; bytes: number } | undefined> {
  const { DockerRootDir: folder } = (await docker.info()) as DockerInfo;
  const free = existsSync(folder) ? await freeBytes(folder) : undefined;
  return free === undefined ? undefined : { path: folder, bytes: free };
}

/** Free space at the folder, or where it will be made. */
async function freeBytes(folder: string): Promise<number | undefined> {
  for (let place = folder; ; place = path.dirname(place)) {
    const found = await statfs(place).catch(() => undefined);
    if (found !== undefined) return found.bavail * found.bsize;
    if (place === path.dirname(place)) return undefined;
  }
}

async function examinePorts(stack: string, docker: Docker | undefined): Promise<PortFacts[]> {
  const running = (await docker?.listContainers()) ?? [];
  const containers = new Map(
    running.flatMap(({ Ports, Names }) =>
      Ports.map(({ PublicPort }) => [PublicPort, (Names[0] ?? "").replace(/^\//, "")] as const),
    ),
  );
  return Promise.all(
    (await Settings.read(stack)).ports().map(async ([key, port]) => {
      const container = containers.get(port);
      if (container !== undefined) return { key, port, holder: `container ${container}` };
      if (await isPortFree(port)) return { key, port };
      return { key, port, holder: (await processAtPort(port)) ?? "a process that this user can't see" };
    }),
  );
}

async function examinePassphrase(stack: string): Promise<PassphraseState> {
  const file = configFile(stack);
  const readable = await access(file, constants.R_OK).then(
    () => true,
    () => false,
  );
  return readable ? passphraseState(await readFile(file, "utf8"), await currentPassphrase()) : "unused";
}

function examineState(stack: string): boolean | undefined {
  const own = path.join(toolFolder, "state");
  const backend = process.env["PULUMI_BACKEND_URL"];
  if (backend !== undefined && backend !== `file://${own}`) return undefined;
  const stacks = path.join(own, ".pulumi", "stacks", "lakestack");
  return ["json", "json.gz"].some((extension) => existsSync(path.join(stacks, `${stack}.${extension}`)));
}
