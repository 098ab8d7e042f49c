import { execFileSync, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import type { TestProject } from "vitest/node";
import { prepareMachine } from "../../commands/prepare";
import { PulumiCli } from "../../commands/pulumi-cli";
import { Settings } from "../../commands/settings";
import { stackOutputs } from "../../commands/stack-outputs";
import { UserStore } from "../../commands/user-store";
import { ensureDocker } from "../../toolchain/docker-engine";
import { projectFolder } from "../../toolchain/project";
import { terminalReporter } from "../../toolchain/progress";
import { belongings } from "./docker";
import { expectSuccess, start } from "./processes";
import { configure, forget, otherConfigFile, otherStack, stackEnvironment, stackName } from "./stack";

/** Set to leave the stack up afterwards, and to go on with one that was left: for work on the tests. */
const keep = process.env["LAKESTACK_E2E_KEEP"] !== undefined;

/** Brings the tests' stack up once, from nothing, as a user does; takes it away in the end, whatever happened. */
export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  Object.assign(process.env, stackEnvironment);
  // Of a stack that people use: pulumi would prefer it to the file with this stack's passphrase.
  delete process.env["PULUMI_CONFIG_PASSPHRASE"];
  process.once("exit", clearAfterInterrupt);

  const reporter = terminalReporter();
  await ensureDocker(reporter);
  if (!keep) await removeTraces();
  await configure();
  const signal = new AbortController().signal;
  const { tools, images } = await prepareMachine({ stack: stackName, reporter, signal, forTests: true });
  const environment = { ...stackEnvironment, ...tools.env };
  const cli = new PulumiCli(stackName, environment, signal);
  const people = await declarePeople(cli);
  const running = start("npm", ["run", "-s", "up"], { env: { ...process.env, ...environment } });
  running.child.stderr?.pipe(process.stderr);
  const up = expectSuccess("The first npm run up", await running.finished);
  console.log(`${up.stdout}\nThe stack ${stackName} was up after ${up.seconds.toFixed(0)} s.`);

  project.provide("environment", environment);
  project.provide("outputs", stackOutputs(await cli.outputs()));
  project.provide("people", people);
  project.provide("checksImage", images.get("checks") ?? "");
  project.provide("keycloakImage", images.get("keycloak") ?? "");
  return tearDown;
}

/** Declares users of the stack before its first `up`, so that no test has to wait until Trino is told of them. */
async function declarePeople(cli: PulumiCli) {
  if ((await cli.state()) === undefined) await cli.create();
  const store = await UserStore.open(cli, await Settings.read(stackName));
  const declare = async (name: string, role: string) => {
    const isKnown = store.list().some((user) => user.name === name);
    const password = await (isKnown ? store.changePassword(name) : store.add(name, role));
    return { name, password };
  };
  return { analyst: await declare("dora.k", "analyst"), etl: await declare("loader", "etl") };
}

/** Takes away what there is of the stack; also of one that an earlier run left because it was killed. */
async function removeTraces(): Promise<void> {
  if (existsSync(otherConfigFile)) destroy(otherStack);
  // Images alone are what a run begins with.
  if ((await belongings()).some((thing) => !thing.startsWith("image "))) {
    await configure();
    destroy();
  }
  await forget();
}

let over = keep;

async function tearDown(): Promise<void> {
  if (over) return;
  over = true;
  await removeTraces();
}

/** Where it does not come to the end (Ctrl-C, a fault), when this process ends: so nothing here waits for promises. */
function clearAfterInterrupt(): void {
  if (over) return;
  over = true;
  endDescendants();
  if (existsSync(otherConfigFile)) destroy(otherStack);
  destroy();
}

function destroy(stack = stackName): void {
  const { status } = spawnSync("npm", ["run", "-s", "destroy", "--", "--yes"], {
    cwd: projectFolder,
    env: { ...process.env, ...stackEnvironment, LAKESTACK_STACK: stack },
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (status !== 0) console.error(`Stack ${stack} could not be removed: see above.`);
}

/**
 * Ends what the tests have started and not ended, so that nothing works on the stack while it is removed. Docker, where
 * it was started by us, lives on.
 */
function endDescendants(): void {
  const processes = execFileSync("ps", ["-A", "-o", "pid=,ppid=,comm="], { encoding: "utf8" })
    .trim()
    .split("\n")
    .filter((line) => !line.endsWith("dockerd"))
    .map((line) => line.trim().split(/\s+/, 2).map(Number) as [number, number]);
  const family = new Set([process.pid]);
  // A parent has mostly, but not always, the smaller number.
  for (let size = 0; size !== family.size;) {
    size = family.size;
    for (const [pid, parent] of processes) if (family.has(parent)) family.add(pid);
  }
  family.delete(process.pid);
  for (const pid of family) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It has ended by itself, as ps has.
    }
  }
}
