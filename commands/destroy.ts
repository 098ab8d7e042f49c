import { existsSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { createInterface } from "node:readline/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type Docker from "dockerode";
import { documentKey, rotationKey } from "../infra/secret-keys";
import { dockerClient, ensurePulumi, type Reporter, UserError } from "../toolchain/index";
import { caFile } from "./certificate-facts";
import { type Command, type Context, messageOf, readOptions, unlessAborted } from "./command";
import { DeploymentProgress } from "./deployment-progress";
import { unlocking } from "./mend";
import { currentPassphrase, passphraseState, withoutSecrets } from "./passphrase";
import { PulumiCli, PulumiError } from "./pulumi-cli";
import { configFile } from "./settings";
import { ignoreAbsence, labelled, removeContainer, stackContainers } from "./stack-containers";
import { removeBuildRemains, removeImages, type StackImage, stackImages } from "./stack-images";
import { bytes } from "./table";

const usage = `npm run destroy [-- OPTIONS]     removes the stack and its data, after saying what and asking
  --yes, -y     do not ask`;

/** Where the secrets are kept that the program or a rotation has made. */
const generatedSecrets = new Set([documentKey, rotationKey].map((key) => `lakestack:${key}`));

/** Everything on this machine that belongs to a stack. */
export interface Belongings {
  containers: { id: string; name: string }[];
  networks: { id: string; name: string }[];
  /** Size in bytes, where the engine tells. */
  volumes: { name: string; size?: number }[];
  images: StackImage[];
}

/** Finds by label and name what the stack has, whatever its state says. */
export async function belongings(docker: Docker, stack: string): Promise<Belongings> {
  const [containers, networks, volumes, images, sizes] = await Promise.all([
    stackContainers(docker, stack),
    docker.listNetworks({ filters: labelled(stack) }),
    docker.listVolumes({ filters: labelled(stack) }),
    stackImages(docker, stack),
    volumeSizes(docker),
  ]);
  return {
    containers,
    networks: networks.map(({ Id, Name }) => ({ id: Id, name: Name })),
    volumes: volumes.Volumes.map(({ Name }) => ({ name: Name, size: sizes.get(Name) })),
    images,
  };
}

/** How often, and after how many ms each, an engine is asked again that is counting for somebody else. */
const countingPatience = { attempts: 40, pause: 500 };

/**
 * What the volumes take, in bytes. The engine counts for one client at a time and refuses all others meanwhile: they
 * come again. Nothing depends on the sizes, so that without them the volumes are listed as they are.
 */
async function volumeSizes(docker: Docker): Promise<Map<string, number | undefined>> {
  for (let attempt = 1; attempt <= countingPatience.attempts; attempt += 1) {
    try {
      const { Volumes } = (await docker.df()) as DiskUsage;
      return new Map((Volumes ?? []).map(({ Name, UsageData }) => [Name, UsageData?.Size]));
    } catch (error) {
      if (!/disk usage operation is already running/.test(messageOf(error))) throw error;
    }
    await sleep(countingPatience.pause);
  }
  return new Map();
}

/** The part of the engine's answer that is read here. */
interface DiskUsage {
  Volumes?: { Name: string; UsageData?: { Size: number } | null }[] | null;
}

const counted = (things: readonly unknown[], name: string) =>
  `${things.length} ${name}${things.length === 1 ? "" : "s"}`;

/** What will be removed, for a person to agree to. */
export function announcement(stack: string, { containers, networks, volumes, images }: Belongings): string {
  const data = volumes.reduce((sum, { size = 0 }) => sum + Math.max(0, size), 0);
  const volumeLines = volumes.map(
    ({ name, size }) => `    ${name}${size === undefined || size < 0 ? "" : `  ${bytes(size)}`}`,
  );
  return [
    `This removes stack ${stack}:`,
    `  ${[counted(containers, "container"), counted(networks, "network"), counted(images, "image")].join(", ")}`,
    `  ${counted(volumes, "volume")} with ALL DATA (${bytes(data)}): tables, runs, logs, history`,
    ...volumeLines,
    "What stays: the cache of built images and the pulumi engine, so that the next npm run up is fast.",
  ].join("\n");
}

/**
 * Removes everything of a stack, and its record in the state. Where the passphrase is lost, or the engine fails, what
 * carries the stack's label is removed all the same.
 */
export async function runDestroy(context: Context): Promise<void> {
  const { stack, reporter } = context;
  const docker = dockerClient();
  const images = await stackImages(docker, stack);
  const readable = await isReadable(stack);
  if (readable) await destroyByEngine(context);
  else reporter.task("pulumi destroy").done("not possible without the passphrase: removing by label instead");
  await removeLeftovers(docker, stack, reporter);
  if (!readable) await startOver(context);
  await removeBuildRemains(
    docker,
    images.map(({ id }) => id),
  );
  await removeBaseImages(docker);
  await rm(caFile(stack), { force: true });
}

/** Whether the stack's secrets can be opened, as destroying by the engine needs. */
async function isReadable(stack: string): Promise<boolean> {
  const configuration = await readFile(configFile(stack), "utf8").catch(() => "");
  const state = await passphraseState(configuration, await currentPassphrase());
  return state === "unused" || state === "fits";
}

async function destroyByEngine({ stack, reporter, signal }: Context): Promise<void> {
  const { env } = await ensurePulumi(reporter, signal);
  const cli = new PulumiCli(stack, env, signal);
  if ((await cli.state()) === undefined) return;

  const task = reporter.task(`Removing stack ${stack}`);
  const progress = new DeploymentProgress(reporter, stack);
  try {
    await unlocking(cli, () =>
      cli.deploy("destroy", [], (event) => {
        progress.onEvent(event);
      }),
    );
    task.done(`${progress.changed} resources removed`);
  } catch (error) {
    progress.close("not removed");
    const [fault] = progress.faults;
    task.fail(fault === undefined ? "failed" : `${fault.resource}: ${fault.message}`);
    if (!(error instanceof PulumiError)) throw error;
  }
  await cli.removeStack();
  // They were those of the data that is gone. What the user set stays.
  await rewriteConfig(stack, (key) => !generatedSecrets.has(key));
}

/** By label and name: containers first, since they hold the rest. */
async function removeLeftovers(docker: Docker, stack: string, reporter: Reporter): Promise<void> {
  const { containers, networks, volumes, images } = await belongings(docker, stack);
  const count = containers.length + networks.length + volumes.length + images.length;
  if (count === 0) return;
  const task = reporter.task("Removing what is left by label");
  for (const { id } of containers) await removeContainer(docker, id);
  for (const { id } of networks) await ignoreAbsence(docker.getNetwork(id).remove());
  for (const { name } of volumes) await ignoreAbsence(docker.getVolume(name).remove());
  await removeImages(
    docker,
    images.map(({ name }) => name),
  );
  task.done(`${count} removed`);
}

/** Forgets a stack whose passphrase is lost: its record, and what only that passphrase opens in its configuration. */
async function startOver({ stack, reporter, signal }: Context): Promise<void> {
  // The engine asks for a passphrase even to delete a record, but does not try it.
  process.env["PULUMI_CONFIG_PASSPHRASE"] ??= "lost";
  const { env } = await ensurePulumi(reporter, signal);
  const cli = new PulumiCli(stack, env, signal);
  if ((await cli.state()) !== undefined) await cli.removeStack();

  const removed = await rewriteConfig(stack, () => false);
  const own = removed.filter((key) => !generatedSecrets.has(key));
  const task = reporter.task(`Pulumi.${stack}.yaml`);
  task.done(
    own.length === 0
      ? "took out the secrets that only the lost passphrase opens"
      : `took out what only the lost passphrase opens; set again: ${own.join(", ")}`,
  );
}

async function rewriteConfig(stack: string, keep: (key: string) => boolean): Promise<string[]> {
  const file = configFile(stack);
  if (!existsSync(file)) return [];
  const before = await readFile(file, "utf8");
  const { text, removed } = withoutSecrets(before, keep);
  if (text !== before) await writeFile(file, text);
  return removed;
}

/** Base images made here, unless another stack's images are built on them. */
async function removeBaseImages(docker: Docker): Promise<void> {
  const images = await docker.listImages({ filters: { reference: ["lakestack-*"] } });
  const tags = images.flatMap(({ RepoTags }) => RepoTags ?? []);
  if (!tags.every((tag) => tag.startsWith("lakestack-base:"))) return;
  await removeImages(docker, tags);
  await removeBuildRemains(
    docker,
    images.map(({ Id }) => Id),
  );
}

/** Asks the person at the terminal whether what was announced is to be removed by the named command. */
export async function agreed(signal: AbortSignal, name = "destroy"): Promise<boolean> {
  if (!process.stdin.isTTY) {
    throw new UserError(
      "Nobody is here to ask.",
      `To remove it without being asked: npm run ${name} -- --yes`,
    );
  }
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  // While it reads, Ctrl-C comes here and not to the process.
  terminal.once("SIGINT", () => process.kill(process.pid, "SIGINT"));
  try {
    const answer = await unlessAborted(signal, terminal.question("\nRemove all of it? [y/N] "));
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    terminal.close();
  }
}

export const command: Command = {
  usage,
  afterInterrupt: "npm run destroy goes on from here.",
  async run(args, context) {
    const { values } = readOptions(usage, args, { yes: { type: "boolean", short: "y", default: false } });
    const found = await belongings(dockerClient(), context.stack).catch((error: unknown) => {
      throw new UserError(`Docker does not answer: ${messageOf(error)}`, "See npm run doctor.");
    });
    console.log(announcement(context.stack, found));
    if (!values.yes && !(await agreed(context.signal))) {
      console.log("Nothing was removed.");
      return 1;
    }
    await runDestroy(context);
    console.log(`\nStack ${context.stack} is gone. npm run up makes a new one.`);
    return 0;
  },
};
