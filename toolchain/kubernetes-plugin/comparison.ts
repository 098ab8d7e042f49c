import { isObject } from "./kube-object";
import type { PropertyPath } from "./property-path";

/** A place at which two values differ. */
export interface Change {
  path: PropertyPath;
  kind: "add" | "delete" | "update";
}

/** Every place at which the new value differs from the old one, as deep as both have one. */
export function changes(before: unknown, after: unknown, path: PropertyPath = []): Change[] {
  const [old, wanted] = [before ?? undefined, after ?? undefined];
  if (old === undefined && wanted === undefined) return [];
  if (old === undefined) return [{ path, kind: "add" }];
  if (wanted === undefined) return [{ path, kind: "delete" }];
  if (isObject(old) && isObject(wanted)) {
    const names = new Set([...Object.keys(old), ...Object.keys(wanted)]);
    return [...names]
      .filter((name) => path.length > 0 || !name.startsWith("__"))
      .flatMap((name) => changes(old[name], wanted[name], [...path, name]));
  }
  if (Array.isArray(old) && Array.isArray(wanted)) {
    const length = Math.max(old.length, wanted.length);
    return Array.from({ length }).flatMap((_, index) => changes(old[index], wanted[index], [...path, index]));
  }
  return old === wanted ? [] : [{ path, kind: "update" }];
}

export function isSame(a: unknown, b: unknown): boolean {
  return changes(a, b).length === 0;
}

/** The values of both; where both have one, the second's. Lists are not merged. */
export function overlay(under: unknown, over: unknown): unknown {
  if (!isObject(under) || !isObject(over)) return over ?? under;
  const names = [...new Set([...Object.keys(under), ...Object.keys(over)])];
  return Object.fromEntries(names.map((name) => [name, overlay(under[name], over[name])]));
}
