import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import * as path from "node:path";

export interface InstallOutput {
  stdout(chunk: Uint8Array): void;
  stderr(chunk: Uint8Array): void;
}

/** Installs a program's packages: exactly those of its lock file where it has one. */
export async function installDependencies(programFolder: string, output: InstallOutput): Promise<void> {
  const folder = projectOf(programFolder);
  const command = existsSync(path.join(folder, "package-lock.json")) ? "ci" : "install";
  const npm = spawn("npm", [command, "--no-audit", "--no-fund"], {
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe"],
  });
  npm.stdout.on("data", (chunk: Uint8Array) => {
    output.stdout(chunk);
  });
  npm.stderr.on("data", (chunk: Uint8Array) => {
    output.stderr(chunk);
  });
  await new Promise<void>((resolve, reject) => {
    npm.on("error", reject);
    npm.on("close", (code, signal) => {
      if (code === 0) resolve();
      else reject(new Error(`npm ${command} in ${folder} failed (${signal ?? `exit code ${String(code)}`})`));
    });
  });
}

/** The program may be in a folder below the one with package.json. */
function projectOf(folder: string): string {
  const parent = path.dirname(folder);
  return existsSync(path.join(folder, "package.json")) || parent === folder ? folder : projectOf(parent);
}
