import type { KubeObject } from "../kube-object";
import { conditionOf, isObject, listAt, numberAt, textAt, valueAt } from "../kube-object";

/** What is wrong with a pod, and whose log would tell more. */
export interface Trouble {
  text: string;
  /** A container that has ended, or that goes on ending. */
  log?: { container: string; previous: boolean };
}

/** States of waiting that every container passes through. */
const USUAL = ["ContainerCreating", "PodInitializing"];

/** What keeps a pod from being ready, from its own status; nothing for one that is ready or done. */
export function troubleOf(pod: KubeObject): Trouble[] {
  const phase = textAt(pod, "status", "phase");
  if (phase === "Succeeded" || conditionOf(pod, "Ready")?.status === "True") return [];
  const scheduled = conditionOf(pod, "PodScheduled");
  if (scheduled?.status === "False")
    return [{ text: `cannot be scheduled: ${scheduled.message ?? scheduled.reason ?? "no reason given"}` }];
  if (pod.metadata?.deletionTimestamp !== undefined) return [{ text: "is ending" }];

  const found = [
    ...listAt(pod, "status", "initContainerStatuses"),
    ...listAt(pod, "status", "containerStatuses"),
  ]
    .map(containerTrouble)
    .filter((one) => one !== undefined);
  if (found.length > 0) return found;
  const said = [textAt(pod, "status", "reason"), textAt(pod, "status", "message")].filter(Boolean).join(": ");
  if (said !== "") return [{ text: said }];
  return phase === "Running" ? [{ text: "runs, but is not ready" }] : [];
}

function containerTrouble(status: unknown): Trouble | undefined {
  const container = textAt(status, "name") ?? "";
  const waitingFor = textAt(status, "state", "waiting", "reason");
  const ended = valueAt(status, "state", "terminated") ?? valueAt(status, "lastState", "terminated");
  const restarts = numberAt(status, "restartCount");
  const isRunning = isObject(valueAt(status, "state", "running"));
  if (isRunning && valueAt(status, "ready") === true) return undefined;
  if (isObject(ended) && numberAt(ended, "exitCode") !== 0) {
    const often = restarts > 0 ? `, ${restarts} ${restarts === 1 ? "restart" : "restarts"}` : "";
    const text = `container ${container} exited with code ${numberAt(ended, "exitCode")} (${textAt(ended, "reason") ?? "no reason given"}${often})`;
    return { text, log: { container, previous: !isObject(valueAt(status, "state", "terminated")) } };
  }
  if (waitingFor !== undefined && !USUAL.includes(waitingFor)) {
    const message = textAt(status, "state", "waiting", "message");
    return { text: `container ${container}: ${[waitingFor, message].filter(Boolean).join(": ")}` };
  }
  return undefined;
}

/** The warnings among events, the latest last, each once. */
export function warningsOf(events: KubeObject[]): string[] {
  const sorted = events
    .filter((event) => textAt(event, "type") === "Warning")
    .sort((a, b) => (timeOf(a) < timeOf(b) ? -1 : 1))
    .map((event) => `${textAt(event, "reason") ?? ""}: ${(textAt(event, "message") ?? "").trim()}`);
  return [...new Set(sorted)];
}

function timeOf(event: KubeObject): string {
  return (
    textAt(event, "series", "lastObservedTime") ??
    textAt(event, "lastTimestamp") ??
    textAt(event, "eventTime") ??
    event.metadata?.creationTimestamp ??
    ""
  );
}
