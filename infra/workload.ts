import type * as pulumi from "@pulumi/pulumi";

/** A file put into the container before it starts. Its content is a secret if the Output is one. */
export interface RenderedFile {
  /** Absolute path inside the container. */
  path: string;
  content: pulumi.Input<string>;
  /** Default false: 0444, else 0555. */
  executable?: boolean;
}

/** A TCP port that the workload listens on. */
export interface Port {
  /** What is served there, for example "https" or "rpc". */
  name: string;
  /** Number inside the container. */
  port: number;
  /** Number on the laptop's loopback address or the cluster's door; not published if absent. */
  publish?: number;
}

/** Data that outlives the container. */
export interface DataVolume {
  /** Name, unique in the stack. Workloads that name the same volume share it. */
  name: string;
  /** Absolute path inside the container. */
  path: string;
}

/** How the platform learns that the service answers. The command runs inside the container. */
export interface HealthCheck {
  /** Exec form; exit code 0 means that the service itself answered. */
  command: string[];
  /** Seconds between two checks. Default 5: a shorter time lets the next service start sooner, and costs more for ever. */
  intervalSeconds?: number;
  /** Seconds after which one check has failed. Default 5. */
  timeoutSeconds?: number;
  /** Seconds that the service may take to answer for the first time. Default 120. */
  startSeconds?: number;
}

/** What a workload may use. */
export interface Resources {
  /** Hard limit, MiB. */
  memoryMiB: number;
  /** Limit in cores; unlimited if absent. */
  cpus?: number;
}

/**
 * What a service runs, in words that hold for a laptop and for a cluster alike. Services produce workloads;
 * platforms turn them into resources. Neither knows the other.
 */
export interface Workload {
  /** DNS name on the stack's network, and name of the workload in every listing. */
  name: string;
  /** Image reference that names its content, so that another content is another reference. */
  image: pulumi.Input<string>;
  /** Exec form. */
  command: string[];
  /** Run to its end before `command`, same image, environment and files: initialisation, migrations. */
  prepare?: string[];
  environment?: Record<string, pulumi.Input<string>>;
  files?: RenderedFile[];
  ports?: Port[];
  /** Number of equal, numbered instances, each with the next published port; a single, unnumbered one if absent. */
  replicas?: number;
  volumes?: DataVolume[];
  health: HealthCheck;
  resources: Resources;
  /** Seconds between the polite and the final signal on stop. Default 30. */
  stopGraceSeconds?: number;
}
