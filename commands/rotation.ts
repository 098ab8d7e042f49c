import { documentKey, rotationKey } from "../infra/secret-keys";
import type { Context } from "./command";
import { carrierOf, updateStack } from "./live-files";
import type { PulumiCli } from "./pulumi-cli";
import type { Settings } from "./settings";

/** Whether new values of secrets are on their way into the stack: their key shows in its configuration file. */
export const isRotating = (settings: Pick<Settings, "get">) => settings.get(rotationKey) !== undefined;

/** What is asked of the stack's configuration and state. */
export type RotatingStack = Pick<PulumiCli, "config" | "setSecret" | "removeConfig" | "state">;

/**
 * Makes the values that a rotation has brought in the stack's secrets. For after an `up` that has succeeded: everybody has
 * taken them, and Airflow's database is encrypted with its new key. The old values end here.
 *
 * Interrupted anywhere, it can be done again.
 *
 * @returns the resource that still carries Airflow's old Fernet key, if one does.
 */
export async function keepRotated(stack: RotatingStack): Promise<string | undefined> {
  const [known, pending] = await Promise.all([stack.config(documentKey), stack.config(rotationKey)]);
  if (known === undefined || pending === undefined) return undefined;
  const values = JSON.parse(pending) as Record<string, string>;
  const secrets = { ...(JSON.parse(known) as Record<string, string>), ...values };
  await stack.setSecret(documentKey, JSON.stringify(secrets));
  await stack.removeConfig(rotationKey);
  const state = values["airflowFernetKey"] === undefined ? undefined : await stack.state();
  return state && carrierOf(state, "airflow-api")?.urn;
}

/** Ends a rotation whose values an `up` has just brought everywhere. */
export async function endRotation(cli: PulumiCli, context: Context): Promise<void> {
  const carrier = await keepRotated(cli);
  if (carrier !== undefined)
    await updateStack(cli, "Taking the old Fernet key away", ["--target", carrier], context);
}
