import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { stringify } from "yaml";
import { AirflowClient } from "../../commands/airflow-client";
import { prepareMachine } from "../../commands/prepare";
import { PulumiCli } from "../../commands/pulumi-cli";
import type { StackOutputs } from "../../commands/stack-outputs";
import { stackOutputs } from "../../commands/stack-outputs";
import { query } from "../../commands/trino-query";
import { loadImages } from "../../toolchain/cluster/index";
import { terminalReporter } from "../../toolchain/progress";
import { expectSuccess, type Finished, type Running, start } from "../e2e/processes";
import { cluster, docker, kubectl, settings } from "./cluster";
import { configFile, passphraseFile, stackName, stateFolder } from "./traces";

export const namespace = "lakestack-test";
/** Images that the stack's pods run. */
const images = ["minio", "postgres", "nessie", "spark", "trino", "airflow", "gateway"];

const reporter = terminalReporter();
const signal = new AbortController().signal;

/** Sized for a node of two cores that others use, too. */
const config = {
  platform: "kubernetes",
  kubernetesNamespace: namespace,
  kubernetesContext: settings.name,
  trinoDoor: "load-balancer",
  // As a container beside the node calls it.
  trinoHosts: settings.name,
  airflowDoor: "load-balancer",
  objectStoreDoor: "load-balancer",
  trustedNetwork: true,
  trinoWorkers: 2,
  catalogReplicas: 2,
  sparkWorkers: 2,
  trinoMemory: 1536,
  trinoWorkerMemory: 1280,
  sparkExecutorMemory: 512,
  airflowSchedulerMemory: 2560,
  objectStoreSize: 2,
  databaseSize: 1,
  memoryRequestPercent: 30,
};

/** Where this machine finds a Service of type LoadBalancer, by the number at its door. */
function published(port: number): string {
  const found = settings.ports.find(({ node }) => node === port);
  if (found === undefined) throw new Error(`LAKESTACK_CLUSTER_PORTS publishes no port ${port}`);
  return `127.0.0.1:${found.host}`;
}

export const airflowUrl = `http://${published(8081)}`;
export const storeUrl = `http://${published(9000)}`;
export const trinoUrl = `https://${published(8443)}`;

/** A machine, a cluster with the images, and a configured stack. */
export class Lakehouse {
  /** Kept from one run of pulumi to the next: to tell them takes seconds, in which a query that is waited for may end. */
  private known: StackOutputs | undefined;

  private constructor(
    private readonly environment: Record<string, string>,
    readonly checksImage: string,
  ) {}

  /** Cheap when all of it is there. */
  static async prepare(): Promise<Lakehouse> {
    const up = await cluster();
    const prepared = await prepareMachine({ stack: stackName, reporter, signal, forTests: true });
    const references = images.map((name) => prepared.images.get(name) ?? "");
    await loadImages(up, references, { docker, reporter });
    await mkdir(stateFolder, { recursive: true });
    if (!existsSync(passphraseFile))
      await writeFile(passphraseFile, randomBytes(24).toString("hex"), { mode: 0o600 });
    if (!existsSync(configFile)) {
      const values = Object.entries(config).map(([key, value]) => [`lakestack:${key}`, String(value)]);
      await writeFile(configFile, stringify({ config: Object.fromEntries(values) as object }));
    }
    const environment = {
      ...prepared.tools.env,
      KUBECONFIG: up.kubeconfig,
      PULUMI_BACKEND_URL: `file://${stateFolder}`,
      PULUMI_CONFIG_PASSPHRASE_FILE: passphraseFile,
    };
    Object.assign(process.env, environment);
    const lakehouse = new Lakehouse(environment, prepared.images.get("checks") ?? "");
    if ((await lakehouse.cli().state()) === undefined) await lakehouse.cli().create();
    return lakehouse;
  }

  private cli(): PulumiCli {
    return new PulumiCli(stackName, this.environment, signal);
  }

  startPulumi(...args: string[]): Running {
    const running = start(
      "pulumi",
      [...args, "--stack", stackName, "--non-interactive", "--color", "never"],
      {
        env: { ...process.env, ...this.environment },
      },
    );
    const forget = () => (this.known = undefined);
    forget();
    void running.finished.then(forget, forget);
    return running;
  }

  async pulumi(...args: string[]): Promise<Finished> {
    return expectSuccess(`pulumi ${args.join(" ")}`, await this.startPulumi(...args).finished);
  }

  async outputs(): Promise<StackOutputs> {
    return (this.known ??= stackOutputs(await this.cli().outputs()));
  }

  /** An output that only stacks on a cluster have. */
  async output(name: string): Promise<string> {
    return String((await this.cli().outputs())[name]);
  }

  /** The state as it lies on the disk. */
  async state(): Promise<string> {
    return (await this.pulumi("stack", "export")).stdout;
  }

  async airflow(): Promise<AirflowClient> {
    const { airflowUser, airflowPassword } = await this.outputs();
    return AirflowClient.login(airflowUrl, airflowUser, airflowPassword, signal);
  }

  /** Asks Trino through its Service, as a client on this machine does. */
  async query(statement: string): Promise<unknown[][]> {
    const { trinoUser, trinoPassword, caCertificate } = await this.outputs();
    return query({ url: trinoUrl, user: trinoUser, password: trinoPassword, ca: caCertificate }, statement);
  }
}

/** A pod of the stack, as far as tests ask about it. */
export interface Pod {
  metadata: { name: string; uid: string; labels: Record<string, string>; deletionTimestamp?: string };
  status: {
    phase: string;
    podIP?: string;
    conditions?: { type: string; status: string }[];
    containerStatuses?: { restartCount: number }[];
  };
}

/** Pods of a workload, or of all. */
export async function pods(workload?: string): Promise<Pod[]> {
  const selector = [
    "app.kubernetes.io/part-of=lakestack",
    "app.kubernetes.io/component=service",
    ...(workload === undefined ? [] : [`app.kubernetes.io/name=${workload}`]),
  ].join(",");
  const { items } = JSON.parse(await inNamespace("get", "pods", "-l", selector, "-o", "json")) as {
    items: Pod[];
  };
  return items;
}

export const isReady = ({ metadata, status }: Pod) =>
  metadata.deletionTimestamp === undefined &&
  (status.conditions ?? []).some((condition) => condition.type === "Ready" && condition.status === "True");

/** Name of the cluster's one node. */
export const nodeName = async () =>
  (await kubectl(["get", "nodes", "-o", "jsonpath={.items[0].metadata.name}"])).trim();

/** kubectl in the stack's namespace. */
export const inNamespace = (...args: string[]) => kubectl(["--namespace", namespace, ...args]);
