import type { KubeObject } from "../kube-object";
import { conditionOf, isTrue, listAt, numberAt, textAt, valueAt } from "../kube-object";
import { failed, READY, type Verdict, waiting } from "./verdict";

/** Rolled out: every replica is of the new template and available, and none of the old is left. */
export function deployment(object: KubeObject): Verdict {
  if (!isObserved(object)) return waiting("the change to be noticed");
  const progressing = conditionOf(object, "Progressing");
  if (progressing?.reason === "ProgressDeadlineExceeded") return failed(progressing.message ?? "no progress");
  // The controller does not go on while it is paused; nor shall we.
  if (valueAt(object, "spec", "paused") === true) return READY;
  const failure = conditionOf(object, "ReplicaFailure");
  const because = isTrue(failure) ? ` (${failure?.message ?? "no pod can be made"})` : "";
  const wanted = replicas(object);
  const [updated, total] = [
    numberAt(object, "status", "updatedReplicas"),
    numberAt(object, "status", "replicas"),
  ];
  if (updated < wanted)
    return waiting(`${updated} of ${wanted} replicas to be of the new template${because}`);
  if (total > updated) return waiting(`${total - updated} old replicas to end${because}`);
  const available = numberAt(object, "status", "availableReplicas");
  return available < wanted ? waiting(`${available} of ${wanted} replicas available${because}`) : READY;
}

export function replicaSet(object: KubeObject): Verdict {
  if (!isObserved(object)) return waiting("the change to be noticed");
  const failure = conditionOf(object, "ReplicaFailure");
  const because = isTrue(failure) ? ` (${failure?.message ?? "no pod can be made"})` : "";
  const [wanted, available] = [replicas(object), numberAt(object, "status", "availableReplicas")];
  return available < wanted ? waiting(`${available} of ${wanted} replicas available${because}`) : READY;
}

export function statefulSet(object: KubeObject): Verdict {
  if (!isObserved(object)) return waiting("the change to be noticed");
  const wanted = replicas(object);
  const ready = numberAt(object, "status", "readyReplicas");
  if (ready < wanted) return waiting(`${ready} of ${wanted} replicas ready`);
  if (textAt(object, "spec", "updateStrategy", "type") === "OnDelete") return READY;
  // Replicas below the partition stay as they are.
  const partition = numberAt(object, "spec", "updateStrategy", "rollingUpdate", "partition");
  const toUpdate = Math.max(wanted - partition, 0);
  const isCurrent =
    textAt(object, "status", "currentRevision") === textAt(object, "status", "updateRevision");
  const updated = isCurrent ? wanted : numberAt(object, "status", "updatedReplicas");
  return updated < toUpdate ? waiting(`${updated} of ${toUpdate} replicas of the new revision`) : READY;
}

export function daemonSet(object: KubeObject): Verdict {
  if (!isObserved(object)) return waiting("the change to be noticed");
  const wanted = numberAt(object, "status", "desiredNumberScheduled");
  const updated = numberAt(object, "status", "updatedNumberScheduled");
  const isManual = textAt(object, "spec", "updateStrategy", "type") === "OnDelete";
  if (!isManual && updated < wanted) return waiting(`${updated} of ${wanted} nodes to have the new template`);
  const available = numberAt(object, "status", "numberAvailable");
  return available < wanted ? waiting(`${available} of ${wanted} nodes available`) : READY;
}

export function job(object: KubeObject): Verdict {
  if (isTrue(conditionOf(object, "Complete"))) return READY;
  const failure = conditionOf(object, "Failed");
  if (isTrue(failure)) return failed([failure?.reason, failure?.message].filter(Boolean).join(": "));
  if (valueAt(object, "spec", "suspend") === true) return READY;
  const [active, failures] = [numberAt(object, "status", "active"), numberAt(object, "status", "failed")];
  const completions = numberAt(object, "spec", "completions") || 1;
  const done = numberAt(object, "status", "succeeded");
  return waiting(`${done} of ${completions} completions (${active} active, ${failures} failed)`);
}

export function pod(object: KubeObject): Verdict {
  const phase = textAt(object, "status", "phase");
  if (phase === "Succeeded" || isTrue(conditionOf(object, "Ready"))) return READY;
  if (phase === "Failed") {
    const said = [textAt(object, "status", "reason"), textAt(object, "status", "message")].filter(Boolean);
    return failed(`the pod has failed${said.length > 0 ? `: ${said.join(": ")}` : ""}`);
  }
  return waiting(`the pod to be ready (${phase ?? "not seen yet"})`);
}

/** What selects the workload's pods, as a query; undefined where nothing does. */
export function podSelector(object: KubeObject): string | undefined {
  const labels = valueAt(object, "spec", "selector", "matchLabels");
  // A Job's selector is of the server's making, and there once it is made.
  const pairs = Object.entries((labels ?? {}) as Record<string, unknown>);
  const expressions = listAt(object, "spec", "selector", "matchExpressions");
  if (pairs.length === 0 || expressions.length > 0) return undefined;
  return pairs.map(([name, value]) => `${name}=${String(value)}`).join(",");
}

function replicas(object: KubeObject): number {
  return valueAt(object, "spec", "replicas") === undefined ? 1 : numberAt(object, "spec", "replicas");
}

/** Has the controller seen the object as it is now? */
function isObserved(object: KubeObject): boolean {
  return numberAt(object, "status", "observedGeneration") >= (object.metadata?.generation ?? 0);
}
