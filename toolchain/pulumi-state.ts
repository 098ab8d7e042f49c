import { randomBytes } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import * as os from "node:os";
import * as path from "node:path";
import { replaceFile } from "./cache";
import { UserError } from "./user-error";

/** The passphrase is gone, and with it every secret that was encrypted with it. */
export class PassphraseLost extends UserError {
  constructor(
    /** Where the passphrase should be. */
    readonly file: string,
    /** The stack files with secrets that only it opens. */
    readonly stackFiles: readonly string[],
  ) {
    super(
      `The passphrase is missing: there is no ${file}, but ${stackFiles.join(", ")} was encrypted with one. ` +
        "Without it the stack's passwords, and the secrets in its state, cannot be read.",
      [
        "If you have it (a backup, a colleague), put it back into that file, or set PULUMI_CONFIG_PASSPHRASE.",
        "If it is lost, start over: npm run destroy removes the stack with its data, and npm run up makes a new one.",
      ].join("\n"),
    );
  }
}

export interface StateFolders {
  /** The Pulumi project, with the stack files. */
  project: string;
  /** `.lakestack` in it. */
  tools: string;
}

/** The environment that tells Pulumi where its state is and how its secrets are encrypted. The user's own settings win. */
export async function stateEnvironment({ project, tools }: StateFolders): Promise<Record<string, string>> {
  return { ...(await backend(tools)), ...(await passphrase(project, tools)) };
}

/** The user's own Pulumi folder, with their login; never the one that we make. */
export function userPulumiHome(tools: string): string {
  const { PULUMI_HOME } = process.env;
  const own = PULUMI_HOME && !path.resolve(PULUMI_HOME).startsWith(tools + path.sep);
  return own ? PULUMI_HOME : path.join(os.homedir(), ".pulumi");
}

async function backend(tools: string): Promise<Record<string, string>> {
  const folder = path.join(tools, "state");
  const url = `file://${folder}`;
  const { PULUMI_BACKEND_URL, PULUMI_ACCESS_TOKEN } = process.env;
  if ((PULUMI_BACKEND_URL && PULUMI_BACKEND_URL !== url) || PULUMI_ACCESS_TOKEN) return {};
  if (isLoggedIn(tools)) return {};
  await mkdir(folder, { recursive: true });
  return { PULUMI_BACKEND_URL: url };
}

/** Whether `pulumi login` has chosen a backend. */
export function isLoggedIn(tools: string): boolean {
  const folder = process.env["PULUMI_CREDENTIALS_PATH"] ?? userPulumiHome(tools);
  const file = path.join(folder, "credentials.json");
  if (!existsSync(file)) return false;
  try {
    const { current } = JSON.parse(readFileSync(file, "utf8")) as { current?: string };
    return Boolean(current);
  } catch {
    return false;
  }
}

async function passphrase(project: string, tools: string): Promise<Record<string, string>> {
  const file = path.join(tools, "passphrase");
  const { PULUMI_CONFIG_PASSPHRASE, PULUMI_CONFIG_PASSPHRASE_FILE } = process.env;
  if (PULUMI_CONFIG_PASSPHRASE !== undefined) return {};
  if (PULUMI_CONFIG_PASSPHRASE_FILE && path.resolve(PULUMI_CONFIG_PASSPHRASE_FILE) !== file) return {};

  if (!existsSync(file)) {
    const encrypted = encryptedStackFiles(project);
    if (encrypted.length > 0) throw new PassphraseLost(file, encrypted);
    await replaceFile(file, async (temporary) => {
      await writeFile(temporary, randomBytes(32).toString("base64url"), { mode: 0o600 });
      await chmod(temporary, 0o600);
    });
  }
  return { PULUMI_CONFIG_PASSPHRASE_FILE: file };
}

/** Pulumi writes a salt into the file of a stack whose secrets are encrypted with a passphrase. */
function encryptedStackFiles(project: string): string[] {
  return readdirSync(project)
    .filter((name) => /^Pulumi\..+\.ya?ml$/.test(name))
    .filter((name) => /^encryptionsalt:/m.test(readFileSync(path.join(project, name), "utf8")));
}
