import type { KubeObject } from "../kube-object";
import { conditionOf, isTrue, listAt, textAt, valueAt } from "../kube-object";
import { failed, READY, type Verdict, waiting } from "./verdict";

/** Something to send traffic to, and an address where it is to come from outside. */
export function service(object: KubeObject, readyEndpoints: number): Verdict {
  if (textAt(object, "spec", "type") === "ExternalName") return READY;
  if (needsEndpoints(object) && readyEndpoints === 0)
    return waiting("a ready pod to send traffic to; do the labels of one fulfil spec.selector?");
  const isBalanced = textAt(object, "spec", "type") === "LoadBalancer";
  if (isBalanced && listAt(object, "status", "loadBalancer", "ingress").length === 0)
    return waiting("an address of a load balancer; does this cluster have any?");
  return READY;
}

/** One without a selector gets its endpoints from elsewhere, a headless one is a name only. */
export function needsEndpoints(object: KubeObject): boolean {
  const selector = valueAt(object, "spec", "selector");
  const hasSelector = typeof selector === "object" && selector !== null && Object.keys(selector).length > 0;
  return (
    hasSelector &&
    textAt(object, "spec", "clusterIP") !== "None" &&
    textAt(object, "spec", "type") !== "ExternalName"
  );
}

/** How many endpoints of the slices take traffic. */
export function readyEndpoints(slices: KubeObject[]): number {
  return slices
    .flatMap((slice) => listAt(slice, "endpoints"))
    .filter((endpoint) => valueAt(endpoint, "conditions", "ready") !== false).length;
}

/** @param idle services that it leads to, and that have nothing to send traffic to */
export function ingress(object: KubeObject, idle: string[]): Verdict {
  if (idle.length > 0) return waiting(`service ${idle.join(", ")} to have a ready pod`);
  return listAt(object, "status", "loadBalancer", "ingress").length === 0
    ? waiting("an address; does an ingress controller serve this class?")
    : READY;
}

/** Names of the services that an Ingress leads to. */
export function backends(object: KubeObject): string[] {
  const rules = listAt(object, "spec", "rules").flatMap((rule) => listAt(rule, "http", "paths"));
  const found = [
    textAt(object, "spec", "defaultBackend", "service", "name"),
    ...rules.map((path) => textAt(path, "backend", "service", "name")),
  ];
  return [...new Set(found.filter((name) => name !== undefined))];
}

/** @param bindingMode of its storage class: one that binds at first use is not waited for, as a pod is to come first */
export function volumeClaim(object: KubeObject, bindingMode: string | undefined): Verdict {
  const phase = textAt(object, "status", "phase");
  if (phase === "Bound" || bindingMode === "WaitForFirstConsumer") return READY;
  if (phase === "Lost") return failed("the volume that it was bound to is lost");
  return waiting(`a volume (${phase ?? "not seen yet"})`);
}

/** The claim's storage class: the one that it names, else the default. An empty name is none. */
export function storageClassOf(claim: KubeObject, classes: KubeObject[]): KubeObject | undefined {
  const name = textAt(claim, "spec", "storageClassName");
  if (name !== undefined) return classes.find((one) => one.metadata?.name === name);
  const isDefault = "storageclass.kubernetes.io/is-default-class";
  return classes.find((one) => one.metadata?.annotations?.[isDefault] === "true");
}

export function customResourceDefinition(object: KubeObject): Verdict {
  const names = conditionOf(object, "NamesAccepted");
  if (names?.status === "False") return failed(names.message ?? "its names are taken");
  return isTrue(conditionOf(object, "Established")) ? READY : waiting("the API server to serve it");
}
