import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { type Command, type Context, readOptions } from "../commands/command";
import { runDown } from "../commands/down";
import { containerType } from "../commands/mend";
import type { Phase } from "../commands/phases";
import { PulumiCli } from "../commands/pulumi-cli";
import { type StackOutputs, stackOutputs } from "../commands/stack-outputs";
import { table } from "../commands/table";
import { countRows } from "../commands/trino-query";
import { runUp } from "../commands/up";
import { dockerClient, ensurePulumi, projectFolder } from "../toolchain/index";
import { type DeclaredContainer, startPlain } from "./plain-containers";
import { type Machine, machine, publish } from "./results";
import { median, rounded } from "./statistics";

const usage = `npm run bench:up [-- --rounds 3]     times up, from what this machine has; the stack is up when it ends`;

const run = promisify(execFile);

/** All times in seconds. */
interface Result {
  machine: Machine;
  /** The whole `npm run up` with which the benchmark begins, by phase. A first one only where nothing was reused. */
  firstUp: { phases: Record<string, number>; total: number };
  /** From no containers to a query answered, images and volumes being there. */
  containersToQuery: number[];
  /** The same with plain calls to the engine: same containers, same health checks, same order. */
  plainToQuery: number[];
  /** Median of `containersToQuery` over median of `plainToQuery`. */
  ratioToPlain: number;
  /** `pulumi up --yes`, preview included, when there is nothing to change. */
  unchangedUp: number[];
}

async function benchmark(context: Context, rounds: number): Promise<Result> {
  const { stack, reporter, signal } = context;
  const first = await runUp(context);
  const { env } = await ensurePulumi(reporter);
  const cli = new PulumiCli(stack, env, signal);
  const docker = dockerClient();
  const declared = await declaredContainers(stack, { ...process.env, ...env });
  const access = trinoAccess(first.outputs);

  const viaPulumi: number[] = [];
  const viaPlain: number[] = [];
  const progress = reporter.task("Rounds");
  // In turn, so that both see the same machine.
  for (let round = 1; round <= rounds; round++) {
    progress.update(`${round} of ${rounds}: plain containers`);
    await runDown(context);
    let remove: () => Promise<void> = () => Promise.resolve();
    viaPlain.push(
      await timed(async () => {
        remove = await startPlain(docker, declared, signal);
        await countRows(access, "iceberg.newtral.media");
      }),
    );
    await remove();

    progress.update(`${round} of ${rounds}: pulumi up`);
    viaPulumi.push(
      await timed(async () => {
        await cli.deploy("up", [], () => undefined);
        await countRows(trinoAccess(stackOutputs(await cli.outputs())), "iceberg.newtral.media");
      }),
    );
  }

  const unchanged: number[] = [];
  for (let round = 1; round <= rounds; round++) {
    progress.update(`${round} of ${rounds}: up without changes`);
    unchanged.push(
      await timed(() =>
        run("pulumi", ["up", "--yes", "--stack", stack, "--expect-no-changes", "--non-interactive"], {
          cwd: projectFolder,
          env: { ...process.env, ...env },
        }),
      ),
    );
  }
  progress.done();
  return {
    machine: machine(),
    firstUp: inSeconds(first.phases.all),
    containersToQuery: viaPulumi,
    plainToQuery: viaPlain,
    ratioToPlain: rounded(median(viaPulumi) / median(viaPlain), 2),
    unchangedUp: unchanged,
  };
}

async function declaredContainers(stack: string, env: NodeJS.ProcessEnv): Promise<DeclaredContainer[]> {
  const { stdout } = await run("pulumi", ["stack", "export", "--show-secrets", "--stack", stack], {
    cwd: projectFolder,
    env,
    maxBuffer: 2 ** 28,
  });
  const { deployment } = JSON.parse(stdout) as {
    deployment: { resources: (DeclaredContainer & { type: string; inputs: { start?: boolean } })[] };
  };
  return (
    deployment.resources
      // What only carries files into a volume has done so.
      .filter(({ type, inputs }) => type === containerType && inputs.start !== false)
      .map((resource) => ({
        ...resource,
        inputs: opened(resource.inputs) as DeclaredContainer["inputs"],
      }))
  );
}

/** The state keeps a secret in an envelope with its JSON text, even where it shows it. */
function opened(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(opened);
  if (typeof value !== "object" || value === null) return value;
  if ("plaintext" in value && "4dabf18193072939515e22adb298388d" in value) {
    return opened(JSON.parse(String(value.plaintext)));
  }
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, opened(inner)]));
}

const trinoAccess = ({ trinoUrl, trinoUser, trinoPassword, caCertificate }: StackOutputs) => ({
  url: trinoUrl,
  user: trinoUser,
  password: trinoPassword,
  ca: caCertificate,
});

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return rounded((performance.now() - start) / 1000, 2);
}

function inSeconds(phases: readonly Phase[]): Result["firstUp"] {
  const parts = phases.map(({ name, milliseconds }) => [name, rounded(milliseconds / 1000, 2)] as const);
  return {
    phases: Object.fromEntries(parts),
    total: rounded(
      parts.reduce((sum, [, time]) => sum + time, 0),
      2,
    ),
  };
}

function report(result: Result): string {
  const row = (name: string, times: readonly number[]) => [
    name,
    `${Math.min(...times).toFixed(1)} s`,
    `${median(times).toFixed(1)} s`,
    `${Math.max(...times).toFixed(1)} s`,
  ];
  return [
    table(
      ["measured", "least", "median", "most"],
      [
        row("no containers to first query, pulumi up", result.containersToQuery),
        row("no containers to first query, plain create and start", result.plainToQuery),
        row("pulumi up without changes", result.unchangedUp),
      ],
    ),
    "",
    `pulumi up takes ${result.ratioToPlain.toFixed(2)} times as long as plain create and start of the same containers.`,
    `The npm run up that this began with took ${result.firstUp.total.toFixed(0)} s: ` +
      Object.entries(result.firstUp.phases)
        .map(([name, time]) => `${name} ${time.toFixed(0)} s`)
        .join(", "),
  ].join("\n");
}

export const command: Command = {
  usage,
  async run(args, context) {
    const { values } = readOptions(usage, args, { rounds: { type: "string", default: "3" } });
    const result = await benchmark(context, Math.max(1, Number(values.rounds) || 3));
    await publish("up", result, report(result));
    return 0;
  },
};
