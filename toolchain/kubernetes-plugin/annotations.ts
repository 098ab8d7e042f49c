import type { Fault, Values } from "../plugin-protocol/provider";
import { UNKNOWN } from "../plugin-protocol/provider";
import { valueAt } from "./kube-object";
import { parseWaitFor } from "./wait-for";

type Name =
  "deletionPropagationPolicy" | "patchForce" | "replaceUnready" | "skipAwait" | "timeoutSeconds" | "waitFor";

/** What an annotation `pulumi.com/NAME` says of how the plugin is to go about the object. */
export function annotation(object: Values, name: Name): string | undefined {
  const value = valueAt(object, "metadata", "annotations", `pulumi.com/${name}`);
  return typeof value === "string" && value !== UNKNOWN ? value : undefined;
}

export function isAnnotated(object: Values, name: Name): boolean {
  return annotation(object, name) === "true";
}

/** Seconds that the operation may take: the program's `customTimeouts`, the annotation's, or the default. */
export function timeLimit(custom: number, object: Values, otherwise: number): number {
  if (custom > 0) return custom;
  const seconds = Number(annotation(object, "timeoutSeconds"));
  return seconds > 0 ? seconds : otherwise;
}

/** What becomes of the objects that the deleted one owns. */
export function propagationPolicy(object: Values): "Foreground" | "Background" | "Orphan" {
  const policy = annotation(object, "deletionPropagationPolicy")?.toLowerCase();
  if (policy === "orphan") return "Orphan";
  return policy === "background" ? "Background" : "Foreground";
}

export function annotationFaults(object: Values): Fault[] {
  const at = (name: Name) => `metadata.annotations["pulumi.com/${name}"]`;
  const faults: Fault[] = [];
  const seconds = annotation(object, "timeoutSeconds");
  if (seconds !== undefined && !(Number(seconds) > 0))
    faults.push({ path: at("timeoutSeconds"), reason: 'expected a number of seconds, such as "300"' });
  const policy = annotation(object, "deletionPropagationPolicy");
  if (policy !== undefined && !/^(orphan|background|foreground)$/i.test(policy))
    faults.push({
      path: at("deletionPropagationPolicy"),
      reason: "expected orphan, background or foreground",
    });
  const waitFor = annotation(object, "waitFor");
  try {
    if (waitFor !== undefined) parseWaitFor(waitFor);
  } catch (error) {
    faults.push({ path: at("waitFor"), reason: error instanceof Error ? error.message : String(error) });
  }
  return faults;
}
