import * as path from "node:path";
import type { Reporter } from "../progress";
import { run } from "../run";
import { UserError } from "../user-error";
import type { Cluster } from "./index";
import { currentContext, kubeconfigFile } from "./kubeconfig";
import type { LoadedImages } from "./load-images";
import type { ClusterSettings } from "./settings";

/** kind's name for the cluster; its context is called `kind-lakestack`. */
const kindName = "lakestack";

/** How long kind may take to answer a question, in milliseconds. */
const answerLimit = 20_000;

/** A cluster that is not made here: the user's own, or kind's where kind is installed. Undefined if there is none. */
export async function findForeign(
  settings: ClusterSettings,
  reporter: Reporter,
): Promise<Cluster | undefined> {
  if (settings.kubeconfig !== undefined) {
    const kubeconfig = path.resolve(settings.kubeconfig);
    const context = await currentContext(kubeconfig);
    return { name: context, origin: "given", kubeconfig, context, ports: [] };
  }
  if (settings.kind === "own") return undefined;
  const clusters = await kindClusters();
  if (clusters !== undefined) return kindCluster(clusters, reporter);
  if (settings.kind !== "kind") return undefined;
  throw new UserError(
    "LAKESTACK_CLUSTER is kind, but kind is not on the PATH.",
    "Install it, or unset LAKESTACK_CLUSTER to use a cluster of Lakestack's own.",
  );
}

/** Undefined where kind is not installed. */
async function kindClusters(): Promise<string[] | undefined> {
  try {
    const output = await run("kind", ["get", "clusters"], { limit: answerLimit });
    return output.split("\n").map((line) => line.trim());
  } catch {
    return undefined;
  }
}

async function kindCluster(clusters: readonly string[], reporter: Reporter): Promise<Cluster> {
  const kubeconfig = kubeconfigFile(`kind-${kindName}`);
  if (!clusters.includes(kindName)) {
    const task = reporter.task("Cluster of kind");
    await run("kind", ["create", "cluster", "--name", kindName, "--wait", "5m", "--kubeconfig", kubeconfig], {
      task,
    }).catch((error: unknown) => {
      task.fail("could not be made");
      throw error;
    });
    task.done("made");
  }
  await run("kind", ["export", "kubeconfig", "--name", kindName, "--kubeconfig", kubeconfig]);
  return { name: kindName, origin: "kind", kubeconfig, context: `kind-${kindName}`, ports: [] };
}

export async function loadIntoKind(
  name: string,
  references: readonly string[],
  reporter: Reporter,
): Promise<LoadedImages> {
  const task = reporter.task("Images into kind");
  await run("kind", ["load", "docker-image", "--name", name, ...references], { task }).catch(
    (error: unknown) => {
      task.fail("failed");
      throw error;
    },
  );
  task.done(`${references.length} images`);
  return { loaded: [...references], present: [] };
}

/** @returns false if there was none. */
export async function removeKind(reporter: Reporter): Promise<boolean> {
  if (!(await kindClusters())?.includes(kindName)) return false;
  const task = reporter.task("Cluster of kind");
  await run("kind", ["delete", "cluster", "--name", kindName], { task });
  task.done("removed");
  return true;
}

