import { readFile, writeFile } from "node:fs/promises";
import * as path from "node:path";
import { parse, stringify } from "yaml";
import { replaceFile } from "../cache";
import { toolFolder } from "../project";
import { UserError } from "../user-error";

/** The parts of a kubeconfig that are read or changed here. */
interface Kubeconfig {
  "current-context"?: string;
  clusters?: { name: string; cluster: { server: string } }[];
  contexts?: { name: string; context: { cluster: string; user: string } }[];
  users?: { name: string }[];
}

/** Where the kubeconfig of a cluster made here is kept. */
export function kubeconfigFile(cluster: string): string {
  const file = cluster === "lakestack-cluster" ? "kubeconfig" : `${cluster}.kubeconfig`;
  return path.join(toolFolder, "cluster", file);
}

/**
 * The node's own kubeconfig as it serves from outside: the published port, and names that tell clusters apart where a
 * user merges it with others.
 */
export function outsideKubeconfig(inside: string, cluster: string, apiPort: number): string {
  const config = parse(inside) as Kubeconfig;
  for (const each of config.clusters ?? []) {
    each.name = cluster;
    each.cluster.server = `https://127.0.0.1:${apiPort}`;
  }
  for (const each of config.users ?? []) each.name = cluster;
  for (const each of config.contexts ?? []) {
    each.name = cluster;
    each.context = { ...each.context, cluster, user: cluster };
  }
  config["current-context"] = cluster;
  return stringify(config);
}

/** Writes it so that nobody else can read it: who has it, has the cluster. */
export async function writeKubeconfig(file: string, content: string): Promise<void> {
  await replaceFile(file, (temporary) => writeFile(temporary, content, { mode: 0o600 }));
}

/** The context that a kubeconfig of the user's chooses. */
export async function currentContext(file: string): Promise<string> {
  const content = await readFile(file, "utf8").catch((error: unknown) => {
    throw new UserError(
      `The kubeconfig ${file}, which LAKESTACK_KUBECONFIG names, can't be read.`,
      "Correct the path, or unset LAKESTACK_KUBECONFIG to use a cluster of Lakestack's own.",
      { cause: error },
    );
  });
  const context = (parse(content) as Kubeconfig | null)?.["current-context"];
  if (!context) {
    throw new UserError(
      `The kubeconfig ${file} chooses no context.`,
      `Choose one: kubectl --kubeconfig ${file} config use-context NAME`,
    );
  }
  return context;
}
