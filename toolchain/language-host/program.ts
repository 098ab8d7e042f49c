import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import * as path from "node:path";
import type { JavaScriptValue } from "google-protobuf/google/protobuf/struct_pb";

/** What the engine says about the program it wants run. */
export interface ProgramRequest {
  engine: string;
  monitor: string;
  organization: string;
  project: string;
  stack: string;
  /** Where Pulumi.yaml is. */
  rootDirectory: string;
  /** Where the program is: its working directory. */
  directory: string;
  entryPoint: string;
  arguments: string[];
  dryRun: boolean;
  parallel: number;
  config: Record<string, string>;
  secretKeys: string[];
  /** `runtime.options` of Pulumi.yaml. */
  options: Record<string, JavaScriptValue>;
}

export interface ProgramRun {
  readonly ended: Promise<Outcome>;
  stop(): void;
}

export interface Outcome {
  /** What to tell the user; nothing when it went well or when the program has told them itself. */
  error?: string;
  /** The program failed, and has reported why. */
  reported: boolean;
}

/** The SDK's runner exits with this code when it has logged the reason for its failure. */
const exitAfterReporting = 32;

/** How long a program may take to end after it was asked to, in milliseconds. */
const stopGrace = 2000;

/** Starts the program under the SDK's runner. What it prints goes where the language host's own output goes. */
export function runProgram(request: ProgramRequest): ProgramRun {
  const runner = createRequire(path.join(request.directory, "package.json")).resolve(
    "@pulumi/pulumi/cmd/run",
  );
  const child = spawn(
    process.execPath,
    [...nodeArguments(request.options), runner, ...runnerArguments(request)],
    {
      cwd: request.directory,
      env: { ...process.env, ...runnerEnvironment(request) },
      stdio: ["ignore", "inherit", "inherit"],
    },
  );
  const ended = new Promise<Outcome>((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code, signal) => {
      if (code === 0) resolve({ reported: false });
      else if (code === exitAfterReporting) resolve({ reported: true });
      else if (signal) resolve({ error: `The program was ended by ${signal}.`, reported: false });
      else resolve({ error: `The program exited with code ${String(code)}.`, reported: false });
    });
  });
  const stop = () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGTERM");
    const insist = setTimeout(() => child.kill("SIGKILL"), stopGrace);
    child.on("exit", () => {
      clearTimeout(insist);
    });
  };
  return { ended, stop };
}

function runnerArguments(request: ProgramRequest): string[] {
  return [
    `--monitor=${request.monitor}`,
    `--engine=${request.engine}`,
    `--organization=${request.organization}`,
    `--project=${request.project}`,
    `--stack=${request.stack}`,
    `--root-directory=${request.rootDirectory}`,
    `--pwd=${request.directory}`,
    `--parallel=${request.parallel}`,
    ...(request.dryRun ? ["--dry-run"] : []),
    request.entryPoint,
    ...request.arguments,
  ];
}

function runnerEnvironment(request: ProgramRequest): NodeJS.ProcessEnv {
  const { typescript, tsconfig } = request.options;
  return {
    PULUMI_CONFIG: JSON.stringify(request.config),
    PULUMI_CONFIG_SECRET_KEYS: JSON.stringify(request.secretKeys),
    PULUMI_NODEJS_TYPESCRIPT: String(typescript !== false && typescript !== "false"),
    ...(typeof tsconfig === "string" ? { PULUMI_NODEJS_TSCONFIG_PATH: tsconfig } : {}),
  };
}

/** Node's own options, from the option `nodeargs`: split at spaces, except inside single or double quotes. */
export function nodeArguments(options: Record<string, JavaScriptValue>): string[] {
  const { nodeargs } = options;
  if (typeof nodeargs !== "string") return [];
  const words = nodeargs.match(/(?:"[^"]*"|'[^']*'|[^\s"'])+/g) ?? [];
  return words.map((word) => word.replace(/"([^"]*)"|'([^']*)'/g, "$1$2"));
}
