import { existsSync, readFileSync, statSync } from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { parse } from "yaml";
import { isObject } from "./kube-object";

/** Where a cluster is, as a kubeconfig has it. */
export interface ClusterEntry {
  server?: string;
  "certificate-authority"?: string;
  "certificate-authority-data"?: string;
  "insecure-skip-tls-verify"?: boolean;
  "tls-server-name"?: string;
  "proxy-url"?: string;
}

/** Who asks, as a kubeconfig has it. */
export interface UserEntry {
  "client-certificate"?: string;
  "client-certificate-data"?: string;
  "client-key"?: string;
  "client-key-data"?: string;
  token?: string;
  tokenFile?: string;
  username?: string;
  password?: string;
  as?: string;
  "as-groups"?: string[];
  exec?: ExecEntry;
  "auth-provider"?: { name?: string };
}

/** A command that answers with credentials. */
export interface ExecEntry {
  apiVersion?: string;
  command?: string;
  args?: string[] | null;
  env?: { name: string; value: string }[] | null;
  installHint?: string;
  provideClusterInfo?: boolean;
}

/** A kubeconfig, or several as one. Paths in it are absolute. */
export interface KubeConfig {
  currentContext: string;
  contexts: Map<string, { cluster?: string; user?: string; namespace?: string }>;
  clusters: Map<string, ClusterEntry>;
  users: Map<string, UserEntry>;
}

/** Of a kubeconfig, what leads to one cluster. */
export interface Access {
  context: string;
  namespace: string | undefined;
  cluster: ClusterEntry & { server: string };
  user: UserEntry;
}

const SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";

/** The kubeconfig given, by its content or its path; else the one that kubectl would use. */
export function readKubeConfig(given: string | undefined): KubeConfig {
  if (given !== undefined) {
    const isContent = given.includes("\n") || given.trimStart().startsWith("{");
    return isContent ? parseKubeConfig(given, process.cwd()) : readFiles(given);
  }
  const named = process.env["KUBECONFIG"];
  if (named) return readFiles(named);
  const usual = path.join(os.homedir(), ".kube/config");
  if (existsSync(usual)) return readFiles(usual);
  const host = process.env["KUBERNETES_SERVICE_HOST"];
  if (host !== undefined && existsSync(`${SERVICE_ACCOUNT}/token`)) return insideCluster(host);
  throw new Error("no kubeconfig found: set the provider's kubeconfig, or KUBECONFIG to the path of one");
}

/** What leads to the context's cluster, or to another cluster by name with the context's user. */
export function accessOf(config: KubeConfig, wanted: { context?: string; cluster?: string }): Access {
  const name = wanted.context ?? config.currentContext;
  const context = config.contexts.get(name);
  if (!context) throw new Error(missing("context", name, config.contexts));
  const clusterName = wanted.cluster ?? context.cluster ?? "";
  const cluster = config.clusters.get(clusterName);
  if (!cluster) throw new Error(missing("cluster", clusterName, config.clusters));
  const { server } = cluster;
  if (server === undefined) throw new Error(`the kubeconfig's cluster "${clusterName}" has no server`);
  if (cluster["proxy-url"] !== undefined)
    throw new Error(`the kubeconfig's cluster "${clusterName}": proxy-url is not supported by the stand-in`);
  const user = config.users.get(context.user ?? "") ?? {};
  if (user["auth-provider"] !== undefined)
    throw new Error(
      `the kubeconfig's user "${context.user ?? ""}": auth-provider is not supported by the stand-in; supported: ` +
        "a certificate, a token, tokenFile, exec, a user name with a password",
    );
  return { context: name, namespace: context.namespace, cluster: { ...cluster, server }, user };
}

/** @param folder what relative paths in it are relative to */
export function parseKubeConfig(text: string, folder: string): KubeConfig {
  const read: unknown = parse(text);
  if (!isObject(read))
    throw new Error("expected the content of a kubeconfig, or the path of one that exists");
  const current = read["current-context"];
  return {
    currentContext: typeof current === "string" ? current : "",
    contexts: named(read["contexts"], "context"),
    clusters: absolute(named(read["clusters"], "cluster"), ["certificate-authority"], folder),
    users: absolute(named(read["users"], "user"), ["client-certificate", "client-key", "tokenFile"], folder),
  };
}

/** One path, or several as in the environment: the first to name a thing has it. */
function readFiles(paths: string): KubeConfig {
  const files = paths
    .split(path.delimiter)
    .filter(Boolean)
    .map((file) => path.resolve(file.replace(/^~(?=\/|$)/, os.homedir())));
  const found = files.filter((file) => existsSync(file) && statSync(file).isFile());
  if (found.length === 0)
    throw new Error("expected the content of a kubeconfig, or the path of one that exists");
  const all = found.map((file) => parseKubeConfig(readFileSync(file, "utf8"), path.dirname(file)));
  const reversed = [...all].reverse();
  return {
    currentContext: all.find(({ currentContext }) => currentContext !== "")?.currentContext ?? "",
    contexts: new Map(reversed.flatMap(({ contexts }) => [...contexts])),
    clusters: new Map(reversed.flatMap(({ clusters }) => [...clusters])),
    users: new Map(reversed.flatMap(({ users }) => [...users])),
  };
}

/** For a program that runs in a pod. */
function insideCluster(host: string): KubeConfig {
  const port = process.env["KUBERNETES_SERVICE_PORT"] ?? "443";
  const name = "in-cluster";
  const namespace = readFileSync(`${SERVICE_ACCOUNT}/namespace`, "utf8").trim();
  const server = `https://${host.includes(":") ? `[${host}]` : host}:${port}`;
  return {
    currentContext: name,
    contexts: new Map([[name, { cluster: name, user: name, namespace }]]),
    clusters: new Map([[name, { server, "certificate-authority": `${SERVICE_ACCOUNT}/ca.crt` }]]),
    users: new Map([[name, { tokenFile: `${SERVICE_ACCOUNT}/token` }]]),
  };
}

/** A kubeconfig's list of `{name, KEY: …}`. */
function named<T extends object>(list: unknown, key: string): Map<string, T> {
  const items = Array.isArray(list) ? list.filter(isObject) : [];
  return new Map(items.map((item) => [String(item["name"]), (item[key] ?? {}) as T]));
}

function absolute<T extends object>(entries: Map<string, T>, keys: string[], folder: string): Map<string, T> {
  const resolved = [...entries].map(([name, entry]) => {
    const paths = Object.entries(entry)
      .filter(([key, value]) => keys.includes(key) && typeof value === "string" && value !== "")
      .map(([key, value]) => [key, path.resolve(folder, String(value))]);
    return [name, { ...entry, ...Object.fromEntries(paths) } as T] as const;
  });
  return new Map(resolved);
}

function missing(what: string, name: string, there: Map<string, unknown>): string {
  const names = [...there.keys()].join(", ") || "none";
  return name === ""
    ? `the kubeconfig names no current ${what}; it has: ${names}`
    : `the kubeconfig has no ${what} "${name}"; it has: ${names}`;
}
