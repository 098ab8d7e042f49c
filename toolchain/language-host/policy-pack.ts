import { type ChildProcess, spawn } from "node:child_process";
import { createRequire } from "node:module";
import * as path from "node:path";
import type { JavaScriptValue } from "google-protobuf/google/protobuf/struct_pb";
import { nodeArguments } from "./program";

/** What the engine says about the policy pack it wants run. */
export interface PolicyPackRequest {
  /** Where PulumiPolicy.yaml is. */
  directory: string;
  /** Where it is to be run: the program's folder. */
  workingDirectory: string;
  /** The engine's address. */
  arguments: string[];
  /** Variables, each as NAME=VALUE. */
  environment: string[];
  /** `runtime.options` of PulumiPolicy.yaml. */
  options: Record<string, JavaScriptValue>;
}

/**
 * Starts a policy pack under the SDK's runner, which prints the port that it listens on. It ends when it is killed.
 */
export function startPolicyPack(request: PolicyPackRequest): ChildProcess {
  const runner = createRequire(path.join(request.directory, "package.json")).resolve(
    "@pulumi/pulumi/cmd/run-policy-pack",
  );
  return spawn(
    process.execPath,
    [...nodeArguments(request.options), runner, ...request.arguments, request.directory],
    {
      cwd: request.workingDirectory,
      env: { ...process.env, ...variables(request.environment) },
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
}

function variables(environment: string[]): Record<string, string> {
  const pairs = environment.map((pair) => {
    const end = pair.indexOf("=");
    return [pair.slice(0, end), pair.slice(end + 1)];
  });
  return Object.fromEntries(pairs) as Record<string, string>;
}
