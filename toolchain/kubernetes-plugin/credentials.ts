import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import type { RequestOptions } from "node:https";
import { promisify } from "node:util";
import type { Access, ClusterEntry, ExecEntry, UserEntry } from "./kubeconfig";

/** How long what a file or a command has given is used if it does not say itself. */
const USUAL_MS = 60_000;
/** Used up a little before its time, so that none ends on its way. */
const MARGIN_MS = 30_000;
const COMMAND_MS = 60_000;

const run = promisify(execFile);

/** What shows the API server who asks, and us that it is the API server. */
export interface Credentials {
  options: RequestOptions;
  headers: Record<string, string | string[]>;
  /** Milliseconds since 1970. */
  expires: number;
}

/** There are no credentials to ask the API server with. */
export class CredentialsError extends Error {
  override readonly name = "CredentialsError";
}

interface ExecCredential {
  status?: {
    token?: string;
    clientCertificateData?: string;
    clientKeyData?: string;
    expirationTimestamp?: string;
  };
}

export async function credentialsOf({ cluster, user }: Access): Promise<Credentials> {
  const given = user.exec ? await askCommand(user.exec, cluster) : {};
  const token = given.status?.token ?? tokenOf(user);
  const expiration = given.status?.expirationTimestamp;
  return {
    options: {
      ...serverOptions(cluster),
      cert: given.status?.clientCertificateData ?? content(user, "client-certificate"),
      key: given.status?.clientKeyData ?? content(user, "client-key"),
    },
    headers: { ...authorization(token, user), ...impersonation(user) },
    expires: expiration === undefined ? Date.now() + USUAL_MS : Date.parse(expiration) - MARGIN_MS,
  };
}

function serverOptions(cluster: ClusterEntry): RequestOptions {
  const ca = content(cluster, "certificate-authority");
  return {
    ...(ca && { ca }),
    ...(cluster["insecure-skip-tls-verify"] && { rejectUnauthorized: false }),
    ...(cluster["tls-server-name"] !== undefined && { servername: cluster["tls-server-name"] }),
  };
}

/** The value of `KEY-data`, else the content of the file that `KEY` names. */
function content<K extends string>(
  entry: Partial<Record<K | `${K}-data`, unknown>>,
  key: K,
): Buffer | undefined {
  const data: unknown = entry[`${key}-data`];
  if (typeof data === "string" && data !== "") return Buffer.from(data, "base64");
  const file: unknown = entry[key];
  return typeof file === "string" && file !== "" ? readFileSync(file) : undefined;
}

function tokenOf(user: UserEntry): string | undefined {
  // As kubectl has it, the file goes before the token: it is renewed.
  return user.tokenFile ? readFileSync(user.tokenFile, "utf8").trim() : user.token;
}

function authorization(token: string | undefined, user: UserEntry): Record<string, string> {
  if (token) return { Authorization: `Bearer ${token}` };
  if (user.username === undefined) return {};
  const pair = Buffer.from(`${user.username}:${user.password ?? ""}`).toString("base64");
  return { Authorization: `Basic ${pair}` };
}

function impersonation(user: UserEntry): Record<string, string | string[]> {
  if (user.as === undefined) return {};
  return { "Impersonate-User": user.as, "Impersonate-Group": user["as-groups"] ?? [] };
}

/** Credentials by the protocol of `client.authentication.k8s.io`, as cloud providers' kubeconfigs have it. */
async function askCommand(exec: ExecEntry, cluster: ClusterEntry): Promise<ExecCredential> {
  const { command = "", args, env, installHint } = exec;
  const info = {
    apiVersion: exec.apiVersion ?? "client.authentication.k8s.io/v1",
    kind: "ExecCredential",
    spec: {
      interactive: false,
      ...(exec.provideClusterInfo && {
        cluster: {
          server: cluster.server,
          "certificate-authority-data": content(cluster, "certificate-authority")?.toString("base64"),
        },
      }),
    },
  };
  const more = Object.fromEntries((env ?? []).map(({ name, value }) => [name, value]));
  try {
    const { stdout } = await run(command, args ?? [], {
      env: { ...process.env, ...more, KUBERNETES_EXEC_INFO: JSON.stringify(info) },
      timeout: COMMAND_MS,
    });
    return JSON.parse(stdout) as ExecCredential;
  } catch (error) {
    const { stderr } = error as { stderr?: string };
    const said = stderr?.trim() || (error instanceof Error ? error.message : String(error));
    throw new CredentialsError(
      `The kubeconfig's command for credentials (${command}) failed: ${said}${installHint ? `\n${installHint}` : ""}`,
      { cause: error },
    );
  }
}
