import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import * as os from "node:os";
import * as path from "node:path";
import type { Writable } from "node:stream";
import { testImages } from "../infra/image-builds";
import { type Cluster, clusterSettings, destroyCluster, loadImages } from "../toolchain/cluster/index";
import {
  dockerClient,
  projectFolder,
  type Reporter,
  terminalReporter,
  withScratch,
} from "../toolchain/index";
import { ensureChromium } from "./chromium";
import { bringUpCluster } from "./cluster";
import { forgetStack, stackName as clusterStack } from "../tests/cluster/traces";
import longTests from "../tests/long.json";
import { type Command, type Context } from "./command";
import { type Prepared, prepareMachine } from "./prepare";
import { checkPython } from "./python-checks";
import { removeImages, stackImages } from "./stack-images";
import { none, vitestCounts, vitestFailures } from "./test-counts";
import { type Lane, type StageWork, TestRun } from "./test-run";

/** The tests' own stack: its images, volumes and ports stand beside those of a running dev stack. */
const testStack = "e2e";

/** Runs a program that writes to a stage's output: straight to the terminal if it is that. @returns the exit code. */
function runVisibly(
  program: string,
  args: readonly string[],
  { output, signal }: { output: Writable; signal: AbortSignal },
  env = {},
): Promise<number> {
  signal.throwIfAborted();
  const [out, err] =
    output === process.stdout ? (["inherit", "inherit"] as const) : (["pipe", "pipe"] as const);
  const child = spawn(program, args, {
    cwd: projectFolder,
    stdio: ["ignore", out, err],
    env: { ...process.env, ...env },
  });
  child.stdout?.pipe(output, { end: false });
  child.stderr?.pipe(output, { end: false });
  const stop = () => child.kill("SIGINT");
  signal.addEventListener("abort", stop);
  return new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => {
      resolve(code ?? 1);
    });
  }).finally(() => {
    signal.removeEventListener("abort", stop);
  });
}

/** A script of package.json, so that it is the same by hand. */
function script(name: string, context: Context): StageWork {
  return async (output) => {
    const code = await runVisibly("npm", ["run", "-s", name], { output, signal: context.signal });
    return { ok: code === 0, counts: none };
  };
}

/** For vitest.config.mts: no file is left out. */
const withLongTests = { LAKESTACK_LONG_TESTS: "yes" };

function vitest(
  project: string,
  context: Context,
  args: readonly string[] = [],
  env: Record<string, string> = {},
): StageWork {
  return (output) =>
    withScratch("tests", async (scratch) => {
      const report = path.join(scratch, "report.json");
      const program = path.join(projectFolder, "node_modules", "vitest", "vitest.mjs");
      const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
      const code = await runVisibly(
        process.execPath,
        [program, "run", "--project", project, ...reporters, ...args],
        { output, signal: context.signal },
        args.length > 0 ? { ...env, ...withLongTests } : env,
      );
      const found = await readFile(report, "utf8");
      return {
        ok: code === 0,
        counts: vitestCounts(found),
        failures: vitestFailures(found, projectFolder),
      };
    });
}

async function quickStages(run: TestRun, context: Context): Promise<boolean> {
  const lint = { isClean: false };
  // Each keeps one core busy.
  const isTyped = await run.beside(
    async (lane) => {
      lint.isClean = await lane.stage("lint", script("lint", context));
    },
    (lane) => lane.stage("type check", script("typecheck", context)),
  );
  return (
    lint.isClean &&
    isTyped &&
    (await run.stage("unit tests", vitest("unit", context))) &&
    (await run.stage("program tests", vitest("programs", context)))
  );
}

interface Ready {
  prepared: Prepared;
  /** What the tests' processes have to know. */
  env: Record<string, string>;
}

/** The machine as `up` needs it, and what only tests need: the image with the checks, a browser. */
async function prepare(context: Context): Promise<Ready> {
  const { reporter, signal } = context;
  const prepared = await prepareMachine({ stack: testStack, reporter, signal, forTests: true });
  const chromium = await ensureChromium(reporter);
  // What else the tests need of the environment, they set themselves: they use stacks and states of their own.
  const env: Record<string, string> = chromium === undefined ? {} : { CHROME_PATH: chromium };
  return { prepared, env };
}

async function pythonChecks({ prepared, env }: Ready, output: Writable, signal: AbortSignal) {
  const image = prepared.images.get("checks");
  if (image === undefined) throw new Error("There is no image with the Python checks");
  const leftOut = "LAKESTACK_LONG_TESTS" in env ? [] : Object.keys(longTests);
  const { failed, counts, failures } = await checkPython(prepared.docker, image, leftOut, output, signal);
  return { ok: failed.length === 0, counts, failures: [...failed, ...failures] };
}

/** The tests' own cluster, beside one that people use. */
const testCluster = {
  LAKESTACK_CLUSTER: "own",
  LAKESTACK_CLUSTER_NAME: "lakestack-cluster-test",
  LAKESTACK_CLUSTER_API_PORT: "26443",
  LAKESTACK_CLUSTER_PORTS: "28443:8443,28081:8081,29001:9000",
};

/**
 * Brings the tests' cluster up with the stack's images in it, and runs on it what needs no stack.
 *
 * @returns whether there is a cluster.
 */
async function emptyClusterStages(
  lane: Lane,
  context: Context,
  env: Record<string, string>,
): Promise<boolean> {
  const cluster = await clusterStage(lane, context);
  if (cluster === undefined) return false;
  const onCluster = { ...env, LAKESTACK_KUBECONFIG: cluster.kubeconfig };
  await lane.stage("kubernetes-plugin tests", vitest("kubernetes-plugin", context, [], onCluster));
  return true;
}

/** Brings the tests' cluster up with the stack's images in it. @returns nothing if that has failed. */
async function clusterStage(lane: Lane, context: Context): Promise<Cluster | undefined> {
  let cluster: Cluster | undefined;
  await lane.stage("cluster", async (output) => {
    const { signal } = context;
    const reporter = output === process.stdout ? context.reporter : terminalReporter(output);
    // A killed run may have left one, with half a stack in it.
    await removeTestCluster(reporter);
    const up = await bringUpCluster({ reporter, signal, settings: clusterSettings(testCluster) });
    const { docker, images } = await prepareMachine({
      stack: clusterStack,
      reporter,
      signal,
      forTests: true,
    });
    const served = [...images].filter(([name]) => name !== "builder" && !testImages.has(name));
    const references = served.map(([, reference]) => reference);
    await loadImages(up, references, { docker, reporter, signal });
    cluster = up;
    return { ok: true, counts: none };
  });
  return cluster;
}

const stackOnClusterStage = (
  lane: Lane,
  context: Context,
  env: Record<string, string>,
  args: readonly string[] = [],
) => lane.stage("cluster tests", vitest("cluster", context, args, { ...env, ...testCluster }));

/** The cluster, also if it is half made, and what is known of the stack on it. */
async function removeTestCluster(reporter: Reporter): Promise<void> {
  await destroyCluster({ docker: dockerClient(), settings: clusterSettings(testCluster), reporter });
  await forgetStack();
}

async function removeClusterAndImages({ reporter }: Context): Promise<void> {
  await removeTestCluster(reporter);
  const docker = dockerClient();
  const images = await stackImages(docker, clusterStack);
  await removeImages(
    docker,
    images.map(({ name }) => name),
  );
}

/** The stack twice, in containers and on a cluster, and the tests' own programs. */
const memoryForBoth = 20 * 2 ** 30;

/**
 * What needs Docker. Beside the tests on containers runs what computes, and where there is memory enough the tests on a
 * cluster: both wait for much, and share nothing but the machine.
 */
async function stagesOnContainers(run: TestRun, context: Context, ready: Ready): Promise<void> {
  const { env } = ready;
  const project = (lane: Lane, name: string) => lane.stage(`${name} tests`, vitest(name, context, [], env));
  try {
    const isLeft = await run.beside(
      async (lane) => {
        for (const name of ["docker-plugin", "e2e", "toolchain"]) await project(lane, name);
      },
      async (lane) => {
        // First: it takes images that the tests of the stack remove at their end.
        await project(lane, "fake-aws");
        await lane.stage("Python checks", (output) => pythonChecks(ready, output, context.signal));
        const clusterIsUp = await emptyClusterStages(lane, context, env);
        if (!clusterIsUp || os.totalmem() < memoryForBoth) return clusterIsUp;
        await stackOnClusterStage(lane, context, env);
        return false;
      },
    );
    if (isLeft) await stackOnClusterStage(run, context, env);
  } finally {
    await removeClusterAndImages(context);
  }
}

/** @param everything - also what takes long. */
async function runAll(context: Context, everything: boolean): Promise<number> {
  const run = new TestRun();
  // What a minute finds is not worth building images for.
  if (!(await quickStages(run, context))) return run.close();

  let ready: Ready | undefined;
  await run.stage("machine", async () => {
    ready = await prepare(context);
    if (everything) Object.assign(ready.env, withLongTests);
    return { ok: true, counts: none };
  });
  if (ready !== undefined) {
    await stagesOnContainers(run, context, ready);
  }
  context.signal.throwIfAborted();
  const left = everything ? [] : Object.entries(longTests);
  for (const [file, why] of left) run.output.write(`Left to npm run test:all: ${file}, which ${why}.\n`);
  return run.close();
}

const removal = `What the tests made is removed by: LAKESTACK_STACK=${testStack} npm run destroy`;

export const all: Command = {
  usage:
    "npm test     lint, type check, unit tests, Python checks, tests of the toolchain, of the services on a fake AWS, end-to-end tests on containers and on Kubernetes; but what takes long",
  afterInterrupt: removal,
  run: (_args, context) => runAll(context, false),
};

export const everything: Command = {
  usage: "npm run test:all     what npm test does, and the tests that take long: some hours on two cores",
  afterInterrupt: removal,
  run: (_args, context) => runAll(context, true),
};

export const unit: Command = {
  usage: "npm run test:unit [-- VITEST ARGUMENTS]     the tests that need no containers, under a minute",
  async run(args, context) {
    const run = new TestRun();
    await run.stage("unit tests", vitest("unit", context, args));
    return run.close();
  },
};

export const endToEnd: Command = {
  usage: "npm run test:e2e [-- VITEST ARGUMENTS]     the end-to-end tests, on real containers",
  afterInterrupt: removal,
  async run(args, context) {
    const run = new TestRun();
    const { env } = await prepare(context);
    await run.stage("e2e tests", vitest("e2e", context, args, env));
    return run.close();
  },
};

export const onFakeAws: Command = {
  usage:
    "npm run test:fake-aws [-- VITEST ARGUMENTS]     the services' AWS side, on a fake AWS in a container",
  async run(args, context) {
    const run = new TestRun();
    await run.stage("fake-aws tests", vitest("fake-aws", context, args));
    return run.close();
  },
};

export const onCluster: Command = {
  usage:
    "npm run test:cluster [-- VITEST ARGUMENTS]     the tests on a Kubernetes cluster, which is made for them and removed; with arguments, only those of the stack",
  async run(args, context) {
    const run = new TestRun();
    const { env } = await prepare(context);
    try {
      const isUp =
        args.length === 0
          ? await emptyClusterStages(run, context, env)
          : (await clusterStage(run, context)) !== undefined;
      if (isUp) await stackOnClusterStage(run, context, env, args);
    } finally {
      await removeClusterAndImages(context);
    }
    return run.close();
  },
};
