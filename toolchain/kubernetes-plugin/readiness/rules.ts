import { ifFound } from "../api-error";
import type { Cluster } from "../cluster";
import type { KubeObject } from "../kube-object";
import { kindOf, textAt } from "../kube-object";
import {
  backends,
  customResourceDefinition,
  ingress,
  needsEndpoints,
  readyEndpoints,
  service,
  storageClassOf,
  volumeClaim,
} from "./access";
import type { Verdict } from "./verdict";
import { daemonSet, deployment, job, pod, podSelector, replicaSet, statefulSet } from "./workloads";

/** When objects of a kind are ready. */
export interface Rule {
  /** Seconds that it may take if nobody says otherwise: the official plugin's. */
  timeout: number;
  judge(object: KubeObject, ask: Ask): Verdict | Promise<Verdict>;
  /** Query for the labels of the pods that it runs. */
  pods?(object: KubeObject): string | undefined;
}

/** What a rule may ask for beyond the object itself. */
export type Ask = <T>(path: string, query?: Record<string, string>) => Promise<T>;

interface List {
  items: KubeObject[];
}

const MINUTE = 60;

const RULES: Record<string, Rule> = {
  "apps/Deployment": { timeout: 5 * MINUTE, judge: deployment, pods: podSelector },
  "apps/ReplicaSet": { timeout: 5 * MINUTE, judge: replicaSet, pods: podSelector },
  "apps/StatefulSet": { timeout: 5 * MINUTE, judge: statefulSet, pods: podSelector },
  "apps/DaemonSet": { timeout: 5 * MINUTE, judge: daemonSet, pods: podSelector },
  "batch/Job": { timeout: 10 * MINUTE, judge: job, pods: podSelector },
  "/Pod": { timeout: 5 * MINUTE, judge: pod },
  "/Service": {
    timeout: 10 * MINUTE,
    judge: async (object, ask) =>
      service(object, needsEndpoints(object) ? await countEndpoints(object, ask) : 0),
  },
  "networking.k8s.io/Ingress": {
    timeout: 10 * MINUTE,
    judge: async (object, ask) => ingress(object, await idleBackends(object, ask)),
  },
  "/PersistentVolumeClaim": {
    timeout: 5 * MINUTE,
    judge: async (object, ask) => volumeClaim(object, await bindingMode(object, ask)),
  },
  "apiextensions.k8s.io/CustomResourceDefinition": { timeout: MINUTE, judge: customResourceDefinition },
};

/** Undefined for a kind that is as ready as it gets once it is there. */
export function ruleOf(object: KubeObject): Rule | undefined {
  const { group, kind } = kindOf(object);
  return RULES[`${group}/${kind}`];
}

/** Asks the cluster on behalf of a rule. */
export function asker(cluster: Cluster, signal: AbortSignal): Ask {
  return (path, query = {}) => cluster.json(path, { query, signal });
}

async function countEndpoints({ metadata = {} }: KubeObject, ask: Ask): Promise<number> {
  const path = `/apis/discovery.k8s.io/v1/namespaces/${metadata.namespace ?? ""}/endpointslices`;
  const query = { labelSelector: `kubernetes.io/service-name=${metadata.name ?? ""}` };
  return readyEndpoints((await ask<List>(path, query)).items);
}

async function idleBackends(object: KubeObject, ask: Ask): Promise<string[]> {
  const namespace = object.metadata?.namespace ?? "";
  const idle: string[] = [];
  for (const name of backends(object)) {
    const found = await ifFound(ask<KubeObject>(`/api/v1/namespaces/${namespace}/services/${name}`));
    const isIdle = !found || (needsEndpoints(found) && (await countEndpoints(found, ask)) === 0);
    if (isIdle) idle.push(name);
  }
  return idle;
}

async function bindingMode(claim: KubeObject, ask: Ask): Promise<string | undefined> {
  if (textAt(claim, "status", "phase") === "Bound") return undefined;
  const { items } = await ask<List>("/apis/storage.k8s.io/v1/storageclasses");
  return textAt(storageClassOf(claim, items), "volumeBindingMode");
}
