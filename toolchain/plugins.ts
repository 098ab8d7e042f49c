import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import * as path from "node:path";
import type { Reporter } from "./progress";
import { toolFolder } from "./project";
import { CommandFailed, run } from "./run";
import { installStandIn, pluginStandIns, pluginState, pluginVersion, type PluginStandIn } from "./stand-ins";

/** The Pulumi folder that we make: with the official plugins, or with our stand-ins for them. */
export const ownPulumiHome = path.join(toolFolder, "pulumi-home");

/** Notes that the official plugins were asked for in vain, so that not every command asks again. */
const refusalNote = path.join(ownPulumiHome, "plugins", ".no-official-plugins");

/** How long Pulumi may try to download a plugin, in milliseconds. */
const downloadLimit = 120_000;

/** For an engine that we have built, on a network that has no official plugins either. */
export async function installStandIns(): Promise<void> {
  await Promise.all(pluginStandIns.map((standIn) => installStandIn(standIn, ownPulumiHome)));
}

/**
 * For an official Pulumi: gets the official plugins that every stack uses into its folder; where one cannot be had, all
 * stand-ins into ours. It is not tried again until `.lakestack/pulumi-home/plugins` is removed.
 *
 * @param home the folder to use: the user's own, or ours.
 * @returns the folder that has the plugins.
 */
export async function ensurePlugins(reporter: Reporter, pulumi: string, home: string): Promise<string> {
  const missing = pluginStandIns.filter(
    (standIn) => !standIn.whenUsed && pluginState(standIn, home) !== "official",
  );
  if (missing.length === 0) return home;
  if (!existsSync(refusalNote) && (await downloadAll(reporter, pulumi, missing, home))) return home;
  await installStandIns();
  await writeFile(refusalNote, "");
  return ownPulumiHome;
}

async function downloadAll(
  reporter: Reporter,
  pulumi: string,
  plugins: readonly PluginStandIn[],
  home: string,
): Promise<boolean> {
  const task = reporter.task("Pulumi plugins");
  const env = { ...process.env, PULUMI_HOME: home, PULUMI_SKIP_UPDATE_CHECK: "true" };
  try {
    for (const plugin of plugins) {
      const version = pluginVersion(plugin);
      task.update(`downloading ${plugin.name} ${version}`);
      await run(pulumi, ["plugin", "install", "resource", plugin.name, version], {
        task,
        env,
        limit: downloadLimit,
      });
    }
    task.done();
    return true;
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error;
    task.done("no official download: using the project's own stand-in");
    return false;
  }
}
