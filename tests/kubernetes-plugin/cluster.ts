import { randomBytes } from "node:crypto";
import { Cluster } from "../../toolchain/kubernetes-plugin/cluster";
import { readConfiguration } from "../../toolchain/kubernetes-plugin/configuration";
import type { KubeObject } from "../../toolchain/kubernetes-plugin/kube-object";
import { Objects } from "../../toolchain/kubernetes-plugin/objects";

/** Path of the kubeconfig of the cluster that the tests talk to: a real one. */
export const kubeconfig = process.env["LAKESTACK_KUBECONFIG"] ?? "";
if (kubeconfig === "")
  throw new Error("These tests need a cluster: set LAKESTACK_KUBECONFIG to its kubeconfig's path");

/** Begins the name of everything that a run of these tests makes, so that runs beside each other do not meet. */
export const prefix = `plugin-test-${randomBytes(3).toString("hex")}`;

/** Of containers that do what a test tells them: a shell and some tools. Every node made here has this one. */
export const image = process.env["LAKESTACK_TEST_IMAGE"] ?? "lakestack.local/busybox:1";

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
