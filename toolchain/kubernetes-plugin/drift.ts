import type { Values } from "../plugin-protocol/provider";
import { isSame } from "./comparison";
import type { KubeObject } from "./kube-object";
import { isObject, valueAt } from "./kube-object";

/** What tells the items of a list apart, in the order in which they are tried: a volume may be mounted at two paths. */
const KEYS = [
  "mountPath",
  "devicePath",
  "containerPort",
  "port",
  "topologyKey",
  "name",
  "ip",
  "uid",
  "key",
  "type",
];

/**
 * The inputs that would lead to what was found: those given, with every value that is another one than at the last look.
 * As live values are compared with live values, it does not matter how the API server writes what it is given
 * (`1000m` as `1`), and what nobody gave is left alone.
 */
export function inputsAfterDrift(inputs: Values, before: Values, after: KubeObject): Values {
  const followed = follow(inputs, withoutStatus(before), withoutStatus(after)) as Values;
  return isObject(inputs["stringData"]) ? withSecretTexts(followed, inputs, before, after) : followed;
}

function follow(input: unknown, before: unknown, after: unknown): unknown {
  if (isSame(before, after)) return input;
  // Never seen: there is no telling what the server has made of it.
  if (before === undefined) return input;
  if (isObject(input) && isObject(before) && isObject(after)) {
    const followed = Object.entries(input).map(([name, value]) => {
      const isNote = name.startsWith("__");
      return [name, isNote ? value : follow(value, before[name], after[name])] as const;
    });
    return Object.fromEntries(followed.filter(([, value]) => value !== undefined));
  }
  if (Array.isArray(input) && Array.isArray(before) && Array.isArray(after))
    return followList(input, before, after);
  return after;
}

function followList(input: unknown[], before: unknown[], after: unknown[]): unknown[] {
  const key = KEYS.find((name) => [input, before, after].every((items) => tellsApart(name, items)));
  if (key === undefined)
    return input.length === after.length && input.every(isObject)
      ? input.map((item, index) => follow(item, before[index], after[index]))
      : after;
  const itemOf = (items: unknown[], item: unknown) =>
    items.find((other) => valueAt(other, key) === valueAt(item, key));
  return input
    .map((item) => follow(item, itemOf(before, item), itemOf(after, item)))
    .filter((item) => item !== undefined);
}

function tellsApart(name: string, items: unknown[]): boolean {
  const values = items.map((item) => valueAt(item, name));
  return !values.includes(undefined) && new Set(values).size === values.length;
}

/** A Secret's `stringData` is never shown: its values are found, encoded, among the `data`. */
function withSecretTexts(followed: Values, inputs: Values, before: Values, after: KubeObject): Values {
  const given = Object.entries(inputs["stringData"] as Values);
  const texts = given.map(([name, value]) => {
    const [old, found] = [valueAt(before, "data", name), valueAt(after, "data", name)];
    if (old === undefined || old === found) return [name, value] as const;
    return [
      name,
      typeof found === "string" ? Buffer.from(found, "base64").toString("utf8") : undefined,
    ] as const;
  });
  return {
    ...followed,
    stringData: Object.fromEntries(texts.filter(([, value]) => value !== undefined)),
  };
}

function withoutStatus(object: Values): Values {
  return Object.fromEntries(Object.entries(object).filter(([name]) => name !== "status"));
}
