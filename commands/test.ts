import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import * as os from "node:os";
import * as path from "node:path";
import { clusterSettings, type ClusterSettings, destroyCluster } from "../toolchain/cluster/index";
import { dockerClient, projectFolder, type Reporter } from "../toolchain/index";
import { ensureChromium } from "./chromium";
import { bringUpCluster } from "./cluster";
import { type Command, type Context } from "./command";
import { type Prepared, prepareMachine } from "./prepare";
import { checkPython } from "./python-checks";
import { removeImages, stackImages } from "./stack-images";
import { none, vitestCounts } from "./test-counts";
import { onOwnCluster, type StageWork, TestRun } from "./test-run";

/** The tests' stack on Kubernetes. */
const clusterStack = "cluster";

/** The tests' own stack: its images, volumes and ports stand beside those of a running dev stack. */
const testStack = "e2e";

/** Runs a program that writes to this one's terminal. @returns the exit code. */
function runVisibly(program: string, args: readonly string[], context: Context, env = {}): Promise<number> {
  context.signal.throwIfAborted();
  const child = spawn(program, args, {
    cwd: projectFolder,
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, ...env },
  });
  const stop = () => child.kill("SIGINT");
  context.signal.addEventListener("abort", stop);
  return new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => {
      resolve(code ?? 1);
    });
  }).finally(() => {
    context.signal.removeEventListener("abort", stop);
  });
}

/** A script of package.json, so that it is the same by hand. */
function script(name: string, context: Context): StageWork {
  return async () => ({ ok: (await runVisibly("npm", ["run", "-s", name], context)) === 0, counts: none });
}

function vitest(
  project: string,
  context: Context,
  args: readonly string[] = [],
  env: Record<string, string> = {},
): StageWork {
  return async () => {
    const scratch = await mkdtemp(path.join(os.tmpdir(), "lakestack-tests-"));
    const report = path.join(scratch, "report.json");
    try {
      const program = path.join(projectFolder, "node_modules", "vitest", "vitest.mjs");
      const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
      const code = await runVisibly(
        process.execPath,
        [program, "run", "--project", project, ...reporters, ...args],
        context,
        env,
      );
      return { ok: code === 0, counts: vitestCounts(await readFile(report, "utf8")) };
    } finally {
      await rm(scratch, { recursive: true, force: true });
    }
  };
}

async function quickStages(run: TestRun, context: Context): Promise<boolean> {
  return (
    (await run.stage("lint", script("lint", context))) &&
    (await run.stage("type check", script("typecheck", context))) &&
    (await run.stage("unit tests", vitest("unit", context)))
  );
}

/** The machine as `up` needs it, and what only tests need: the image with the checks, a browser. */
async function prepare(context: Context): Promise<{ prepared: Prepared; env: Record<string, string> }> {
  const { reporter, signal } = context;
  const prepared = await prepareMachine({ stack: testStack, reporter, signal, forTests: true });
  const chromium = await ensureChromium(reporter);
  // What else the tests need of the environment, they set themselves: they use stacks and states of their own.
  const env: Record<string, string> = chromium === undefined ? {} : { CHROME_PATH: chromium };
  return { prepared, env };
}

async function pythonChecks({ docker, images }: Prepared, signal: AbortSignal) {
  const image = images.get("checks");
  if (image === undefined) throw new Error("There is no image with the Python checks");
  const { failed, counts } = await checkPython(docker, image, signal);
  if (failed.length > 0) console.log(`Failed: ${failed.join(", ")}`);
  return { ok: failed.length === 0, counts };
}

/** The tests' own cluster, beside one that people use. */
const testCluster = {
  LAKESTACK_CLUSTER: "own",
  LAKESTACK_CLUSTER_NAME: "lakestack-cluster-test",
  LAKESTACK_CLUSTER_API_PORT: "26443",
  LAKESTACK_CLUSTER_PORTS: "28443:8443,28081:8081,29001:9000",
};

/** The tests that take a Kubernetes cluster: one is made for them, and removed with all that they have left in it. */
async function clusterStages(run: TestRun, context: Context, env: Record<string, string>): Promise<void> {
  const { reporter, signal } = context;
  const settings = clusterSettings(testCluster);
  await onOwnCluster(run, {
    bringUp: () => bringUpCluster({ reporter, signal, settings }),
    async test({ kubeconfig }) {
      await run.stage(
        "kubernetes-plugin tests",
        vitest("kubernetes-plugin", context, [], { ...env, LAKESTACK_KUBECONFIG: kubeconfig }),
      );
      await run.stage("cluster tests", vitest("cluster", context, [], { ...env, ...testCluster }));
    },
    remove: () => removeTestCluster(settings, reporter),
  });
}

async function removeTestCluster(settings: ClusterSettings, reporter: Reporter): Promise<void> {
  const docker = dockerClient();
  await destroyCluster({ docker, settings, reporter });
  const images = await stackImages(docker, clusterStack);
  await removeImages(
    docker,
    images.map(({ name }) => name),
  );
}

export const all: Command = {
  usage:
    "npm test     lint, type check, unit tests, Python checks, tests of the toolchain, end-to-end tests on containers and on Kubernetes",
  afterInterrupt: `What the tests made is removed by: LAKESTACK_STACK=${testStack} npm run destroy`,
  async run(_args, context) {
    const run = new TestRun();
    // What a minute finds is not worth building images for.
    if (!(await quickStages(run, context))) return run.close();

    let ready: Awaited<ReturnType<typeof prepare>> | undefined;
    await run.stage("machine", async () => {
      ready = await prepare(context);
      return { ok: true, counts: none };
    });
    if (ready !== undefined) {
      const { prepared, env } = ready;
      await run.stage("Python checks", () => pythonChecks(prepared, context.signal));
      for (const project of ["docker-plugin", "toolchain", "e2e"]) {
        await run.stage(`${project} tests`, vitest(project, context, [], env));
      }
      await clusterStages(run, context, env);
    }
    context.signal.throwIfAborted();
    return run.close();
  },
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
  afterInterrupt: all.afterInterrupt,
  async run(args, context) {
    const run = new TestRun();
    const { env } = await prepare(context);
    await run.stage("e2e tests", vitest("e2e", context, args, env));
    return run.close();
  },
};

export const onCluster: Command = {
  usage: "npm run test:cluster     the tests on a Kubernetes cluster, which is made for them and removed",
  async run(_args, context) {
    const run = new TestRun();
    const { env } = await prepare(context);
    await clusterStages(run, context, env);
    return run.close();
  },
};
