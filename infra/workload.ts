import { dirname } from "node:path/posix";
import type * as pulumi from "@pulumi/pulumi";

/** A file put into the container before it starts. */
export interface RenderedFile {
  /** Absolute path inside the container. */
  path: string;
  /** A plain string is no secret. An Output may hold one, and is kept as if it did. */
  content: pulumi.Input<string>;
  /** Default false: 0444, else 0555. */
  executable?: boolean;
  /**
   * The program looks at the file again and takes a new content as it comes: no restart. Where one file is live, all of
   * its folder are, and the image has nothing there. Default false.
   */
  live?: boolean;
}

/** The live ones among the files, by the folder that they are in. */
export function liveFolders(files: readonly RenderedFile[] = []): Map<string, RenderedFile[]> {
  const folders = new Map<string, RenderedFile[]>();
  for (const file of files) {
    if (file.live !== true) continue;
    const folder = dirname(file.path);
    folders.set(folder, [...(folders.get(folder) ?? []), file]);
  }
  return folders;
}

/** A TCP port that the workload listens on. Who may connect to it: `connections.ts`. */
export interface Port {
  /** What is served there, for example "https" or "rpc". */
  name: string;
  /** Number inside the container. */
  port: number;
  /** Number on the laptop's loopback address or at the cluster's door; not published if absent. */
  publish?: number;
  /**
   * The port is the first of so many, of which the program takes those that are free. Callers have learnt number and
   * address from the instance itself. Default 1.
   */
  span?: number;
}

/** Data that outlives the container. */
export interface DataVolume {
  /** Name, unique in the stack. */
  name: string;
  /** Absolute path inside the container. */
  path: string;
  /** What it holds at most, GiB, where the platform counts. Default 10. */
  sizeGiB?: number;
  /**
   * The volume is another workload's, which this one looks into where a platform can share it. Elsewhere an empty
   * folder takes its place: whoever borrows must also have another way to what is in it.
   */
  borrowed?: boolean;
}

/**
 * A page of the service's own, over HTTP: a status below 400 is a yes. Where it tells whether the service is ready, the
 * image has curl, for a platform that cannot ask by itself.
 */
export interface Page {
  port: number;
  path: string;
  /** The page is behind TLS. Whose certificate it is does not matter: that is asked from inside. */
  tls?: boolean;
}

/** What is asked of a service: a page, or a command in exec form inside the container, of which exit code 0 is a yes. */
export type Question = Page | string[];

/** How the platform learns that the service answers. */
export interface HealthCheck {
  /** Whether the service itself answers. A page costs a cluster nothing; a command is a process each time. */
  ready: Question;
  /**
   * Seconds between two checks. Default 10 on a laptop: a shorter time lets the next service start sooner, and costs
   * more for ever. A cluster asks every 5 until the service has started, and then less often.
   */
  intervalSeconds?: number;
  /** Seconds after which one check has failed. Default 5. */
  timeoutSeconds?: number;
  /** Seconds that the service may take to answer for the first time. Default 120. */
  startSeconds?: number;
  /**
   * Asked in place of `ready` when the question is whether only a restart helps: for a service that is also not ready
   * while it merely waits for another. False: nothing that can be asked tells. Default: `ready`.
   */
  alive?: Question | false;
}

/** What a workload may use. */
export interface Resources {
  /** Hard limit, MiB. */
  memoryMiB: number;
  /** Limit in cores; unlimited if absent. */
  cpus?: number;
}

/** More instances under load, fewer without. `replicas` is the least. A fixed number is one that is least and most. */
export interface Scale {
  /** Instances at most. */
  most: number;
  /** Cores that the instances use on average when there are enough of them. */
  busyCores: number;
  /** Instances are taken away when there would have been enough without them for so long. */
  idleSeconds: number;
}

/** A program in a container: what a service and a one-off step have in common. */
export interface Program {
  /** DNS name for those who may call it, and name in every listing. */
  name: string;
  /** Image reference that names its content, so that another content is another reference. */
  image: pulumi.Input<string>;
  /** Exec form. */
  command: string[];
  environment?: Record<string, pulumi.Input<string>>;
  files?: RenderedFile[];
  /** Folders beside /tmp that it writes to and nobody needs after it. All else of the image may be read-only. */
  scratch?: string[];
  resources: Resources;
}

/** A one-off step that ends by itself. It may run again at any time, and must do no harm then. */
export interface Task extends Program {
  /** Seconds that it may take, with the attempts that failed. Default 600. */
  patienceSeconds?: number;
}

/**
 * What a service runs, in words that hold for a laptop and for a cluster alike. Services produce workloads;
 * platforms turn them into resources. Neither knows the other.
 */
export interface Workload extends Program {
  /**
   * Run to its end before `command`, same image, environment and files: initialisation, migrations. Where the workload
   * has a volume of its own, it runs beside that, before each instance; else once for all instances.
   */
  prepare?: string[];
  ports?: Port[];
  /** Number of equal instances, numbered where each has a name; a single, unnumbered one if absent. */
  replicas?: number;
  scale?: Scale;
  volumes?: DataVolume[];
  health: HealthCheck;
  /**
   * Environment variable that takes the address at which others reach this very instance. The program listens there, or
   * at every address.
   */
  ownAddressVariable?: string;
  /** Run inside the container before it is told to stop: ends when the instance has nothing left to do. */
  drain?: string[];
  /** Seconds between the polite and the final signal on stop, with `drain`. Default 30. */
  stopGraceSeconds?: number;
}
