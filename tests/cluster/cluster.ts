import { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { bringUpCluster } from "../../commands/cluster";
import { type Cluster, clusterSettings } from "../../toolchain/cluster/index";
import { execIn } from "../../toolchain/cluster/container-exec";
import { dockerClient, terminalReporter } from "../../toolchain/index";

/** The only image that every node has: a shell, a web server, a client. */
export const busybox = "lakestack.local/busybox:1";

export const docker = dockerClient();
export const settings = clusterSettings();
export const node = docker.getContainer(settings.name);

export function cluster(): Promise<Cluster> {
  return bringUpCluster({ reporter: terminalReporter(), signal: new AbortController().signal });
}

/** Runs kubectl on the node. Fails with what it wrote. */
export async function kubectl(args: readonly string[], input?: string): Promise<string> {
  const options = input === undefined ? {} : { input: Readable.from([Buffer.from(input)]) };
  const { code, stdout, stderr } = await execIn(node, ["kubectl", ...args], options);
  if (code !== 0) throw new Error(`kubectl ${args.join(" ")}: exit code ${code}\n${stdout}${stderr}`);
  return stdout;
}

/** An object of the Kubernetes API, as it is written in YAML. */
export type Manifest = Record<string, unknown>;

/** A namespace of its own, so that a test's objects are gone with it. */
export class Namespace {
  constructor(readonly name: string) {}

  async create(): Promise<void> {
    await this.remove();
    await kubectl(["create", "namespace", this.name]);
  }

  async remove(): Promise<void> {
    await kubectl(["delete", "namespace", this.name, "--ignore-not-found", "--wait"]);
  }

  run(...args: string[]): Promise<string> {
    return kubectl(["--namespace", this.name, ...args]);
  }

  async apply(...manifests: Manifest[]): Promise<void> {
    const list = { apiVersion: "v1", kind: "List", items: manifests };
    await kubectl(["--namespace", this.name, "apply", "-f", "-"], JSON.stringify(list));
  }

  async ready(...pods: string[]): Promise<void> {
    const names = pods.map((pod) => `pod/${pod}`);
    await this.run("wait", "--for=condition=Ready", "--timeout=60s", ...names);
  }

  /** Runs a line of shell in a pod. */
  sh(pod: string, line: string): Promise<string> {
    return this.run("exec", pod, "--", "sh", "-c", line);
  }
}

/** A pod that runs a line of shell; by default it waits to be told what to do. */
export function pod(name: string, line = "sleep 3600", extra: Manifest = {}, container: Manifest = {}): Manifest {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, labels: { app: name } },
    spec: {
      terminationGracePeriodSeconds: 0,
      ...extra,
      containers: [
        { name: "main", image: busybox, imagePullPolicy: "Never", command: ["sh", "-c", line], ...container },
      ],
    },
  };
}

/** A web server's line of shell: every page says who it is. */
export const webServer = (text: string, port = 8080) =>
  `mkdir -p /tmp/www && echo ${text} > /tmp/www/index.html && exec httpd -f -p ${port} -h /tmp/www`;

export function service(name: string, spec: Manifest): Manifest {
  return { apiVersion: "v1", kind: "Service", metadata: { name }, spec: { selector: { app: name }, ...spec } };
}

export function policy(name: string, spec: Manifest): Manifest {
  return { apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", metadata: { name }, spec };
}

/** Asks until the answer fits, and returns it; what was last seen is in the error if it never does. */
export async function until<T>(what: string, ask: () => Promise<T>, fits: (answer: T) => boolean): Promise<T> {
  const deadline = Date.now() + 90_000;
  for (;;) {
    const answer = await ask().catch((error: unknown) => error as Error);
    if (!(answer instanceof Error) && fits(answer)) return answer;
    if (Date.now() > deadline) throw new Error(`${what}: not within 90 seconds. Last seen: ${String(answer)}`);
    await sleep(300);
  }
}
