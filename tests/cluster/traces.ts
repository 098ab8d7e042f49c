import { rm } from "node:fs/promises";
import * as path from "node:path";
import { projectFolder, toolFolder } from "../../toolchain/project";

/** The tests' own stack on the cluster. */
export const stackName = "cluster";

export const configFile = path.join(projectFolder, `Pulumi.${stackName}.yaml`);
export const stateFolder = path.join(toolFolder, "cluster-state");
export const passphraseFile = path.join(toolFolder, "cluster-passphrase");

/** Forgets the stack, once its cluster is gone: nothing of it is left on this machine. */
export async function forgetStack(): Promise<void> {
  for (const trace of [stateFolder, passphraseFile, configFile])
    await rm(trace, { recursive: true, force: true });
}
