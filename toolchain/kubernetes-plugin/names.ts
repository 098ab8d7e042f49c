import { createHash, randomBytes } from "node:crypto";
import type { Values } from "../plugin-protocol/provider";
import { isObject, valueAt } from "./kube-object";

/** Annotation of objects whose name was made up, as the official plugin sets it. */
const AUTONAMED = "pulumi.com/autonamed";

/** Key, in inputs and outputs, of the name under which the plugin owns its fields of the object. */
export const FIELD_MANAGER = "__fieldManager";

/**
 * The inputs with a name: the one given, the one made up before, or a new one (`NAME-xxxxxxxx`, eight hex digits). What
 * is not known yet is left so.
 */
export function withName(olds: Values, news: Values, name: string, seed: Buffer): Values {
  const given = news["metadata"] ?? {};
  if (!isObject(given) || (given["name"] ?? "") !== "") return news;
  const old = isAutonamed(olds) ? valueAt(olds, "metadata", "name") : undefined;
  const annotations = isObject(given["annotations"]) ? given["annotations"] : {};
  const metadata = {
    ...given,
    annotations: { ...annotations, [AUTONAMED]: "true" },
    name: old ?? `${name}-${hexDigits(seed)}`,
  };
  return { ...news, metadata };
}

export function isAutonamed(inputs: Values): boolean {
  return valueAt(inputs, "metadata", "annotations", AUTONAMED) === "true";
}

/** The inputs in the namespace, unless they name one. */
export function withNamespace(inputs: Values, namespace: string): Values {
  const metadata = inputs["metadata"] ?? {};
  if (!isObject(metadata) || (metadata["namespace"] ?? "") !== "") return inputs;
  return { ...inputs, metadata: { ...metadata, namespace } };
}

/**
 * The inputs with a field manager of the resource's own, kept once it has one: what it owns and no longer wants goes away
 * by the next apply, and no other resource on the same object can take it.
 */
export function withFieldManager(olds: Values, inputs: Values, seed: Buffer): Values {
  const wanted = valueAt(inputs, "metadata", "annotations", "pulumi.com/patchFieldManager");
  if (typeof wanted === "string" && wanted !== "") return { ...inputs, [FIELD_MANAGER]: wanted };
  // One that the official plugin has made is in the outputs only, which are not at hand here.
  const isNew = Object.keys(olds).length === 0;
  const manager = isNew ? newFieldManager(seed) : olds[FIELD_MANAGER];
  return manager === undefined ? inputs : { ...inputs, [FIELD_MANAGER]: manager };
}

export function newFieldManager(seed: Buffer): string {
  return `pulumi-kubernetes-${hexDigits(seed)}`;
}

/** The name under which the resource owns its fields. */
export function fieldManagerOf(inputs: Values, outputs: Values = {}): string {
  const asked = valueAt(inputs, "metadata", "annotations", "pulumi.com/patchFieldManager");
  // What has owned the fields so far is in the outputs.
  const found = asked ?? outputs[FIELD_MANAGER] ?? inputs[FIELD_MANAGER];
  return typeof found === "string" ? found : newFieldManager(Buffer.alloc(0));
}

function hexDigits(seed: Buffer): string {
  const source = seed.length > 0 ? seed : randomBytes(32);
  return createHash("sha256").update(source).digest("hex").slice(0, 8);
}
