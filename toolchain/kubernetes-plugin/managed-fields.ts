import type { KubeObject } from "./kube-object";
import { isObject, omit, valueAt } from "./kube-object";
import { type PropertyPath, parsePath } from "./property-path";

/**
 * The object to apply, where the program ignores changes of some fields, as the official plugin makes it. What somebody
 * else owns alone, for example the replicas under an autoscaler, is left out: applying it would fight about it. All else
 * that is there keeps the value that it has: left out, it would be taken away.
 *
 * @param ignored paths of properties. Those that lead into lists are applied as they are wanted, as by the official plugin
 */
export function withIgnored(
  wanted: KubeObject,
  live: KubeObject | undefined,
  ignored: readonly string[],
  manager: string,
): KubeObject {
  return ignored.map(parsePath).reduce<unknown>((object, path) => {
    if (!path.every((step) => typeof step === "string")) return object;
    const owners = ownersOf(live, path);
    if (owners.length > 0 && !owners.includes(manager)) return without(object, path);
    const found = valueAt(live, ...path);
    return found === undefined ? object : withValue(object, path, found);
  }, wanted) as KubeObject;
}

function ownersOf(live: KubeObject | undefined, path: PropertyPath): string[] {
  const steps = path.map((step) => `f:${step}`);
  return (live?.metadata?.managedFields ?? [])
    .filter(({ fieldsV1 }) => valueAt(fieldsV1, ...steps) !== undefined)
    .map(({ manager = "" }) => manager);
}

function without(value: unknown, [step, ...rest]: readonly string[]): unknown {
  if (!isObject(value) || step === undefined || !(step in value)) return value;
  return rest.length === 0 ? omit(value, step) : { ...value, [step]: without(value[step], rest) };
}

function withValue(value: unknown, [step, ...rest]: readonly string[], inner: unknown): unknown {
  if (step === undefined) return inner;
  const outer = isObject(value) ? value : {};
  return { ...outer, [step]: withValue(outer[step], rest, inner) };
}
