import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { callersOf, connectedPairs } from "../connections";
import type { Deployment, Platform } from "../platform";
import { type HealthCheck, liveFolders, type Question, type RenderedFile, type Workload } from "../workload";
import { fewestNetworks } from "./docker/networks";
import type { Members } from "./docker/networks";

export interface DockerPlatformArgs {
  /** Name of the stack: part of every name, so that stacks live side by side. */
  stack: string;
  /** What `connections.ts` names and this stack does not run: nobody needs a network to it. Default none. */
  absent?: readonly string[];
}

/** Where published ports are. */
export const loopback = "127.0.0.1";

/**
 * Runs workloads as containers of the local Docker engine, published on loopback only. Two of them share a network
 * exactly if `connections.ts` lets one call the other: between networks the engine lets nothing through.
 */
export class DockerPlatform extends pulumi.ComponentResource implements Platform {
  private readonly prefix: string;
  private readonly stackLabel: { label: string; value: string };
  private readonly layout: Members[];
  private readonly networks = new Map<string, docker.Network>();
  private readonly volumes = new Map<string, docker.Volume>();

  constructor(name: string, args: DockerPlatformArgs, options?: pulumi.ComponentResourceOptions) {
    super("lakestack:platforms:Docker", name, {}, options);
    this.prefix = `lakestack-${args.stack}`;
    this.stackLabel = { label: "lakestack.stack", value: args.stack };
    const present = (name: string) => args.absent?.includes(name) !== true;
    this.layout = fewestNetworks(connectedPairs().filter((pair) => pair.every(present)));
    this.registerOutputs({});
  }

  deploy(workload: Workload, parent: pulumi.Resource, after: Deployment[] = []): Deployment {
    const dependsOn = [...after.flatMap(({ ready }) => ready), ...this.carrier(workload, parent)];
    const count = workload.replicas ?? 1;
    const containers = Array.from({ length: count }, (_, index) =>
      this.container(workload, index, parent, dependsOn),
    );
    return { ready: containers };
  }

  /**
   * Brings live files to where the workload's containers see them change: volumes. A container that never runs takes the
   * files there, as nothing else that Docker has can. Other contents are another carrier; the workload's own containers
   * stay.
   */
  private carrier(workload: Workload, parent: pulumi.Resource): docker.Container[] {
    const files = [...liveFolders(workload.files).values()].flat();
    if (files.length === 0) return [];
    const name = liveName(workload);
    return [
      new docker.Container(
        name,
        {
          name: `${this.prefix}-${name}`,
          image: workload.image,
          entrypoints: ["/bin/true"],
          command: [],
          uploads: uploads(files),
          volumes: this.liveVolumes(workload),
          // Without a service: it is none.
          labels: [this.stackLabel],
          start: false,
          mustRun: false,
          capabilities: { drops: ["ALL"] },
          securityOpts: ["no-new-privileges"],
          networkMode: "none",
        },
        { parent, deleteBeforeReplace: true },
      ),
    ];
  }

  private liveVolumes(workload: Workload): { volumeName: pulumi.Output<string>; containerPath: string }[] {
    return [...liveFolders(workload.files).keys()].map((folder, index) => ({
      volumeName: this.volume(index === 0 ? liveName(workload) : `${liveName(workload)}-${index + 1}`).name,
      containerPath: folder,
    }));
  }

  private container(
    workload: Workload,
    index: number,
    parent: pulumi.Resource,
    dependsOn: pulumi.Resource[],
  ): docker.Container {
    const name = replicaName(workload, index);
    const [entrypoint, ...command] = startCommand(workload);
    const memory = workload.resources.memoryMiB;
    return new docker.Container(
      name,
      {
        name: `${this.prefix}-${name}`,
        hostname: name,
        image: workload.image,
        entrypoints: entrypoint === undefined ? [] : [entrypoint],
        command,
        envs: Object.entries({ ...workload.environment, ...this.ownAddress(workload, name) }).map(
          ([key, value]) => pulumi.interpolate`${key}=${value}`,
        ),
        uploads: uploads((workload.files ?? []).filter(({ live }) => live !== true)),
        ports: (workload.ports ?? []).flatMap(({ port, publish }) =>
          publish === undefined
            ? []
            : [{ internal: port, external: publish + index, ip: loopback, protocol: "tcp" }],
        ),
        volumes: [
          ...(workload.volumes ?? []).map((volume) => ({
            volumeName: this.volume(volume.name).name,
            containerPath: volume.path,
          })),
          ...this.liveVolumes(workload).map((volume) => ({ ...volume, readOnly: true })),
        ],
        networksAdvanced: this.memberships(workload, name),
        labels: [this.stackLabel, { label: "lakestack.service", value: name }],
        ...health(workload.health),
        // Without the same value for memorySwap, the engine adds one of its own and every refresh shows a change.
        memory,
        memorySwap: memory,
        ...(workload.resources.cpus === undefined ? {} : { cpus: String(workload.resources.cpus) }),
        capabilities: { drops: ["ALL"] },
        securityOpts: ["no-new-privileges"],
        init: true,
        restart: "unless-stopped",
        destroyGraceSeconds: workload.stopGraceSeconds ?? 30,
      },
      { parent, dependsOn, deleteBeforeReplace: true },
    );
  }

  /** The groups that a workload belongs to. Who meets nobody is alone on a network, for its published ports. */
  private groupsOf(name: string): Members[] {
    const groups = this.layout.filter((members) => members.includes(name));
    return groups.length > 0 ? groups : [[name]];
  }

  private memberships(workload: Workload, name: string) {
    const home = this.home(workload);
    return this.groupsOf(workload.name).map((members) => ({
      name: this.network(members).name,
      aliases: [...new Set([name, workload.name, ...(members === home ? [homeName(name)] : [])])],
    }));
  }

  /** The group in which all callers of the workload are, if it asks for its address and there is one. */
  private home({ name, ports, ownAddressVariable }: Workload): Members | undefined {
    if (ownAddressVariable === undefined) return undefined;
    const callers = (ports ?? []).flatMap((port) => callersOf(name, port.name));
    return this.groupsOf(name).find((members) => callers.every((caller) => members.includes(caller)));
  }

  /**
   * A container has an address on each of its networks, and finds them under its host name in no certain order: one
   * that listens there would listen on any of them. Under its name at home it has one only, for itself and for all
   * callers. Where no network has all of these, the program listens on every address, and is called by its host name.
   */
  private ownAddress(workload: Workload, name: string): Record<string, string> {
    if (workload.ownAddressVariable === undefined) return {};
    return { [workload.ownAddressVariable]: this.home(workload) === undefined ? name : homeName(name) };
  }

  private network(members: Members): docker.Network {
    const name = members.join(".");
    const known = this.networks.get(name);
    if (known !== undefined) return known;
    const network = new docker.Network(
      `network-${name}`,
      { name: `${this.prefix}-${name}`, labels: [this.stackLabel] },
      { parent: this },
    );
    this.networks.set(name, network);
    return network;
  }

  /** Workloads that name the same volume share it. */
  private volume(name: string): docker.Volume {
    const known = this.volumes.get(name);
    if (known !== undefined) return known;
    const volume = new docker.Volume(
      name,
      { name: `${this.prefix}-${name}`, labels: [this.stackLabel] },
      { parent: this },
    );
    this.volumes.set(name, volume);
    return volume;
  }
}

/** Under which a container has one address: no name of a host, which stands for all of them. */
const homeName = (name: string) => `${name}.internal`;

/** Of the container that carries a workload's live files, and of their volume. */
const liveName = ({ name }: Workload) => `${name}-live`;

const uploads = (files: RenderedFile[]) =>
  files.map(({ path, content, executable }) => ({
    file: path,
    content,
    // The process inside is no root, and may not change what it was given.
    permissions: executable === true ? "0555" : "0444",
  }));

/** A workload with a number of replicas has numbered ones, from 1; a single one keeps its plain name. */
function replicaName(workload: Workload, index: number): string {
  return workload.replicas === undefined ? workload.name : `${workload.name}-${index + 1}`;
}

/** Docker has no step before the command: a shell runs `prepare` and then becomes the command. */
export function startCommand({ prepare, command }: Pick<Workload, "prepare" | "command">): string[] {
  if (prepare === undefined) return command;
  return ["/bin/sh", "-c", `${shellWords(prepare)} && exec ${shellWords(command)}`];
}

const shellWords = (words: string[]) => words.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");

/** Seconds in Go's form: any other form of the same time is reported as a difference at every refresh. */
export function goDuration(seconds: number): string {
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  const rest = `${seconds % 60}s`;
  if (hours > 0) return `${hours}h${minutes}m${rest}`;
  return minutes > 0 ? `${minutes}m${rest}` : rest;
}

function health(check: HealthCheck): Pick<docker.ContainerArgs, "healthcheck" | "wait" | "waitTimeout"> {
  const start = check.startSeconds ?? 120;
  return {
    healthcheck: {
      tests: ["CMD", ...asCommand(check.ready)],
      interval: goDuration(check.intervalSeconds ?? 10),
      timeout: goDuration(check.timeoutSeconds ?? 5),
      startPeriod: goDuration(start),
      retries: 3,
    },
    wait: true,
    waitTimeout: start + 60,
  };
}

/** Docker knows commands only. */
function asCommand(question: Question): string[] {
  if (Array.isArray(question)) return question;
  const { port, path, tls } = question;
  const [scheme, options] = tls ? ["https", ["--insecure"]] : ["http", []];
  return ["curl", "-fsS", ...options, "-o", "/dev/null", `${scheme}://127.0.0.1:${port}${path}`];
}
