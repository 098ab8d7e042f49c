import type * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { DataVolume, HealthCheck, Program, Question, Resources, Workload } from "../../workload";
import { mostInstances } from "./availability";
import { scratchFolders } from "./files";
import type { MountedFiles } from "./files";
import type { Labels } from "./names";

type Container = kubernetes.types.input.core.v1.Container;
type PodSpec = kubernetes.types.input.core.v1.PodSpec;
type PodTemplate = kubernetes.types.input.core.v1.PodTemplateSpec;
type Probe = kubernetes.types.input.core.v1.Probe;

/** User and group of the images' `lakestack`: the volumes' files belong to it. */
const imageUser = 10001;

/** What programs ask for, of what they may use. */
export interface Requests {
  /** Processor time for each, in thousandths of a core. */
  cpuMilli: number;
  /** Memory, in percent of the limit. */
  memoryPercent: number;
}

/** Where the pods of a workload may run. */
export type Placement = Pick<PodSpec, "nodeSelector" | "tolerations" | "affinity" | "priorityClassName">;

export interface PodArgs {
  labels: Labels;
  /** Name of the service account. It has no token, unless the cluster's identity service adds one. */
  account: pulumi.Input<string>;
  files: MountedFiles;
  requests: Requests;
  placement: Placement;
  imagePullSecrets: string[];
}

/** The pod of a service. */
export function servicePod(workload: Workload, args: PodArgs): PodTemplate {
  const own = ownVolumes(workload);
  const borrowed = (workload.volumes ?? []).filter((volume) => !own.includes(volume));
  const container = programContainer(workload, args, [...borrowed.map(({ path }) => path)]);
  const mounts = own.map(({ name, path }) => ({ name, mountPath: path }));
  const base = { ...container, volumeMounts: [...asList(container.volumeMounts), ...mounts] };

  return podTemplate(args, {
    ...commonSpec(args, [...scratch(workload), ...borrowed.map(({ path }) => path)]),
    // As on a laptop, a single instance calls itself by the name that others know it by.
    ...(workload.replicas === undefined && workload.scale === undefined && own.length === 0
      ? { hostname: workload.name }
      : {}),
    terminationGracePeriodSeconds: workload.stopGraceSeconds ?? 30,
    topologySpreadConstraints: spread(workload, args.labels),
    initContainers:
      workload.prepare === undefined || own.length === 0
        ? []
        : [{ ...base, name: "prepare", command: workload.prepare }],
    containers: [
      {
        ...base,
        ...probes(workload.health),
        ports: (workload.ports ?? []).map(({ name, port }) => ({ name, containerPort: port })),
        ...(workload.drain === undefined
          ? {}
          : { lifecycle: { preStop: { exec: { command: workload.drain } } } }),
      },
    ],
  });
}

/** The pod of a step that ends by itself. */
export function taskPod(program: Program, args: PodArgs): PodTemplate {
  return podTemplate(args, {
    ...commonSpec(args, scratch(program)),
    restartPolicy: "Never",
    containers: [programContainer(program, args)],
  });
}

/** Volumes that belong to the workload itself. */
export function ownVolumes(workload: Pick<Workload, "volumes">): DataVolume[] {
  return (workload.volumes ?? []).filter(({ borrowed }) => borrowed !== true);
}

function podTemplate({ labels, files }: PodArgs, spec: PodSpec): PodTemplate {
  return { metadata: { labels, annotations: { "lakestack.io/files": files.checksum } }, spec };
}

/** What the restricted Pod Security Standard asks of a pod, and what all pods share. */
function commonSpec(args: PodArgs, writable: string[]): Omit<PodSpec, "containers"> {
  return {
    ...args.placement,
    serviceAccountName: args.account,
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    // The pause container takes in what a killed process leaves behind, as an init process does.
    shareProcessNamespace: true,
    imagePullSecrets: args.imagePullSecrets.map((name) => ({ name })),
    securityContext: {
      runAsNonRoot: true,
      runAsUser: imageUser,
      runAsGroup: imageUser,
      fsGroup: imageUser,
      fsGroupChangePolicy: "OnRootMismatch",
      seccompProfile: { type: "RuntimeDefault" },
    },
    volumes: [...args.files.volumes, ...asList(scratchFolders(writable).volumes)],
  };
}

function programContainer(
  program: Program & Partial<Workload>,
  args: PodArgs,
  writable: string[] = [],
): Container {
  const environment = Object.entries(program.environment ?? {}).map(([name, value]) => ({ name, value }));
  return {
    name: program.name,
    image: program.image,
    imagePullPolicy: "IfNotPresent",
    command: program.command,
    env: [
      ...environment,
      ...(program.ownAddressVariable === undefined
        ? []
        : [{ name: program.ownAddressVariable, valueFrom: { fieldRef: { fieldPath: "status.podIP" } } }]),
    ],
    resources: resources(program.resources, args.requests),
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    },
    volumeMounts: [...args.files.mounts, ...scratchFolders([...scratch(program), ...writable]).mounts],
  };
}

/** /tmp is everybody's. */
const scratch = (program: Pick<Program, "scratch">) => ["/tmp", ...(program.scratch ?? [])];

function resources(limits: Resources, requests: Requests): Container["resources"] {
  return {
    requests: {
      cpu: `${requests.cpuMilli}m`,
      memory: `${Math.ceil((limits.memoryMiB * requests.memoryPercent) / 100)}Mi`,
    },
    limits: {
      memory: `${limits.memoryMiB}Mi`,
      ...(limits.cpus === undefined ? {} : { cpu: String(limits.cpus) }),
    },
  };
}

/** Probes from the one check: has it started, may it be asked, does only a restart help. */
export function probes(
  check: HealthCheck,
): Pick<Container, "startupProbe" | "readinessProbe" | "livenessProbe"> {
  const { intervalSeconds = 5, startSeconds = 120, timeoutSeconds = 5, ready, alive = ready } = check;
  const probe = (question: Question, periodSeconds: number, failureThreshold: number): Probe => ({
    ...asked(question),
    periodSeconds: Math.max(periodSeconds, intervalSeconds),
    // A check may start a process, for which a busy node takes its time.
    timeoutSeconds: Math.max(10, timeoutSeconds),
    failureThreshold,
  });
  return {
    // Twice the time that it has on a laptop: nodes are shared, and volumes are attached first.
    startupProbe: probe(ready, 5, Math.ceil((2 * startSeconds) / intervalSeconds)),
    readinessProbe: probe(ready, 10, 3),
    // Three minutes: a restart costs more than most faults that pass by themselves.
    ...(alive === false ? {} : { livenessProbe: probe(alive, 30, 6) }),
  };
}

/** The kubelet asks for a page itself, at the pod's address: no policy keeps a node from its own pods. */
const asked = (question: Question): Pick<Probe, "exec" | "httpGet"> =>
  Array.isArray(question)
    ? { exec: { command: question } }
    : {
        httpGet: {
          port: question.port,
          path: question.path,
          scheme: question.tls ? "HTTPS" : "HTTP",
        },
      };

/** Equal instances on different nodes and in different zones, as far as there are any. */
function spread(workload: Workload, labels: Labels): PodSpec["topologySpreadConstraints"] {
  if (mostInstances(workload) < 2) return [];
  return ["kubernetes.io/hostname", "topology.kubernetes.io/zone"].map((topologyKey) => ({
    topologyKey,
    maxSkew: 1,
    whenUnsatisfiable: "ScheduleAnyway",
    labelSelector: { matchLabels: labels },
  }));
}

/** A list that this module itself has built, out of the Input that its type allows. */
function asList<T>(list: pulumi.Input<pulumi.Input<T>[] | undefined>): pulumi.Input<T>[] {
  return Array.isArray(list) ? list : [];
}
