import * as path from "node:path";

/** The folder of the Pulumi project, wherever the commands were started from. */
export const projectFolder = path.resolve(__dirname, "..");

/** What the toolchain makes inside the project: git-ignored, and safe to delete but for `state/` and `passphrase`. */
export const toolFolder = path.join(projectFolder, ".lakestack");
