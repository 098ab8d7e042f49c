import { bytes } from "./table";
import type { EngineFacts, EngineFault, MachineFacts } from "./machine-facts";

/** What a check found. */
export interface Finding {
  check: string;
  /** `blocking`: `up` would fail. `warning`: it may. `skipped`: it could not be told, `found` says why. */
  level: "fine" | "warning" | "blocking" | "skipped";
  found: string;
  /** What to do; there for warnings and blocking findings. */
  remedy?: string;
}

/** What the stack needs at least. */
export interface Thresholds {
  /** Bytes of memory for the whole stack with a job running. */
  memory: number;
  /** Bytes for images and data the first time: the builds need more than what they leave. */
  firstDisk: number;
  /** Bytes when the images are there. */
  laterDisk: number;
  /** Bytes for the cache of images and the built engine, the first time. */
  cacheDisk: number;
  /** Bytes for state and packages. */
  projectDisk: number;
  /** Docker's networks of a stack that has all that can be switched on. */
  networks: number;
}

const GiB = 1024 ** 3;

export const needed: Thresholds = {
  memory: 6 * GiB,
  firstDisk: 15 * GiB,
  laterDisk: 3 * GiB,
  cacheDisk: 6 * GiB,
  projectDisk: 1 * GiB,
  networks: 9,
};

/** Judges what was seen of a machine: every check, fine or not, in the order in which people would look. */
export function judge(facts: MachineFacts, least: Thresholds = needed): Finding[] {
  return [
    node(facts),
    architecture(facts),
    docker(facts.engine),
    processors(facts.engine),
    memory(facts, least),
    ...disks(facts, least),
    networks(facts, least),
    ...ports(facts),
    passphrase(facts),
    leftBehind(facts),
  ].flat();
}

function node({ nodeVersion }: MachineFacts): Finding {
  const [major = 0, minor = 0] = nodeVersion.split(".").map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return fine("Node.js", nodeVersion);
  return {
    check: "Node.js",
    level: "blocking",
    found: `${nodeVersion}, but 20.19 or later is needed`,
    remedy: "Install a newer Node.js: from your package manager, nvm, or nodejs.org.",
  };
}

function architecture({ architecture, platform }: MachineFacts): Finding {
  const found = `${architecture} (${platform})`;
  if (architecture === "x64" || architecture === "arm64") return fine("Processor", found);
  return {
    check: "Processor",
    level: "blocking",
    found: `${found}, but the images are built for x64 and arm64`,
    remedy: "Use a machine with an x64 or arm64 processor, or point DOCKER_HOST at the engine of one.",
  };
}

function docker(engine: EngineFacts | EngineFault): Finding {
  if ("version" in engine) return fine("Docker", `${engine.version} at ${engine.address}`);
  if (engine.kind === "denied") {
    return {
      check: "Docker",
      level: "blocking",
      found: `${engine.address} is there, but this user may not use it: ${engine.message}`,
      remedy:
        "Join the group docker (sudo usermod -aG docker $USER, then log in again), or use rootless Docker and set DOCKER_HOST.",
    };
  }
  if (engine.installable) {
    return {
      check: "Docker",
      level: "warning",
      found: `no engine answers at ${engine.address}`,
      remedy: "Nothing to do: npm run up starts Docker, and installs it if it is missing.",
    };
  }
  return {
    check: "Docker",
    level: "blocking",
    found: `no engine answers at ${engine.address}: ${engine.message}`,
    remedy:
      "Start Docker (systemctl start docker, or Docker Desktop), or install it; if it runs elsewhere, set DOCKER_HOST.",
  };
}

function processors(engine: EngineFacts | EngineFault): Finding[] {
  if (!("version" in engine)) return [];
  const found = `${engine.cpus}, ${engine.architecture}`;
  if (engine.cpus >= 2) return [fine("Docker's processors", found)];
  return [
    {
      check: "Docker's processors",
      level: "warning",
      found: `${found}, but 2 or more are expected`,
      remedy: "Give Docker more processors (Docker Desktop: Settings, Resources), or be patient.",
    },
  ];
}

function memory({ availableMemory, engine }: MachineFacts, least: Thresholds): Finding {
  const check = "Memory";
  if (availableMemory === undefined)
    return { check, level: "skipped", found: "not known until Docker answers" };
  if (availableMemory >= least.memory) return fine(check, `${bytes(availableMemory)} to be had`);
  const total = "version" in engine ? `, of ${bytes(engine.memory)}` : "";
  return {
    check,
    level: "blocking",
    found: `${bytes(availableMemory)} to be had${total}, but ${bytes(least.memory)} are needed`,
    remedy:
      "End what else uses memory, give Docker more (Docker Desktop: Settings, Resources), or make the stack smaller, " +
      "for example with pulumi config set lakestack:sparkWorkers 1, and go on with npm run up -- --force.",
  };
}

function disks({ disks: found, engine }: MachineFacts, least: Thresholds): Finding[] {
  const hasImages = "version" in engine && engine.hasImages;
  const need = {
    "containers and images": hasImages ? least.laterDisk : least.firstDisk,
    "downloads and builds": hasImages ? least.projectDisk : least.cacheDisk,
    project: least.projectDisk,
  };
  return found.map(({ purpose, path, free }) => {
    const check = `Disk for ${purpose}`;
    if (free >= need[purpose]) return fine(check, `${bytes(free)} free at ${path}`);
    return {
      check,
      level: "blocking",
      found: `${bytes(free)} free at ${path}, but ${bytes(need[purpose])} are needed`,
      remedy: {
        "containers and images":
          "See what Docker holds with docker system df, and remove what is not needed.",
        "downloads and builds":
          "Free some space there, or choose another folder: export LAKESTACK_CACHE=/path.",
        project: "Free some space there.",
      }[purpose],
    };
  });
}

/** Ranges may also be taken by the machine's own routes, which is not to be seen from here: no more than a warning. */
function networks({ engine }: MachineFacts, least: Thresholds): Finding[] {
  if (!("version" in engine)) return [];
  const check = "Docker's networks";
  const { own, others, most } = engine.networks;
  const left = Math.max(0, most - others);
  if (left >= least.networks) return [fine(check, `${own} of the stack, place for ${left}`)];
  return [
    {
      check,
      level: "warning",
      found: `${others} of ${most} are taken, and a stack has up to ${least.networks}`,
      remedy:
        "Remove those that nothing uses (docker network prune) or stacks that are not needed, or give the engine more: " +
        '"default-address-pools": [{"base": "172.16.0.0/12", "size": 24}] in its daemon.json, and restart it.',
    },
  ];
}

function ports({ ports: found, stack }: MachineFacts): Finding[] {
  const taken = found.filter(({ holder }) => holder !== undefined);
  if (taken.length === 0)
    return [fine("Ports", `${found.map(({ port }) => port).join(", ")} are free or the stack's own`)];
  const all = new Set(found.map(({ port }) => port));
  return taken.map(({ key, port, holder }) => ({
    check: "Ports",
    level: "blocking",
    found: `${port} (${key}) is taken by ${holder ?? ""}`,
    remedy: `End that, or choose another: pulumi config set --stack ${stack} lakestack:${key} ${another(port, all)}`,
  }));
}

/** A number that people recognise, and that none of the stack's own ports has: 8443 becomes 9443. */
function another(port: number, taken: ReadonlySet<number>): number {
  const candidates = [port + 1000, port + 2000, port + 10000, port - 1000];
  return candidates.find((candidate) => candidate > 1024 && candidate < 65536 && !taken.has(candidate)) ?? 0;
}

function passphrase({ passphrase: state, stack }: MachineFacts): Finding {
  const check = "Passphrase";
  if (state === "unused") return fine(check, "not needed yet; npm run up makes one");
  if (state === "fits") return fine(check, "opens the stack's secrets");
  return {
    check,
    level: "blocking",
    found:
      state === "missing"
        ? `there is none, but the secrets in Pulumi.${stack}.yaml are encrypted with one`
        : `it does not open the secrets in Pulumi.${stack}.yaml`,
    remedy:
      "Put the right one into .lakestack/passphrase (or set PULUMI_CONFIG_PASSPHRASE). If it is lost: npm run destroy, " +
      "which removes the stack with its data, and starts over.",
  };
}

/** An earlier clone's, or those of a state that was deleted: their names and passwords are in the way. */
function leftBehind({ stateKnown, engine, stack }: MachineFacts): Finding[] {
  if (!("version" in engine) || stateKnown !== false) return [];
  const names = [...engine.containers.map(({ name }) => name), ...engine.volumes];
  if (names.length === 0) return [fine("Earlier clones", "nothing left behind")];
  const shown =
    names.length > 4 ? `${names.slice(0, 3).join(", ")} and ${names.length - 3} more` : names.join(", ");
  return [
    {
      check: "Earlier clones",
      level: "blocking",
      found: `Docker holds ${shown}, which this clone's state knows nothing of`,
      remedy:
        `Another clone's: use that clone, or another stack here (export LAKESTACK_STACK=mine, with other ports). ` +
        `Not needed any more: npm run destroy removes all of stack ${stack}, data too.`,
    },
  ];
}

const fine = (check: string, found: string): Finding => ({ check, level: "fine", found });
