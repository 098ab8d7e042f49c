import type { Found } from "../../toolchain/docker-plugin/container/engine-types";
import { inspect } from "../../toolchain/docker-plugin/container/engine-types";
import type { Values } from "../../toolchain/plugin-protocol/provider";
import { docker, prefix } from "./engine";
import type { Harness, Kept } from "./provider-subject";
import { CONTAINER } from "./provider-subject";

export const stackLabel = { label: "lakestack.stack", value: prefix };

let made = 0;

/** Inputs of a container that sleeps, with a name of its own and the changes given. */
export function sleeper(image: string, changes: Values = {}): Values {
  const name = `${prefix}-container-${++made}`;
  return { name, image, command: ["sleep", "600"], labels: [stackLabel], ...changes };
}

/** What the engine shows of it. */
export function found(kept: Kept): Promise<Found> {
  return inspect(docker.getContainer(kept.id));
}

/** Runs a shell command in a container to its end and returns what it printed. */
export async function printed(
  harness: Harness,
  image: string,
  command: string,
  changes: Values = {},
): Promise<string> {
  const once = { command: ["sh", "-c", command], mustRun: false, attach: true, logs: true };
  const { outputs } = await harness.create(CONTAINER, sleeper(image, { ...once, ...changes }));
  return String(outputs["containerLogs"]).trim();
}
