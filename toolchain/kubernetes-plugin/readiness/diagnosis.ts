import type { Cluster } from "../cluster";
import type { KubeObject } from "../kube-object";
import { idOf, kindOf } from "../kube-object";
import { ruleOf } from "./rules";
import { troubleOf, type Trouble, warningsOf } from "./trouble";

/** How many pods of a workload are told of: the others mostly say the same. */
const PODS = 3;
const EVENTS = 3;
const LOG_LINES = "10";

interface List {
  items: KubeObject[];
}

/** Finds out why an object is not ready, from its pods and events. */
export class Diagnosis {
  constructor(
    private readonly cluster: Cluster,
    private readonly signal: AbortSignal,
  ) {}

  /** One line, for a status. */
  async brief(object: KubeObject): Promise<string | undefined> {
    for (const pod of await this.podsOf(object)) {
      const [trouble] = troubleOf(pod);
      if (trouble) return `pod ${idOf(pod)} ${firstLine(trouble.text)}`;
    }
    return undefined;
  }

  /** All there is to know, with the last lines of logs. */
  async full(object: KubeObject): Promise<string[]> {
    const lines = await this.warnings(object);
    const pods = (await this.podsOf(object)).filter(isUnready).slice(0, PODS);
    for (const pod of pods) lines.push(...(await this.ofPod(pod)));
    return lines;
  }

  private async ofPod(pod: KubeObject): Promise<string[]> {
    const found = troubleOf(pod);
    const lines = found.length === 0 ? [`pod ${idOf(pod)} is not ready`] : [];
    for (const trouble of found) {
      lines.push(`pod ${idOf(pod)} ${trouble.text}`);
      if (trouble.log) lines.push(...(await this.log(pod, trouble.log)));
    }
    lines.push(...(await this.warnings(pod)).map((line) => `  ${line}`));
    return lines;
  }

  /** Pods that are not ready first, the newest of them first. */
  private async podsOf(object: KubeObject): Promise<KubeObject[]> {
    const { group, kind } = kindOf(object);
    if (group === "" && kind === "Pod") return [object];
    const selector = ruleOf(object)?.pods?.(object);
    if (selector === undefined) return [];
    const path = `${namespacePath(object)}/pods`;
    const query = { labelSelector: selector };
    const { items } = await this.cluster.json<List>(path, { query, signal: this.signal });
    const newestFirst = (a: KubeObject, b: KubeObject) =>
      (a.metadata?.creationTimestamp ?? "") > (b.metadata?.creationTimestamp ?? "") ? -1 : 1;
    // A list's items do not say what they are.
    const pods = items.map((item) => ({ apiVersion: "v1", kind: "Pod", ...item })).sort(newestFirst);
    return [...pods.filter(isUnready), ...pods.filter((pod) => !isUnready(pod))];
  }

  private async warnings(object: KubeObject): Promise<string[]> {
    const fieldSelector = `involvedObject.name=${object.metadata?.name ?? ""},involvedObject.kind=${object.kind ?? ""}`;
    const path = `${namespacePath(object)}/events`;
    const { items } = await this.cluster.json<List>(path, { query: { fieldSelector }, signal: this.signal });
    // Of an earlier object of the same name, events may still be there.
    const own = items.filter((event) => {
      const about = event["involvedObject"] as { uid?: string } | undefined;
      return about?.uid === undefined || about.uid === object.metadata?.uid;
    });
    return warningsOf(own).slice(-EVENTS);
  }

  private async log(
    pod: KubeObject,
    { container, previous }: NonNullable<Trouble["log"]>,
  ): Promise<string[]> {
    const path = `${namespacePath(pod)}/pods/${pod.metadata?.name ?? ""}/log`;
    const query = { container, tailLines: LOG_LINES, ...(previous && { previous: "true" }) };
    // A log that is gone, or not there yet, is no reason to keep back the rest.
    const text = await this.cluster.text(path, { query, signal: this.signal }).catch(() => "");
    const lines = text.trimEnd().split("\n").filter(Boolean);
    return lines.length === 0 ? [] : ["  its last words:", ...lines.map((line) => `    ${line}`)];
  }
}

function isUnready(pod: KubeObject): boolean {
  return troubleOf(pod).length > 0 || (pod["status"] as { phase?: string } | undefined)?.phase === "Pending";
}

function namespacePath(object: KubeObject): string {
  return `/api/v1/namespaces/${object.metadata?.namespace ?? "default"}`;
}

function firstLine(text: string): string {
  return text.split("\n")[0] ?? "";
}
