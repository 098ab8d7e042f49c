import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import * as os from "node:os";
import * as path from "node:path";
import { promisify } from "node:util";
import { ensurePulumi, projectFolder, terminalReporter } from "../../toolchain/index";

const run = promisify(execFile);

export interface ScratchOptions {
  /** What the plugin serves: its sources are in `toolchain/NAME-plugin`. */
  plugin: { name: string; version: string };
  /** A program in JavaScript. */
  program: string;
  env?: Record<string, string>;
}

/** A small Pulumi project with a stack, in a folder of its own, for the real engine and a plugin from its sources. */
export class ScratchProject {
  private constructor(
    readonly folder: string,
    private readonly env: NodeJS.ProcessEnv,
  ) {}

  static async make({ plugin, program, env = {} }: ScratchOptions): Promise<ScratchProject> {
    const tools = await ensurePulumi(terminalReporter());
    const folder = await mkdtemp(path.join(os.tmpdir(), `lakestack-${plugin.name}-`));
    const home = path.join(folder, "home");
    await installPlugin(path.join(home, "plugins"), plugin);
    await symlink(path.join(projectFolder, "node_modules"), path.join(folder, "node_modules"));
    await writeFile(path.join(folder, "package.json"), JSON.stringify({ name: "scratch", private: true }));
    await writeFile(
      path.join(folder, "Pulumi.yaml"),
      "name: scratch\nruntime: { name: nodejs, options: { typescript: false } }\n",
    );
    await writeFile(path.join(folder, "index.js"), program);
    const project = new ScratchProject(folder, {
      ...process.env,
      ...tools.env,
      PULUMI_HOME: home,
      PULUMI_BACKEND_URL: `file://${folder}`,
      PULUMI_CONFIG_PASSPHRASE: "test",
      PULUMI_CONFIG_PASSPHRASE_FILE: undefined,
      LAKESTACK_CACHE: path.join(folder, "cache"),
      ...env,
    });
    await project.pulumi("stack", "init", "test");
    return project;
  }

  /** @returns what it wrote. Fails with that, too. */
  async pulumi(...args: string[]): Promise<string> {
    try {
      const { stdout, stderr } = await run("pulumi", ["--non-interactive", ...args], {
        cwd: this.folder,
        env: this.env,
      });
      return stdout + stderr;
    } catch (error) {
      const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
      throw new Error(`pulumi ${args.join(" ")}\n${stdout}${stderr}`, { cause: error });
    }
  }

  up(...args: string[]): Promise<string> {
    return this.pulumi("up", "--yes", "--skip-preview", ...args);
  }

  refresh(...args: string[]): Promise<string> {
    return this.pulumi("refresh", "--yes", "--skip-preview", ...args);
  }

  remove(): Promise<void> {
    return rm(this.folder, { recursive: true, force: true });
  }
}

/** As the toolchain does it, but straight from the sources. */
async function installPlugin(folder: string, { name, version }: ScratchOptions["plugin"]): Promise<void> {
  const home = path.join(folder, `resource-${name}-v${version}`);
  const executable = path.join(home, `pulumi-resource-${name}`);
  const main = path.join(projectFolder, "toolchain", `${name}-plugin`, "main.ts");
  const tsx = path.join(projectFolder, "node_modules/tsx/dist/loader.mjs");
  await mkdir(home, { recursive: true });
  await writeFile(executable, `#!/bin/sh\nexec "${process.execPath}" --import "${tsx}" "${main}" "$@"\n`);
  await chmod(executable, 0o755);
  await writeFile(`${home}.lock`, "");
}
