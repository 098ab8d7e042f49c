import { setTimeout as sleep } from "node:timers/promises";
import { isAnnotated, annotation, timeLimit } from "./annotations";
import { ApiError, ifFound } from "./api-error";
import type { Cluster } from "./cluster";
import type { KubeObject } from "./kube-object";
import { conditionOf, listAt, titleOf } from "./kube-object";
import { Diagnosis } from "./readiness/diagnosis";
import { asker, ruleOf } from "./readiness/rules";
import { READY, type Verdict, waiting } from "./readiness/verdict";
import { parseWaitFor } from "./wait-for";

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 2000;
/** How long a cluster may not answer while something is awaited: a control plane of one node restarts. */
const PATIENCE_MS = 30_000;
/** How often the status says why something is not ready, which costs requests. */
const BRIEF_MS = 4000;

/** For what only an annotation waits for. */
const OTHER_SECONDS = 600;
const DELETE_SECONDS = 600;

export interface Waiting {
  cluster: Cluster;
  /** Where the object is. */
  path: string;
  /** Seconds that the program gives; 0 for none. */
  timeout: number;
  signal: AbortSignal;
  status: (text: string) => void;
}

/** The object is there, and not ready. */
export class NotReadyError extends Error {
  override readonly name = "NotReadyError";

  constructor(
    message: string,
    readonly object: KubeObject,
  ) {
    super(message);
  }
}

/** Is it ready now? Something that need not be waited for is. */
export async function verdictOf(object: KubeObject, cluster: Cluster, signal: AbortSignal): Promise<Verdict> {
  if (isAnnotated(object, "skipAwait")) return READY;
  const conditions = parseWaitFor(annotation(object, "waitFor") ?? "[]");
  const unmet = conditions.find((condition) => !condition.isMet(object));
  if (unmet) return waiting(unmet.text);
  // The program's own conditions take the place of the kind's.
  if (conditions.length > 0) return READY;
  return (await ruleOf(object)?.judge(object, asker(cluster, signal))) ?? READY;
}

/** Waits until the object is ready, and returns it as it is then. */
export async function untilReady(made: KubeObject, context: Waiting): Promise<KubeObject> {
  const { cluster, path, signal } = context;
  const limit = timeLimit(context.timeout, made, ruleOf(made)?.timeout ?? OTHER_SECONDS);
  const end = Date.now() + limit * 1000;
  const diagnosis = new Diagnosis(cluster, signal);
  const patience = new Patience();
  let object = made;
  let briefAt = Date.now() + BRIEF_MS;
  try {
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 1.5, LONGEST_PAUSE_MS)) {
      const verdict = await patience.with(async () => verdictOf(object, cluster, signal));
      if (verdict?.state === "ready") return object;
      if (verdict?.state === "failed") throw await notReady(verdict.what, object, diagnosis);
      const what = verdict ? verdict.what : "the cluster to answer";
      if (Date.now() > end)
        throw await notReady(`not ready after ${limit} s: still waiting for ${what}`, object, diagnosis);
      let brief: string | undefined;
      if (Date.now() > briefAt) {
        brief = await patience.with(async () => diagnosis.brief(object));
        briefAt = Date.now() + BRIEF_MS;
      }
      context.status(`Waiting for ${what}${brief === undefined ? "" : `; ${brief}`}`);
      await sleep(pause, undefined, { signal });
      const seen = await patience.with(async () => cluster.json<KubeObject>(path, { signal }));
      if (seen && seen.metadata?.uid !== made.metadata?.uid)
        throw new NotReadyError(
          `${titleOf(made)} was replaced by somebody else while it was awaited`,
          object,
        );
      object = seen ?? object;
    }
  } catch (error) {
    if (error instanceof NotReadyError) throw error;
    const what = signal.aborted ? "no longer waited for, as the deployment was cancelled" : messageOf(error);
    throw new NotReadyError(`${titleOf(object)}: ${what}`, object);
  }
}

/** Waits until the object is gone. One of the same name that came after it is none of ours. */
export async function untilGone(object: KubeObject, context: Waiting): Promise<void> {
  const { cluster, path, signal } = context;
  const limit = timeLimit(context.timeout, object, DELETE_SECONDS);
  const end = Date.now() + limit * 1000;
  const patience = new Patience();
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 1.5, LONGEST_PAUSE_MS)) {
    const found = await patience.with(async () => ({
      object: await ifFound(cluster.json<KubeObject>(path, { signal })),
    }));
    if (found && (!found.object || found.object.metadata?.uid !== object.metadata?.uid)) return;
    const why = whyStillThere(found?.object ?? object);
    if (Date.now() > end) throw new Error(`${titleOf(object)} is still there after ${limit} s${why}`);
    context.status(`Waiting for it to go${why}`);
    await sleep(pause, undefined, { signal });
  }
}

function whyStillThere(object: KubeObject): string {
  const finalizers = [
    ...(object.metadata?.finalizers ?? []),
    ...(object.kind === "Namespace" ? listAt(object, "spec", "finalizers").map(String) : []),
  ];
  const said = [
    "NamespaceDeletionContentFailure",
    "NamespaceContentRemaining",
    "NamespaceFinalizersRemaining",
  ]
    .map((type) => conditionOf(object, type))
    .filter((condition) => condition?.status === "True")
    .map((condition) => condition?.message);
  const parts = [
    ...(finalizers.length > 0 ? [`held by the finalizers ${finalizers.join(", ")}`] : []),
    ...said.filter((text) => text !== undefined),
  ];
  return parts.length === 0 ? "" : `: ${parts.join("; ")}`;
}

async function notReady(what: string, object: KubeObject, diagnosis: Diagnosis): Promise<NotReadyError> {
  // The reason matters more than a request that failed on the way to its details.
  const details = await diagnosis.full(object).catch(() => []);
  return new NotReadyError([`${titleOf(object)}: ${what}`, ...details].join("\n"), object);
}

/** Takes it that a cluster which has answered will answer again, for some time. */
class Patience {
  private silentSince: number | undefined;

  /** Undefined if the cluster does not answer just now. */
  async with<T>(ask: () => Promise<T>): Promise<T | undefined> {
    try {
      const answer = await ask();
      this.silentSince = undefined;
      return answer;
    } catch (error) {
      if (error instanceof ApiError || isAbort(error)) throw error;
      this.silentSince ??= Date.now();
      if (Date.now() - this.silentSince > PATIENCE_MS) throw error;
      return undefined;
    }
  }
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === "AbortError";
}

function messageOf(error: unknown): string {
  return error instanceof ApiError && error.status === 404
    ? "it was removed by somebody else while it was awaited"
    : error instanceof Error
      ? error.message
      : String(error);
}
