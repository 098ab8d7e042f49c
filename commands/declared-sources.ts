import * as path from "node:path";
import type { Source } from "../infra/sources";
import { projectFolder } from "../toolchain/index";
import { Settings } from "./settings";

/** The sources that the stack's configuration names. Loaded late: the reader brings the whole SDK with it. */
export async function declaredSources(stack: string): Promise<Source[]> {
  const [{ loadSources }, settings] = await Promise.all([
    import("../infra/sources.js"),
    Settings.read(stack),
  ]);
  return loadSources(path.join(projectFolder, String(settings.get("sourcesFile"))));
}
