import * as os from "node:os";
import { bringUpCluster } from "../commands/cluster";
import { type Command, type Context, readOptions } from "../commands/command";
import { prebuildImages } from "../commands/prebuild";
import { removeImages } from "../commands/stack-images";
import { table } from "../commands/table";
import { clusterSettings, clusterStatus, destroyCluster, loadImages } from "../toolchain/cluster/index";
import { dockerClient, ensureBaseImage, ensureDocker, UserError } from "../toolchain/index";
import { type Machine, machine, publish } from "./results";
import { namespace, Node } from "./spark-scaling-node";
import { type Mode, modes, objects } from "./spark-scaling-objects";
import { median, rounded } from "./statistics";

const usage = `npm run bench:spark-scaling [-- OPTIONS]     Spark's workers under an autoscaler, and Spark's own Kubernetes scheduler
  --rounds 3         how often each is measured
  --rows 400000000   what a job computes
  --tasks 8          tasks of a stage
  --jobs 4           jobs that are submitted at once
  --keep             leave a cluster up that was made for this`;

const stack = "bench-spark";

/** Jobs that were submitted at the same moment, with no other about. Seconds count from there. */
export interface SparkScalingMeasurement {
  mode: Mode;
  jobs: number;
  /** To the first task of each job. */
  firstTask: number[];
  /** To the end of each job. */
  end: number[];
  /** Processor time of all pods, drivers included, until the last job has ended. */
  podSeconds: number;
  /** The same of the whole node: kubelet, API server and all. */
  nodeSeconds: number;
  /** Pods made: executors, or workers added. */
  pods: number;
}

export interface SparkScalingResult {
  machine: Machine & { load: number };
  rows: number;
  tasks: number;
  /** What the master and one worker hold while nothing is to do. */
  idle: { memoryMiB: number; milliCores: number };
  results: SparkScalingMeasurement[];
}

interface Options {
  rounds: number;
  rows: number;
  tasks: number;
  jobs: number;
}

async function measure(node: Node, mode: Mode, jobs: number, { rows, tasks }: Options) {
  await node.until("one worker and no executor", 300, async () => {
    const [workers, executors] = [await node.pods("spark-worker"), await node.pods("executor")];
    return workers.length === 1 && executors.length === 0;
  });
  const [time, pods] = [await node.processorSeconds(), await node.podsMade()];
  const submit = ["python3", "/bench/submit.py", jobs, `/bench/${mode}.json`, rows, tasks].map(String);
  const output = await node.kubectl("exec", "deployment/submitter", "--", ...submit);
  const [timeAfter, podsAfter] = [await node.processorSeconds(), await node.podsMade()];
  const seen = readSubmitted(output);
  const measured: SparkScalingMeasurement = {
    mode,
    jobs,
    firstTask: seen.map(({ firstTask }) => rounded(firstTask)),
    end: seen.map(({ end }) => rounded(end)),
    podSeconds: rounded(timeAfter.pods - time.pods),
    nodeSeconds: rounded(timeAfter.node - time.node),
    pods: podsAfter - pods,
  };
  return measured;
}

/** The last line of what the submitter wrote. */
export function readSubmitted(output: string): { firstTask: number; end: number }[] {
  return JSON.parse(output.trim().split("\n").at(-1) ?? "") as { firstTask: number; end: number }[];
}

async function benchmark(context: Context, options: Options, keep: boolean): Promise<SparkScalingResult> {
  const { reporter, signal } = context;
  await ensureDocker(reporter);
  const docker = dockerClient();
  const settings = clusterSettings();
  const before = await clusterStatus({ docker, settings });
  try {
    const cluster = await bringUpCluster({ reporter, signal });
    if (cluster.origin !== "own")
      throw new UserError(
        "This benchmark reads the processor time of its node, and can do so only on a cluster made here.",
        "Unset LAKESTACK_KUBECONFIG, and export LAKESTACK_CLUSTER=own",
      );
    const baseImage = await ensureBaseImage(reporter, signal);
    const images = await prebuildImages({ docker, stack, baseImage, only: ["spark"], reporter, signal });
    const image = images.get("spark") ?? "";
    await loadImages(cluster, [image], { docker, reporter, signal });
    const node = new Node(docker.getContainer(cluster.name), signal);
    try {
      return await onCluster(context, node, image, options);
    } finally {
      await new Node(docker.getContainer(cluster.name), new AbortController().signal).run([
        "kubectl",
        "delete",
        "namespace",
        namespace,
        "--ignore-not-found",
        "--wait",
      ]);
      await removeImages(docker, [...images.values()]);
    }
  } finally {
    if (before.state === "absent" && !keep) await destroyCluster({ docker, settings, reporter });
  }
}

async function onCluster(
  { reporter, signal }: Context,
  node: Node,
  image: string,
  options: Options,
): Promise<SparkScalingResult> {
  const task = reporter.task("Measuring");
  task.update("starting a master and a worker");
  await node.run(["kubectl", "delete", "namespace", namespace, "--ignore-not-found", "--wait"]);
  await node.apply([{ apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } }]);
  await node.apply(objects(namespace, image));
  await node.kubectl("wait", "--for=condition=Available", "deployment", "--all", "--timeout=300s");
  await node.until("the autoscaler has measurements", 180, async () => {
    const active = "{.status.conditions[?(@.type=='ScalingActive')].status}";
    return (await node.kubectl("get", "hpa", "spark-worker", "-o", `jsonpath=${active}`)) === "True";
  });
  const idle = await node.usage("spark-");

  // The first of each reads jars from a disk that has not been asked for them yet.
  for (const mode of modes) {
    task.update(`${mode}: not measured yet`);
    await measure(node, mode, 1, { ...options, rows: 1000 });
  }
  const results: SparkScalingMeasurement[] = [];
  // In turn, so that both see the same machine.
  for (let round = 1; round <= options.rounds; round++) {
    for (const jobs of [1, options.jobs]) {
      for (const mode of modes) {
        signal.throwIfAborted();
        task.update(`round ${round} of ${options.rounds}: ${mode}, ${jobs} job(s)`);
        const measured = await measure(node, mode, jobs, options);
        results.push(measured);
        console.log(JSON.stringify(measured));
      }
    }
  }
  task.done(`${results.length} measurements`);
  const { rows, tasks } = options;
  const load = rounded(os.loadavg()[2] ?? Number.NaN);
  return { machine: { ...machine(), load }, rows, tasks, idle, results };
}

/** Medians over the rounds, and each in proportion to the workers'. */
export function report({ results }: Pick<SparkScalingResult, "results">): string {
  const figures: [string, (each: SparkScalingMeasurement) => number][] = [
    ["first task", ({ firstTask }) => median(firstTask)],
    ["first task of the last", ({ firstTask }) => Math.max(...firstTask)],
    ["last end", ({ end }) => Math.max(...end)],
    ["processor, pods", ({ podSeconds }) => podSeconds],
    ["processor, node", ({ nodeSeconds }) => nodeSeconds],
    ["pods made", ({ pods }) => pods],
  ];
  const sizes = [...new Set(results.map(({ jobs }) => jobs))];
  const rows = sizes.flatMap((jobs) =>
    figures.map(([name, figure]) => {
      const of = (mode: Mode) =>
        median(results.filter((each) => each.mode === mode && each.jobs === jobs).map(figure));
      const [workers, pods] = [of("workers"), of("pods")];
      const ratio = workers === 0 ? "" : `${(pods / workers).toFixed(2)} ×`;
      return [String(jobs), name, String(rounded(workers)), String(rounded(pods)), ratio];
    }),
  );
  return table(["jobs", "median of", "workers", "a pod an executor", "to workers"], rows);
}

export const command: Command = {
  usage,
  afterInterrupt: "Its namespace is removed.",
  async run(args, context) {
    const { values } = readOptions(usage, args, {
      rounds: { type: "string", default: "3" },
      rows: { type: "string", default: "400000000" },
      tasks: { type: "string", default: "8" },
      jobs: { type: "string", default: "4" },
      keep: { type: "boolean", default: false },
    });
    const number = (name: "rounds" | "rows" | "tasks" | "jobs", most: number) => {
      const value = Number(values[name]);
      if (Number.isInteger(value) && value >= 1 && value <= most) return value;
      throw new UserError(
        `--${name} is "${values[name]}", expected a whole number from 1 to ${most}.`,
        usage,
      );
    };
    const options = {
      rounds: number("rounds", 100),
      rows: number("rows", 1e12),
      tasks: number("tasks", 1000),
      jobs: number("jobs", 4),
    };
    const result = await benchmark(context, options, values.keep);
    const { memoryMiB, milliCores } = result.idle;
    const idle = `Idle, master and worker hold ${memoryMiB} MiB and ${milliCores}m.`;
    await publish("spark-scaling", result, `${report(result)}\n\n${idle}`);
    return 0;
  },
};
