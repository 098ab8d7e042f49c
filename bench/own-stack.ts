import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import * as path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type Docker from "dockerode";
import { parseDocument } from "yaml";
import type { Context } from "../commands/command";
import { DeploymentProgress } from "../commands/deployment-progress";
import { belongings, runDestroy } from "../commands/destroy";
import { prepareMachine } from "../commands/prepare";
import { PulumiCli } from "../commands/pulumi-cli";
import { configFile } from "../commands/settings";
import { stackContainers } from "../commands/stack-containers";
import { type StackOutputs, stackOutputs } from "../commands/stack-outputs";
import { documentKey } from "../infra/secret-keys";
import { type SecretValues } from "../infra/secrets";
import { dockerClient, ensureDocker, toolFolder, UserError } from "../toolchain/index";

/** The benchmarks' own stack: state, passphrase, names and ports are shared with no stack that people use. */
const stack = "bench";
const stateFolder = path.join(toolFolder, "bench-state");
const passphraseFile = path.join(toolFolder, "bench-passphrase");

const portShift = 7_000;
export const catalogPort = 19_120 + portShift;
export const sparkHistoryPort = 18_080 + portShift;

type Settings = Record<string, string | number | boolean>;

/** Two catalogs, of which one is stopped where one is measured; Airflow as it is measured first. The rest is as on a laptop. */
const settings: Settings = {
  platform: "docker",
  trinoPort: 8443 + portShift,
  airflowPort: 8081 + portShift,
  sparkMasterPort: 5050 + portShift,
  sparkWorkerPort: 5051 + portShift,
  sparkDriverPort: 4050 + portShift,
  sparkHistoryPort,
  objectStorePort: 9000 + portShift,
  objectStoreConsolePort: 9090 + portShift,
  catalogPort,
  publishCatalog: true,
  catalogReplicas: 2,
  airflowSchedulers: 1,
  airflowParallelism: 1,
};

/** A real stack to measure, and what measurements ask of it. */
export class OwnStack {
  constructor(
    readonly docker: Docker,
    readonly outputs: StackOutputs,
    private readonly cli: PulumiCli,
    private readonly context: Context,
    private current: Settings,
  ) {}

  /** The container of a service, by the name that its label has. */
  async container(service: string): Promise<Docker.Container> {
    const found = (await stackContainers(this.docker, stack)).find((each) => each.service === service);
    if (found === undefined) throw new Error(`The stack has no container of ${service}`);
    return this.docker.getContainer(found.id);
  }

  /** By which the catalog takes this for one of Spark's jobs. */
  async sparkCatalogToken(): Promise<string> {
    const document = await this.cli.config(documentKey);
    if (document === undefined) throw new Error("The stack has no secrets");
    return (JSON.parse(document) as SecretValues).sparkCatalogToken;
  }

  /** Starts those of the services that an earlier benchmark has stopped; returns when all are healthy. */
  async start(services: readonly string[]): Promise<void> {
    await Promise.all(
      (await stackContainers(this.docker, stack))
        .filter(({ service, state }) => services.includes(service) && state !== "running")
        .map(({ id }) => this.docker.getContainer(id).start()),
    );
    for (const service of services) await this.healthy(service);
  }

  /** Stops every service but these, so that what is measured has the machine to itself; starts these. */
  async onlyRun(services: readonly string[]): Promise<void> {
    await Promise.all(
      (await stackContainers(this.docker, stack)).map(async ({ id, service, state }) => {
        const container = this.docker.getContainer(id);
        if (services.includes(service)) {
          if (state !== "running") await container.start();
        } else if (state === "running") await container.stop({ t: 60 });
      }),
    );
    for (const service of services) await this.healthy(service);
  }

  private async healthy(service: string): Promise<void> {
    const container = await this.container(service);
    const until = Date.now() + 240_000;
    while ((await container.inspect()).State.Health?.Status !== "healthy") {
      if (Date.now() > until) throw new Error(`${service} has not become healthy within four minutes`);
      await sleep(500, undefined, { signal: this.context.signal });
    }
  }

  /** Changes settings as a user does, and brings up those containers only whose names fit the pattern. */
  async change(values: Record<string, number>, pattern: string): Promise<void> {
    if (Object.entries(values).every(([key, value]) => this.current[key] === value)) return;
    this.current = { ...this.current, ...values };
    await configure(this.current);
    await deploy(this.cli, this.context, ["--target", `**::${pattern}`]);
  }

  /** Seconds of processor time that the services have used so far. */
  async cpuSeconds(services: readonly string[]): Promise<number> {
    const used = await Promise.all(
      services.map(async (service) => usedSeconds(await this.container(service))),
    );
    return used.reduce((sum, seconds) => sum + seconds, 0);
  }

  /** Asks PostgreSQL, as its superuser. @returns the rows, each a list of texts. */
  async sql(database: string, ...statements: string[]): Promise<string[][]> {
    const commands = statements.flatMap((statement) => ["-c", statement]);
    const psql = [
      "psql",
      "-qAt",
      "-F",
      "\t",
      "-P",
      "pager=off",
      "-v",
      "ON_ERROR_STOP=1",
      "-d",
      database,
      ...commands,
    ];
    const output = await this.asSuperuser('exec "$@"', psql);
    return output
      .split(/\r?\n/)
      .filter((line) => line !== "")
      .map((line) => line.split("\t"));
  }

  /** Runs a line of shell in the database's container; PostgreSQL's clients in it need to be told no password. */
  asSuperuser(line: string, args: readonly string[] = []): Promise<string> {
    const login = 'export PGPASSWORD="$(cat /run/secrets/postgres)" PGHOST=127.0.0.1 PGUSER=postgres';
    return this.execute("database", ["/bin/sh", "-ec", `${login}; ${line}`, "sh", ...args]);
  }

  /** Runs a program in a container. @throws with what it wrote, if it fails. @returns what it wrote. */
  async execute(service: string, command: string[]): Promise<string> {
    const container = await this.container(service);
    const process = await container.exec({ Cmd: command, AttachStdout: true, AttachStderr: true, Tty: true });
    const stream = await process.start({ Tty: true });
    let output = "";
    for await (const chunk of stream) output += String(chunk);
    const { ExitCode } = await process.inspect();
    if (ExitCode !== 0)
      throw new Error(`${command[0] ?? ""} in ${service} ended with code ${ExitCode}:\n${output}`);
    return output;
  }
}

async function usedSeconds(container: Docker.Container): Promise<number> {
  const { cpu_stats } = await container.stats({ stream: false, "one-shot": true });
  return cpu_stats.cpu_usage.total_usage / 1e9;
}

/**
 * Brings a stack of the benchmarks' own up, and removes it whatever becomes of the work.
 *
 * @param keep leaves it up, for the next benchmark.
 * @param others settings beside the usual ones.
 */
export async function withOwnStack<T>(
  context: Context,
  keep: boolean,
  work: (own: OwnStack) => Promise<T>,
  others: Settings = {},
): Promise<T> {
  const { reporter, signal } = context;
  const own: Context = { stack, reporter, signal };
  process.env["PULUMI_BACKEND_URL"] = `file://${stateFolder}`;
  process.env["PULUMI_CONFIG_PASSPHRASE_FILE"] = passphraseFile;
  // Of a stack that people use: pulumi would prefer it to the file.
  delete process.env["PULUMI_CONFIG_PASSPHRASE"];

  await ensureDocker(reporter);
  // Without its state, what an earlier run left can't be used.
  if (!existsSync(stateFolder) && (await belongings(dockerClient(), stack)).containers.length > 0)
    await remove(own);
  try {
    await mkdir(stateFolder, { recursive: true });
    if (!existsSync(passphraseFile)) {
      await writeFile(passphraseFile, randomBytes(24).toString("hex"), { mode: 0o600 });
    }
    const wanted = { ...settings, ...others };
    await configure(wanted);
    const { docker, tools } = await prepareMachine({ stack, reporter, signal });
    const cli = new PulumiCli(stack, tools.env, signal);
    if ((await cli.state()) === undefined) await cli.create();
    // What an earlier benchmark has stopped, this one starts again where it needs it.
    await deploy(cli, own, []);
    return await work(new OwnStack(docker, stackOutputs(await cli.outputs()), cli, own, wanted));
  } finally {
    if (!keep) await remove(own);
  }
}

async function configure(wanted: Settings): Promise<void> {
  const file = configFile(stack);
  // The file may hold the stack's secrets by now.
  const document = parseDocument(await readFile(file, "utf8").catch(() => "config: {}\n"));
  for (const [key, value] of Object.entries(wanted)) {
    document.setIn(["config", `lakestack:${key}`], value);
  }
  await writeFile(file, document.toString({ lineWidth: 0 }));
}

async function deploy(cli: PulumiCli, { reporter }: Context, args: readonly string[]): Promise<void> {
  const task = reporter.task(`Stack ${stack}`);
  const progress = new DeploymentProgress(reporter, stack);
  try {
    await cli.deploy("up", args, (event) => {
      progress.onEvent(event);
      task.update(progress.text);
    });
    task.done(`up, ${progress.changed} resources changed`);
  } catch (error) {
    progress.close("not finished");
    task.fail("not up");
    const [fault] = progress.faults;
    if (fault === undefined) throw error;
    throw new UserError(
      `The benchmarks' stack is not up: ${fault.resource}: ${fault.message}`,
      "When the cause is mended, run the same command again.",
    );
  }
}

/** Also after Ctrl-C: nothing is left. */
async function remove({ reporter }: Context): Promise<void> {
  await runDestroy({ stack, reporter, signal: new AbortController().signal });
  for (const trace of [stateFolder, passphraseFile, configFile(stack)]) {
    await rm(trace, { recursive: true, force: true });
  }
}
