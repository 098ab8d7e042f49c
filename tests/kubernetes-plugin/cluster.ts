import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import * as path from "node:path";
import { Cluster } from "../../toolchain/kubernetes-plugin/cluster";
import { readConfiguration } from "../../toolchain/kubernetes-plugin/configuration";
import type { KubeObject } from "../../toolchain/kubernetes-plugin/kube-object";
import { Objects } from "../../toolchain/kubernetes-plugin/objects";
import { toolFolder } from "../../toolchain/project";

/** Path of the kubeconfig of the cluster that the tests talk to: a real one, given or made here by `npm run cluster:up`. */
export const kubeconfig = process.env["LAKESTACK_KUBECONFIG"] ?? path.join(toolFolder, "cluster/kubeconfig");
if (!existsSync(kubeconfig))
  throw new Error(
    `These tests need a cluster, and there is no kubeconfig at ${kubeconfig}: make one by npm run cluster:up, or set LAKESTACK_KUBECONFIG`,
  );

/** Begins the name of everything that a run of these tests makes, so that runs beside each other do not meet. */
export const prefix = `plugin-test-${randomBytes(3).toString("hex")}`;

/** Of containers that do what a test tells them: a shell and some tools. Every node made here has this one. */
export const image = process.env["LAKESTACK_TEST_IMAGE"] ?? "lakestack.local/busybox:1";

/**
 * For a container that is to end before it is ready: without a probe it is taken for ready the moment that it runs, and
 * whoever waits for its pod may see that moment.
 */
export const readyLater = { exec: { command: ["true"] }, initialDelaySeconds: 5 };

export const cluster = new Cluster(readConfiguration({ kubeconfig }).access);
const objects = new Objects(cluster);
const never = new AbortController().signal;

/** What kubectl would do by hand, under a name of its own. */
export const byHand = {
  async get(
    apiVersion: string,
    kind: string,
    name: string,
    namespace?: string,
  ): Promise<KubeObject | undefined> {
    const [group = "", version] = apiVersion.split("/");
    const found = version === undefined ? { group: "", version: group, kind } : { group, version, kind };
    return objects.get(found, name, namespace, never);
  },

  async apply(object: KubeObject, manager = "by-hand"): Promise<KubeObject> {
    return objects.apply(object, { manager, force: true, signal: never });
  },

  /** Takes the finalizers away from an object of the core group. */
  async release(version: string, plural: string, name: string, namespace: string): Promise<void> {
    await cluster.json(`/api/${version}/namespaces/${namespace}/${plural}/${name}`, {
      method: "PATCH",
      contentType: "application/merge-patch+json",
      body: { metadata: { finalizers: null } },
      signal: never,
    });
  },

  async remove(object: KubeObject): Promise<void> {
    await objects.delete({}, await objects.pathOf(object, never), "Background", never);
  },
};

/** A namespace of the test's own. */
export async function makeNamespace(name: string): Promise<string> {
  await byHand.apply(namespaceObject(name));
  return name;
}

/** Removes what the tests made, whatever state they left it in. */
export async function removeAll(): Promise<void> {
  for (const root of ["/api/v1/namespaces", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"]) {
    const { items } = await cluster.json<{ items: KubeObject[] }>(root, { signal: never });
    for (const { metadata } of items) {
      const name = metadata?.name ?? "";
      if (!name.includes(prefix)) continue;
      await cluster.json(`${root}/${name}`, { method: "DELETE", signal: never }).catch(() => undefined);
    }
  }
}

function namespaceObject(name: string): KubeObject {
  return { apiVersion: "v1", kind: "Namespace", metadata: { name } };
}
