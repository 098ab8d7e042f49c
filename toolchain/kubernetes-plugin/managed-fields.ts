import type { KubeObject } from "./kube-object";
import { isObject, omit, valueAt } from "./kube-object";
import { type PropertyPath, parsePath } from "./property-path";

/**
 * The object to apply, less the fields whose changes the program ignores and that somebody else owns, for example the
 * replicas under an autoscaler: applying them would fight about them.
 */
export function withoutForeign(
  wanted: KubeObject,
  live: KubeObject | undefined,
  ignored: readonly string[],
  manager: string,
): KubeObject {
  const paths = ignored.map(parsePath).filter((path) => isOwnedByOthers(live, path, manager));
  return paths.reduce<unknown>((object, path) => without(object, path), wanted) as KubeObject;
}

function isOwnedByOthers(live: KubeObject | undefined, path: PropertyPath, manager: string): boolean {
  const steps = path.map((step) => `f:${step}`);
  return (live?.metadata?.managedFields ?? []).some(
    (entry) => entry.manager !== manager && valueAt(entry.fieldsV1, ...steps) !== undefined,
  );
}

function without(value: unknown, [step, ...rest]: PropertyPath): unknown {
  if (!isObject(value) || typeof step !== "string" || !(step in value)) return value;
  return rest.length === 0 ? omit(value, step) : { ...value, [step]: without(value[step], rest) };
}
