import * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import type { Deployment, Platform, TaskRunner } from "../platform";
import type { Port, Program, Task, Workload } from "../workload";
import { keepAvailable, leftAlone, mostInstances, scaleWithLoad } from "./kubernetes/availability";
import { openDoor } from "./kubernetes/doors";
import type { Door } from "./kubernetes/doors";
import { mountFiles } from "./kubernetes/files";
import type { MountedSecret } from "./kubernetes/files";
import { instancesService, podLabels } from "./kubernetes/names";
import type { Component, Labels } from "./kubernetes/names";
import { allowConnections, denyAll } from "./kubernetes/network-policies";
import type { Outside, PolicyArgs } from "./kubernetes/network-policies";
import { ownVolumes, servicePod, taskPod } from "./kubernetes/pod";
import type { Placement, PodArgs, Requests } from "./kubernetes/pod";

export type { Door } from "./kubernetes/doors";
export type { MountedSecret } from "./kubernetes/files";
export type { Egress, Outside } from "./kubernetes/network-policies";
export type { Placement, Requests } from "./kubernetes/pod";

export interface KubernetesPlatformArgs {
  /** Name of the stack: a label of every object. */
  stack: string;
  /** The cluster. */
  provider: kubernetes.Provider;
  /** Namespace of everything. */
  namespace: string;
  /** Make the namespace, which then allows nothing that the restricted Pod Security Standard forbids. Default true. */
  createNamespace?: boolean;
  /** Storage class of the volumes. Default: the cluster's own default. */
  storageClass?: string;
  /** Keep the volumes of a workload that is removed. Default false. */
  keepVolumes?: boolean;
  /** Any secret of the stack: the pods' checksums of their files are made with it. */
  checksumKey: pulumi.Input<string>;
  /** What programs ask for. Default: 25 thousandths of a core, and half of the memory they may use. */
  requests?: Partial<Requests>;
  /** Ways in from outside the cluster, by workload, for example `{ trino: { kind: "load-balancer" } }`. Default none. */
  doors?: Record<string, Door>;
  /** What the stack uses and does not run, by its name in `connections.ts`: `{ database: { port: 5432 } }`. */
  outside?: Record<string, Outside>;
  /** Annotations of the service accounts, by workload. An account has its workload's name. */
  accountAnnotations?: Record<string, Record<string, pulumi.Input<string>>>;
  /** Where the pods of a workload may run. Default: anywhere. */
  placement?: (workload: string) => Placement;
  /** Who answers for names. Default: the pods of kube-system, and the cache on each node. */
  dns?: PolicyArgs["dns"];
  /** What the pods of a workload may reach beside what `connections.ts` says. */
  moreEgress?: PolicyArgs["moreEgress"];
  /** Secrets that others keep in the namespace and that pods get as folders, by workload. */
  mountedSecrets?: Record<string, MountedSecret[]>;
  /** Secrets of the namespace by which nodes pull images. */
  imagePullSecrets?: string[];
}

/** Runs workloads as pods of a Kubernetes cluster, in one namespace where only declared connections are possible. */
export class KubernetesPlatform extends pulumi.ComponentResource implements Platform, TaskRunner {
  /** The namespace: known once it is there. */
  readonly namespace: pulumi.Output<string>;
  private readonly args: KubernetesPlatformArgs;

  constructor(name: string, args: KubernetesPlatformArgs, options?: pulumi.ComponentResourceOptions) {
    super("lakestack:platforms:Kubernetes", name, {}, options);
    this.args = args;
    this.namespace = args.createNamespace === false ? pulumi.output(args.namespace) : this.makeNamespace();
    denyAll(this.policyArgs(), this.options(this));
    this.registerOutputs({ namespace: this.namespace });
  }

  deploy(workload: Workload, parent: pulumi.Resource, after: Deployment[] = []): Deployment {
    const dependsOn = after.flatMap(({ ready }) => ready);
    const pod = this.podArgs(workload, "service", parent);
    const policy = allowConnections(workload, this.policyArgs(), this.options(parent));
    const prepared = this.prepare(workload, pod, parent, [...dependsOn, policy]);
    const services = this.services(workload, pod.labels, parent);
    const options = this.options(parent, [...dependsOn, policy, ...prepared]);

    const stateful = ownVolumes(workload).length > 0;
    const controller = stateful
      ? this.statefulSet(workload, pod, options)
      : this.deployment(workload, pod, options);
    const place = { namespace: this.namespace, selector: pod.labels };
    keepAvailable(workload, place, this.options(parent));
    scaleWithLoad(workload, stateful ? "StatefulSet" : "Deployment", place, this.options(parent));
    const door = this.args.doors?.[workload.name];
    if (door !== undefined) openDoor(workload, door, place, this.options(parent, [controller]));
    return { ready: [controller, ...services] };
  }

  run(task: Task, parent: pulumi.Resource, after: Deployment[] = []): Deployment {
    const pod = this.podArgs(task, "task", parent);
    const policy = allowConnections(task, this.policyArgs(), this.options(parent));
    const dependsOn = [...after.flatMap(({ ready }) => ready), policy];
    return { ready: [this.job(task.name, task, pod, this.options(parent, dependsOn))] };
  }

  private makeNamespace(): pulumi.Output<string> {
    const level = "restricted";
    const modes = ["enforce", "warn", "audit"].map((mode) => [`pod-security.kubernetes.io/${mode}`, level]);
    const namespace = new kubernetes.core.v1.Namespace(
      "namespace",
      {
        metadata: {
          name: this.args.namespace,
          labels: {
            "app.kubernetes.io/part-of": "lakestack",
            "app.kubernetes.io/instance": this.args.stack,
            ...(Object.fromEntries(modes) as Labels),
          },
        },
      },
      this.options(this),
    );
    return namespace.metadata.name;
  }

  /** A step before the service, once for all of its instances. Beside a volume it is each instance's own matter. */
  private prepare(
    workload: Workload,
    pod: PodArgs,
    parent: pulumi.Resource,
    dependsOn: pulumi.Resource[],
  ): pulumi.Resource[] {
    if (workload.prepare === undefined || ownVolumes(workload).length > 0) return [];
    const borrowed = (workload.volumes ?? []).map(({ path }) => path);
    const program: Program = {
      ...workload,
      command: workload.prepare,
      scratch: [...(workload.scratch ?? []), ...borrowed],
    };
    const labels = podLabels(this.args.stack, workload, "task");
    return [
      this.job(`${workload.name}-prepare`, program, { ...pod, labels }, this.options(parent, dependsOn)),
    ];
  }

  /** A Job can't be changed: another content is another Job, under a name that the provider chooses. */
  private job(
    name: string,
    task: Program & Pick<Task, "patienceSeconds">,
    pod: PodArgs,
    options: pulumi.CustomResourceOptions,
  ): pulumi.Resource {
    return new kubernetes.batch.v1.Job(
      name,
      {
        metadata: { namespace: this.namespace, labels: pod.labels },
        spec: {
          backoffLimit: 5,
          activeDeadlineSeconds: task.patienceSeconds ?? 600,
          template: taskPod(task, pod),
        },
      },
      options,
    );
  }

  private deployment(
    workload: Workload,
    pod: PodArgs,
    options: pulumi.CustomResourceOptions,
  ): pulumi.Resource {
    return new kubernetes.apps.v1.Deployment(
      workload.name,
      {
        metadata: { name: workload.name, namespace: this.namespace, labels: pod.labels },
        spec: {
          replicas: workload.replicas ?? 1,
          revisionHistoryLimit: 2,
          // Of a single one there must never be two: they would share a name, and their work.
          strategy:
            mostInstances(workload) > 1
              ? { type: "RollingUpdate", rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } }
              : { type: "Recreate" },
          selector: { matchLabels: pod.labels },
          template: servicePod(workload, pod),
        },
      },
      { ...options, ignoreChanges: leftAlone(workload) },
    );
  }

  private statefulSet(
    workload: Workload,
    pod: PodArgs,
    options: pulumi.CustomResourceOptions,
  ): pulumi.Resource {
    const kept = this.args.keepVolumes === true ? "Retain" : "Delete";
    return new kubernetes.apps.v1.StatefulSet(
      workload.name,
      {
        metadata: { name: workload.name, namespace: this.namespace, labels: pod.labels },
        spec: {
          replicas: workload.replicas ?? 1,
          serviceName: instancesService(workload.name),
          podManagementPolicy: "Parallel",
          revisionHistoryLimit: 2,
          selector: { matchLabels: pod.labels },
          template: servicePod(workload, pod),
          persistentVolumeClaimRetentionPolicy: { whenDeleted: kept, whenScaled: "Retain" },
          volumeClaimTemplates: ownVolumes(workload).map(({ name, sizeGiB }) => ({
            metadata: { name, labels: pod.labels },
            spec: {
              accessModes: ["ReadWriteOnce"],
              storageClassName: this.args.storageClass,
              resources: { requests: { storage: `${sizeGiB ?? 10}Gi` } },
            },
          })),
        },
      },
      // Names and volumes of its pods are its own: two can't be there at a time.
      { ...options, deleteBeforeReplace: true, ignoreChanges: leftAlone(workload) },
    );
  }

  /** One name for all instances, and for a stateful workload a name for each. */
  private services(workload: Workload, selector: Labels, parent: pulumi.Resource): pulumi.Resource[] {
    const ports = (workload.ports ?? []).filter(({ span }) => span === undefined);
    const service = (name: string, of: Port[], headless: boolean) =>
      new kubernetes.core.v1.Service(
        name,
        {
          metadata: {
            name,
            namespace: this.namespace,
            labels: selector,
            // It has no endpoint before the workload is ready, which the workload itself tells.
            annotations: { "pulumi.com/skipAwait": "true" },
          },
          spec: {
            selector,
            ports: of.map(({ name, port }) => ({ name, port, targetPort: name })),
            ...(headless ? { clusterIP: "None", publishNotReadyAddresses: true } : {}),
          },
        },
        this.options(parent),
      );
    return [
      ...(ports.length === 0 ? [] : [service(workload.name, ports, false)]),
      ...(ownVolumes(workload).length === 0 ? [] : [service(instancesService(workload.name), ports, true)]),
    ];
  }

  private podArgs(program: Workload | Task, component: Component, parent: pulumi.Resource): PodArgs {
    const { args } = this;
    const { name } = program;
    const labels = podLabels(args.stack, program, component);
    const account = new kubernetes.core.v1.ServiceAccount(
      `${name}-account`,
      {
        metadata: { name, namespace: this.namespace, labels, annotations: args.accountAnnotations?.[name] },
        automountServiceAccountToken: false,
      },
      this.options(parent),
    );
    const files = mountFiles(
      program,
      {
        labels,
        namespace: this.namespace,
        checksumKey: args.checksumKey,
        mounted: args.mountedSecrets?.[name] ?? [],
      },
      this.options(parent),
    );
    return {
      labels,
      account: account.metadata.name,
      files,
      requests: { cpuMilli: 25, memoryPercent: 50, ...args.requests },
      placement: args.placement?.(name) ?? {},
      imagePullSecrets: args.imagePullSecrets ?? [],
    };
  }

  private policyArgs(): PolicyArgs {
    const { stack, outside = {}, doors = {}, dns, moreEgress } = this.args;
    return { stack, namespace: this.namespace, outside, doors, dns, moreEgress };
  }

  private options(parent: pulumi.Resource, dependsOn: pulumi.Resource[] = []): pulumi.CustomResourceOptions {
    return { parent, provider: this.args.provider, dependsOn };
  }
}
