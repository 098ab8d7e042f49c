import { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import type Docker from "dockerode";
import { execIn } from "../toolchain/cluster/container-exec";

/** Of all that the benchmark makes. */
export const namespace = "lakestack-bench";

/** The node, and what is asked of it. */
export class Node {
  constructor(
    private readonly container: Docker.Container,
    private readonly signal: AbortSignal,
  ) {}

  async run(command: string[], input?: string): Promise<string> {
    const { code, stdout, stderr } = await execIn(this.container, command, {
      signal: this.signal,
      ...(input === undefined ? {} : { input: Readable.from([Buffer.from(input)]) }),
    });
    if (code !== 0) throw new Error(`${command.slice(0, 6).join(" ")}: code ${code}\n${stdout}${stderr}`);
    return stdout;
  }

  kubectl(...args: string[]): Promise<string> {
    return this.run(["kubectl", "--namespace", namespace, ...args]);
  }

  apply(manifests: unknown[]): Promise<string> {
    const list = JSON.stringify({ apiVersion: "v1", kind: "List", items: manifests });
    return this.run(["kubectl", "apply", "--filename", "-"], list);
  }

  /** Names of the pods of a part that are not on their way out. */
  async pods(part: string): Promise<string[]> {
    const { items } = JSON.parse(await this.kubectl("get", "pods", "-l", `part=${part}`, "-o", "json")) as {
      items: { metadata: { name: string; deletionTimestamp?: string } }[];
    };
    return items.filter(({ metadata }) => !metadata.deletionTimestamp).map(({ metadata }) => metadata.name);
  }

  /** Pods that were given a node so far, those included that are gone. */
  async podsMade(): Promise<number> {
    const events = await this.kubectl("get", "events", "--field-selector", "reason=Scheduled", "-o", "name");
    return events.split("\n").filter((line) => line !== "").length;
  }

  /** Seconds of processor time so far, of what has ended too: of all pods, and of the node with them. */
  async processorSeconds(): Promise<{ pods: number; node: number }> {
    const read = (folder: string) =>
      `cat /sys/fs/cgroup/cpuacct${folder}/cpuacct.usage 2>/dev/null || ` +
      `sed -n 's/^usage_usec \\(.*\\)/\\1000/p' /sys/fs/cgroup${folder}/cpu.stat`;
    const text = await this.run(["sh", "-c", `${read("/kubepods")}; ${read("")}`]);
    const [pods = Number.NaN, node = Number.NaN] = text.trim().split("\n").map(Number);
    return { pods: pods / 1e9, node: node / 1e9 };
  }

  /** What the pods hold at this moment whose names begin so. */
  async usage(prefix: string): Promise<{ memoryMiB: number; milliCores: number }> {
    const path = `/apis/metrics.k8s.io/v1beta1/namespaces/${namespace}/pods`;
    const { items } = JSON.parse(await this.run(["kubectl", "get", "--raw", path])) as {
      items: { metadata: { name: string }; containers: { usage: { cpu: string; memory: string } }[] }[];
    };
    const usage = items
      .filter(({ metadata }) => metadata.name.startsWith(prefix))
      .flatMap(({ containers }) => containers.map((each) => each.usage));
    const sum = (texts: string[]) => texts.reduce((total, text) => total + quantity(text), 0);
    return {
      memoryMiB: Math.round(sum(usage.map(({ memory }) => memory)) / 2 ** 20),
      milliCores: Math.round(sum(usage.map(({ cpu }) => cpu)) * 1000),
    };
  }

  async until(what: string, seconds: number, probe: () => Promise<boolean>): Promise<void> {
    const end = Date.now() + seconds * 1000;
    while (!(await probe())) {
      if (Date.now() > end) throw new Error(`Waited ${seconds} s for: ${what}`);
      await sleep(1000, undefined, { signal: this.signal });
    }
  }
}

/** Kubernetes' notation of a number: `12m`, `34Ki`, `56n`. */
export function quantity(text: string): number {
  const factors: Record<string, number> = {
    n: 1e-9,
    u: 1e-6,
    m: 1e-3,
    Ki: 2 ** 10,
    Mi: 2 ** 20,
    Gi: 2 ** 30,
  };
  const [, number, unit = ""] = /^([\d.]+)(\w*)$/.exec(text) ?? [];
  return Number(number) * (unit === "" ? 1 : (factors[unit] ?? Number.NaN));
}
