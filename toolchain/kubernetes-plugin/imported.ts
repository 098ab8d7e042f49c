import type { Values } from "../plugin-protocol/provider";
import type { KubeObject } from "./kube-object";
import { isObject, omit } from "./kube-object";

/** What the API server and its controllers write, which no program would. */
const NOISE: Record<string, string[]> = {
  metadata: ["creationTimestamp", "generation", "managedFields", "ownerReferences", "resourceVersion", "uid"],
  "metadata.annotations": [
    "deployment.kubernetes.io/revision",
    "deprecated.daemonset.template.generation",
    "kubectl.kubernetes.io/last-applied-configuration",
    "pv.kubernetes.io/bind-completed",
    "pv.kubernetes.io/bound-by-controller",
  ],
  "metadata.labels": ["kubernetes.io/metadata.name"],
  spec: ["clusterIPs", "nodeName", "volumeName"],
};

/** The inputs of an object that somebody else has made, for a program that is to have it from now on. */
export function importedInputs(live: KubeObject): Values {
  const inputs = Object.fromEntries(
    Object.entries(omit(live, "status")).map(([name, value]) => [name, withoutNoise(name, value)]),
  );
  const spec = inputs["spec"];
  // An address of the server's choice is no input; having none is.
  if (live.kind === "Service" && isObject(spec) && spec["clusterIP"] !== "None") delete spec["clusterIP"];
  return inputs;
}

function withoutNoise(path: string, value: unknown): unknown {
  if (!isObject(value)) return value;
  const kept = Object.entries(value)
    .filter(([name]) => !NOISE[path]?.includes(name))
    .map(([name, item]) => [name, withoutNoise(`${path}.${name}`, item)] as const)
    .filter(
      ([name, item]) => !(NOISE[`${path}.${name}`] && isObject(item) && Object.keys(item).length === 0),
    );
  return Object.fromEntries(kept);
}
