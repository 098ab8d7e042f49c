import { mkdir, writeFile } from "node:fs/promises";
import * as path from "node:path";
import type Docker from "dockerode";
import type { Source } from "../infra/sources";
import { ensureDocker, projectFolder, type Reporter, toolFolder, UserError } from "../toolchain/index";
import { AirflowClient } from "./airflow-client";
import { authorityFacts, caFile, warnings } from "./certificate-facts";
import { judge } from "./checks";
import { type Command, type Context, messageOf, readOptions } from "./command";
import { declaredSources } from "./declared-sources";
import { DeploymentProgress } from "./deployment-progress";
import { report } from "./doctor";
import { examineMachine } from "./machine-facts";
import { mend, unlocking } from "./mend";
import { Phases } from "./phases";
import { awaitTables, type PipelineRun, runPipelines } from "./pipelines";
import { prepareMachine } from "./prepare";
import { logFile, PulumiCli, PulumiError } from "./pulumi-cli";
import { endRotation, isRotating } from "./rotation";
import type { SampleSize } from "./sample-data";
import { loadSamples } from "./samples";
import { Settings } from "./settings";
import { type StackOutputs, stackOutputs } from "./stack-outputs";
import { summary } from "./summary";
import { countRows } from "./trino-query";

const usage = `npm run up [-- OPTIONS]     brings the stack up; run again, it changes what is not as it should be
  --days few|all|none     how much of the sample data to load and ingest; default: few
  --force                 go on in spite of what npm run doctor finds`;

export interface UpOptions extends Context {
  /** Default "few". */
  days?: SampleSize;
  /** Go on in spite of blocking findings. Default false. */
  force?: boolean;
}

export interface UpResult {
  /** What was changed, one entry a kind; empty if everything was as it should be. */
  changes: string[];
  outputs: StackOutputs;
  /** Rows of each table, by its name in Trino. */
  rows: Map<string, number>;
  phases: Phases;
}

/** Brings a stack up from whatever state it and the machine are in, until its tables answer. */
export async function runUp(options: UpOptions): Promise<UpResult> {
  const { stack, reporter, signal, days = "few", force = false } = options;
  const phases = new Phases();
  const changes: string[] = [];
  const note = (count: number, one: string, many: string) => {
    if (count > 0) changes.push(`${count} ${count === 1 ? one : many}`);
  };

  await phases.measure("checks", async () => {
    if (await checkMachine(stack, reporter, force)) return;
    // More can be told once the engine, which this may install, answers.
    await ensureDocker(reporter);
    await checkMachine(stack, reporter, force);
  });
  const { docker, tools } = await phases.measure("tools and images", () => prepareMachine(options));

  const cli = new PulumiCli(stack, tools.env, signal);
  const [outputs, sources] = await phases.measure("stack", async () => {
    const declared = declaredSources(stack);
    // A fault in them is the program's to report.
    declared.catch(() => undefined);
    const { changed } = await deploy(cli, docker, reporter);
    note(changed, "resource changed", "resources changed");
    if (isRotating(await Settings.read(stack))) await endRotation(cli, options);
    return [stackOutputs(await cli.outputs()), await declared] as const;
  });

  const samples = await phases.measure("sample data", () =>
    loadSamples({ sources, size: days, outputs, reporter, signal }),
  );
  note(samples.uploaded, "object uploaded", "objects uploaded");

  const runs = await phases.measure("pipelines", () => ingest(outputs, samples.runs, reporter, signal));
  note(runs.length, "pipeline run", "pipelines run");

  const rows = await phases.measure("queries", () => countTables(outputs, sources, samples.tables));
  return { changes, outputs, rows, phases };
}

/**
 * Ends the command where it would fail later, and with more said than it could say then.
 *
 * @returns whether Docker answered.
 */
async function checkMachine(stack: string, reporter: Reporter, force: boolean): Promise<boolean> {
  const task = reporter.task("Checking this machine");
  const facts = await examineMachine(stack);
  const findings = judge(facts);
  const blocking = findings.filter(({ level }) => level === "blocking");
  const warnings = findings.filter(({ level }) => level === "warning");
  if (blocking.length > 0 && !force) {
    task.fail(`${blocking.length} ${blocking.length === 1 ? "thing" : "things"} in the way`);
    throw new UserError(
      `This machine is not ready:\n\n${report(blocking)}`,
      "Do what the arrows say and run npm run up again; npm run doctor shows everything that was looked at.",
    );
  }
  task.done([...blocking, ...warnings].map(({ check, found }) => `${check}: ${found}`).join("; ") || "ready");
  return "version" in facts.engine;
}

/** Runs `pulumi up` after putting right what an interrupted run left. Returns what it has changed. */
export async function deploy(
  cli: PulumiCli,
  docker: Docker,
  reporter: Reporter,
): Promise<DeploymentProgress> {
  const state = await cli.state();
  if (state === undefined) await cli.create();
  const refresh = state !== undefined && (await mend(cli, docker, state, reporter));

  const task = reporter.task(`Stack ${cli.stack}`);
  const progress = new DeploymentProgress(reporter, cli.stack);
  try {
    await unlocking(cli, () =>
      cli.deploy("up", refresh ? ["--refresh"] : [], (event) => {
        progress.onEvent(event);
        task.update(progress.text);
      }),
    );
  } catch (error) {
    progress.close("not finished");
    task.fail("not up");
    throw error instanceof PulumiError ? deployFailure(cli.stack, progress, error) : error;
  }
  const { changed } = progress;
  task.done(changed === 0 ? "nothing to change" : `up, ${changed} resources changed`);
  return progress;
}

function deployFailure(stack: string, { faults }: DeploymentProgress, error: PulumiError): UserError {
  const said = faults.map(({ resource, message }) => (resource === "" ? message : `${resource}: ${message}`));
  return new UserError(
    said.length > 0 ? said.join("\n\n") : error.message,
    [
      "When the cause is mended, npm run up goes on from here: what was made so far is kept.",
      `What a service wrote: npm run logs -- SERVICE. All that pulumi wrote: ${fromProject(logFile(stack, "up"))}`,
    ].join("\n"),
  );
}

async function ingest(
  outputs: StackOutputs,
  runs: readonly PipelineRun[],
  reporter: Reporter,
  signal: AbortSignal,
): Promise<PipelineRun[]> {
  const { airflowUrl, airflowUser, airflowPassword } = outputs;
  const airflow = await AirflowClient.login(airflowUrl, airflowUser, airflowPassword, signal);
  await awaitTables(airflow, reporter, signal);
  return runPipelines(airflow, runs, reporter, signal);
}

/** Reads every declared source's table through Trino. */
async function countTables(
  outputs: StackOutputs,
  sources: readonly Source[],
  loaded: readonly string[],
): Promise<Map<string, number>> {
  const { trinoUrl: url, trinoUser: user, trinoPassword: password, caCertificate: ca } = outputs;
  const count = async (table: string) => {
    const name = `iceberg.${table}`;
    const rows = await countRows({ url, user, password, ca }, name).catch((error: unknown) => {
      throw new UserError(
        `Trino could not read ${name}: ${messageOf(error)}`,
        "See npm run status and npm run logs -- trino, then run npm run up again.",
      );
    });
    if (rows === 0 && loaded.includes(table)) {
      throw new UserError(
        `${name} is empty although its pipeline has succeeded.`,
        "See what the pipeline wrote, on Airflow's page: rows read, rejected, inserted.",
      );
    }
    return [name, rows] as const;
  };
  return new Map(await Promise.all(sources.map(({ table }) => count(table))));
}

const fromProject = (file: string) => path.relative(projectFolder, file);

export const command: Command = {
  usage,
  afterInterrupt: "What was made so far is kept: npm run up goes on from here, npm run destroy removes it.",
  async run(args, context) {
    const { values } = readOptions(usage, args, {
      days: { type: "string", default: "few" },
      force: { type: "boolean", default: false },
    });
    const { days, force } = values;
    if (days !== "few" && days !== "all" && days !== "none") {
      throw new UserError(`--days is "${days}", expected few, all or none.`, usage);
    }
    const { changes, outputs, rows, phases } = await runUp({ ...context, days, force });
    await mkdir(toolFolder, { recursive: true });
    await writeFile(caFile(context.stack), outputs.caCertificate);
    const settings = await Settings.read(context.stack);
    console.log(
      `\n${summary({
        stack: context.stack,
        outputs,
        rows,
        caFile: caFile(context.stack),
        historyUrl: `http://localhost:${String(settings.get("sparkHistoryPort"))}`,
        times: phases.rows(),
      })}`,
    );
    const outcome =
      changes.length === 0
        ? "Nothing to change: the stack, the sample data and the tables are as they should be."
        : `Changed: ${changes.join(", ")}.`;
    console.log(`\n${outcome}`);
    for (const warning of warnings(authorityFacts(outputs.caCertificate), settings.ownCertificate))
      console.log(`\n${warning}`);
    return 0;
  },
};
