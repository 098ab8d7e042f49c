import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import * as path from "node:path";
import { createInterface } from "node:readline";
import type { EngineEvent } from "@pulumi/pulumi/automation";
import { projectFolder, toolFolder, UserError } from "../toolchain/index";
import { type Address, lockHolders } from "./pulumi-lock";

/** A resource as the state has it. */
export interface StateResource {
  urn: string;
  type: string;
  id?: string;
}

/** What `pulumi stack export` tells, as far as it is looked at here. */
export interface State {
  resources: StateResource[];
  pendingOperations: { type: string; resource: StateResource }[];
}

export type Outputs = Record<string, unknown>;

/** The pulumi command ended with an error. */
export class PulumiError extends Error {
  override readonly name = "PulumiError";

  constructor(
    message: string,
    /** Everything that the command wrote. */
    readonly output: string,
  ) {
    super(message);
  }
}

interface Finished {
  code: number;
  stdout: string;
  stderr: string;
}

/** The pulumi command, on one stack. */
export class PulumiCli {
  private readonly env: NodeJS.ProcessEnv;

  constructor(
    readonly stack: string,
    toolEnv: Readonly<Record<string, string>>,
    private readonly signal: AbortSignal,
  ) {
    this.env = { ...process.env, ...toolEnv };
  }

  /** The stack's state, or undefined if there is no such stack. */
  async state(): Promise<State | undefined> {
    const { code, stdout, stderr } = await this.run(["stack", "export"]);
    if (code !== 0) {
      if (/no stack named/.test(stderr)) return undefined;
      throw this.failure("stack export", stdout + stderr);
    }
    const { deployment } = JSON.parse(stdout) as {
      deployment: { resources?: StateResource[]; pending_operations?: State["pendingOperations"] };
    };
    return {
      resources: deployment.resources ?? [],
      pendingOperations: deployment.pending_operations ?? [],
    };
  }

  /** Makes the stack. It becomes the one that `pulumi up` takes as typed only where it is the default one. */
  async create(): Promise<void> {
    const selection = this.stack === "dev" ? [] : ["--no-select"];
    await this.expect(["stack", "init", ...selection]);
  }

  async outputs(): Promise<Outputs> {
    const args = ["stack", "output", "--json", "--show-secrets"];
    return JSON.parse(await this.expect(args)) as Outputs;
  }

  /** A value of the configuration, decrypted; undefined if it is not set. */
  async config(key: string): Promise<string | undefined> {
    const { code, stdout, stderr } = await this.run(["config", "get", key]);
    if (code === 0) return stdout;
    if (/not found/.test(stderr)) return undefined;
    throw this.failure("config get", stdout + stderr);
  }

  /** Keeps a secret in the configuration, encrypted. It travels by standard input: arguments show in every process list. */
  async setSecret(key: string, value: string): Promise<void> {
    await this.expect(["config", "set", "--secret", key], value);
  }

  /** Sets a plain value of the configuration, inside of an object if the path says so: `users["ann"]`. */
  async setConfig(path: string, value: string): Promise<void> {
    await this.expect(["config", "set", "--path", path, value]);
  }

  async removeConfig(path: string): Promise<void> {
    await this.expect(["config", "rm", "--path", path]);
  }

  /** Forgets the stack, but not its configuration. */
  async removeStack(): Promise<void> {
    await this.expect(["stack", "rm", "--yes", "--force", "--preserve-config"]);
  }

  /** Takes away the lock that a process left behind. */
  async unlock(): Promise<void> {
    await this.expect(["cancel", "--yes"]);
  }

  /**
   * Runs `up`, `refresh` or `destroy`, handing on the engine's events as they come. Ctrl-C is passed to the engine
   * once, and it is waited for: it finishes what it has begun, and the state is right.
   *
   * @throws PulumiError with what the command wrote.
   */
  async deploy(
    verb: "up" | "refresh" | "destroy",
    args: readonly string[],
    onEvent: (event: EngineEvent) => void,
  ): Promise<void> {
    this.signal.throwIfAborted();
    const child = this.start([verb, ...args, ...this.common, "--yes", "--skip-preview", "--json"]);
    const interrupt = () => child.kill("SIGINT");
    this.signal.addEventListener("abort", interrupt);
    // A second Ctrl-C ends this process: the engine is told again, and stops at once.
    process.once("exit", interrupt);
    const log: string[] = [];
    try {
      const { code, stderr } = await completion(child, (line) => {
        // What is no event is a message from before the engine began.
        const event = line.startsWith("{") ? (JSON.parse(line) as EngineEvent) : undefined;
        const text = event === undefined ? line : logLine(event);
        if (text !== undefined) log.push(text);
        if (event !== undefined) onEvent(event);
      });
      if (stderr !== "") log.push(stderr);
      await this.keepLog(verb, log);
      if (code === 0) return;
      this.signal.throwIfAborted();
      throw this.failure(verb, log.join("\n"));
    } finally {
      process.removeListener("exit", interrupt);
      this.signal.removeEventListener("abort", interrupt);
    }
  }

  private get common(): string[] {
    return ["--stack", this.stack, "--non-interactive", "--color", "never"];
  }

  private async run(args: readonly string[], input?: string): Promise<Finished> {
    const lines: string[] = [];
    const child = this.start([...args, ...this.common], input === undefined ? "ignore" : "pipe");
    child.stdin?.end(input);
    const { code, stderr } = await completion(child, (line) => {
      lines.push(line);
    });
    return { code, stdout: lines.join("\n"), stderr };
  }

  private async expect(args: readonly string[], input?: string): Promise<string> {
    const { code, stdout, stderr } = await this.run(args, input);
    if (code !== 0) throw this.failure(args.slice(0, 2).join(" "), stdout + stderr);
    return stdout;
  }

  /** In a process group of its own, so that the terminal's Ctrl-C reaches it once, from here. */
  private start(args: readonly string[], stdin: "ignore" | "pipe" = "ignore"): ChildProcess {
    return spawn("pulumi", args, {
      cwd: projectFolder,
      env: this.env,
      detached: true,
      stdio: [stdin, "pipe", "pipe"],
    });
  }

  /** What the last run did and said, for questions that the summary leaves open. */
  private async keepLog(verb: string, lines: readonly string[]): Promise<void> {
    const file = logFile(this.stack, verb);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, `${lines.join("\n")}\n`, { mode: 0o600 });
  }

  /** Turns what people can mend into a message that says how. */
  private failure(what: string, output: string): Error {
    const holders = lockHolders(output);
    if (holders.length > 0) return new StackLocked(this.stack, holders);
    if (/incorrect passphrase|passphrase must be set|PULUMI_CONFIG_PASSPHRASE/.test(output)) {
      return new PassphraseRefused(this.stack);
    }
    return new PulumiError(`pulumi ${what} of stack ${this.stack} failed: ${lastLines(output)}`, output);
  }
}

/** Another pulumi works on the stack, or one did and died. */
export class StackLocked extends UserError {
  constructor(
    stack: string,
    readonly holders: readonly Address[],
  ) {
    const who = holders.map(({ user, host, pid }) => `process ${pid} of ${user} on ${host}`).join(", ");
    super(
      `Stack ${stack} is being worked on by ${who}.`,
      "Wait until it has ended and run the command again. If it is not running any more: pulumi cancel",
    );
  }
}

/** The stack's secrets can't be read. */
export class PassphraseRefused extends UserError {
  constructor(stack: string) {
    super(
      `The passphrase of stack ${stack} is missing or is not the one that its secrets were encrypted with.`,
      [
        "If you have it, put it into .lakestack/passphrase (or set PULUMI_CONFIG_PASSPHRASE) and run the command again.",
        "If it is lost, the stack's passwords and state are lost with it: npm run destroy removes the stack and its",
        "data all the same, and npm run up then starts anew.",
      ].join("\n"),
    );
  }
}

/** Where the full output of the last such run is kept. */
export function logFile(stack: string, verb: string): string {
  return path.join(toolFolder, "logs", `${stack}-${verb}.log`);
}

function lastLines(output: string): string {
  const lines = output.trim().split("\n").slice(-12);
  return lines.join("\n").replace(/^error: /, "");
}

/** One line of the log. Debugging messages are left out: they show values that are secret. */
function logLine({ resourcePreEvent, diagnosticEvent, stdoutEvent }: EngineEvent): string | undefined {
  if (resourcePreEvent) {
    const { op, urn } = resourcePreEvent.metadata;
    return `${op} ${urn}`;
  }
  if (stdoutEvent) return stdoutEvent.message.trim();
  if (!diagnosticEvent || (diagnosticEvent.severity as string) === "debug") return undefined;
  const { urn = "", prefix = "", message } = diagnosticEvent;
  return `${urn} ${prefix}${message.trim()}`.trim();
}

async function completion(
  child: ChildProcess,
  onLine: (line: string) => void,
): Promise<{ code: number; stderr: string }> {
  let stderr = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const code = new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (exitCode) => {
      resolve(exitCode ?? 1);
    });
  });
  if (child.stdout) {
    for await (const line of createInterface({ input: child.stdout })) onLine(line);
  }
  return { code: await code, stderr };
}
