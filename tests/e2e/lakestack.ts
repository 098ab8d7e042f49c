import { inject } from "vitest";
import type { StackOutputs } from "../../commands/stack-outputs";
import type { SecretValues } from "../../infra/secrets";
import { expectSuccess, type Finished, type Running, start, type StartOptions } from "./processes";
import { stackName } from "./stack";

/** Somebody who can log in to Trino. */
export interface Login {
  name: string;
  password: string;
}

declare module "vitest" {
  // What the set-up hands to the tests.
  interface ProvidedContext {
    /** Environment in which npm's commands and pulumi work on the tests' stack. */
    environment: Record<string, string>;
    outputs: StackOutputs;
    /** Users whom the configuration declares before the stack is up. */
    people: { analyst: Login; etl: Login };
    /** Image with a Java compiler, the JDBC driver and trino-cli. */
    checksImage: string;
    /** Image of an OpenID Connect server. */
    keycloakImage: string;
  }
}

/** The stack's outputs. They stay the same as long as the stack lives. */
export const outputs = inject("outputs");

const environment = { ...process.env, ...inject("environment") };

function startNpm(command: string, args: readonly string[], options: StartOptions): Running {
  return start("npm", ["run", "-s", command, "--", ...args], {
    ...options,
    env: { ...environment, ...options.env },
  });
}

/** Starts one of the project's commands, for example `npm run up`. */
export const startCommand = (command: string, ...args: string[]) => startNpm(command, args, {});

/** Runs one to its end, whatever that is. */
export const command = (
  name: string,
  args: readonly string[] = [],
  options: StartOptions = {},
): Promise<Finished> => startNpm(name, args, options).finished;

/** Runs one that has to succeed. */
export async function npmRun(name: string, ...args: string[]): Promise<Finished> {
  return expectSuccess(`npm run ${name}`, await command(name, args));
}

/** Starts pulumi on the tests' stack, as one who types it would. */
export function startPulumi(...args: string[]): Running {
  return start("pulumi", [...args, "--stack", stackName, "--non-interactive", "--color", "never"], {
    env: environment,
  });
}

/** Runs pulumi; it has to succeed. */
export async function pulumi(...args: string[]): Promise<Finished> {
  return expectSuccess(`pulumi ${args.join(" ")}`, await startPulumi(...args).finished);
}

/** The generated secrets, as the stack's configuration has them. */
export async function keptSecrets(): Promise<SecretValues> {
  return JSON.parse((await pulumi("config", "get", "secrets")).stdout) as SecretValues;
}

/** Runs a line of shell that has to succeed, with nothing but the stack's name and state in its environment. */
export async function shell(line: string): Promise<Finished> {
  return expectSuccess(line, await start("/bin/sh", ["-c", line], { env: environment }).finished);
}

/** How many resources the latest update, refresh or destroy left as they were or changed, by kind of change. */
export async function latestChanges(): Promise<Record<string, number>> {
  const { stdout } = await pulumi("stack", "history", "--json", "--page-size", "1");
  const [latest] = JSON.parse(stdout) as { resourceChanges?: Record<string, number> }[];
  return latest?.resourceChanges ?? {};
}
