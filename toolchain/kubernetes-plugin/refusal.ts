import type { Values } from "../plugin-protocol/provider";
import { kindOfType } from "./kube-object";

/** Modules of the SDK that are not kinds of the API server. */
const NO_KINDS = ["helm.sh", "yaml", "kustomize", "helm"];

/** Why the stand-in does not have the type at all; undefined where it may. */
export function refusalOf(type: string, inputs: Values): string | undefined {
  const { group, version, kind } = kindOfType(type);
  const no = `${type} is not supported by the stand-in`;
  const instead = "declare the objects themselves";
  if (NO_KINDS.includes(group) || version === "" || kind === "") return `${no}: ${instead}`;
  const given = inputs["kind"];
  if (typeof given !== "string") return undefined;
  // The SDK's types for patches and lists are made of a kind's name; what they send tells them from a kind called so.
  if (kind === `${given}Patch`)
    return `${no}: ${instead}, or adopt the one that is there by upsertExistingObjects`;
  if (Array.isArray(inputs["items"]) && kind.endsWith("List")) return `${no}: ${instead}`;
  return undefined;
}
