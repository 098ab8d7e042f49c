import type { Diff, Difference, State, Values } from "../plugin-protocol/provider";
import { changes } from "./comparison";
import type { KubeObject } from "./kube-object";
import { textAt } from "./kube-object";
import { isAutonamed } from "./names";
import { formatPath, isWithin, parsePath, type PropertyPath } from "./property-path";
import { type Mutability, needsReplacement } from "./replacement";

/**
 * What the program wants otherwise than it did at the last time. A refresh puts what it finds changed into the inputs on
 * record, so that this is a difference too.
 */
export function differences(
  { outputs, inputs }: State,
  news: Values,
  ignored: readonly string[],
  mutability: Mutability,
): Diff {
  const before = (Object.keys(inputs).length > 0 ? inputs : outputs) as KubeObject;
  const after = news as KubeObject;
  const ignoredPaths = ignored.map(parsePath);
  const found = changes(before, after)
    .filter(({ path }) => !ignoredPaths.some((other) => isWithin(path, other)))
    .filter(({ path }) => !isOfNoNamespace(path, outputs))
    .map(({ path, kind }): Difference => ({
      property: formatPath(path),
      kind,
      change: needsReplacement(path, { before, after }, mutability) ? "replace" : "update",
      amongInputs: true,
    }));
  const isSameObject =
    textAt(before, "metadata", "name") === textAt(after, "metadata", "name") &&
    textAt(before, "metadata", "namespace") === textAt(after, "metadata", "namespace");
  return {
    differences: found,
    replace: found.some(({ change }) => change === "replace"),
    // The old one holds the name that the new one is to have.
    deleteBeforeReplace: !isAutonamed(news) && isSameObject,
  };
}

/** A kind that turned out to have no namespaces was taken for one that has, before it was known. */
function isOfNoNamespace(path: PropertyPath, outputs: Values): boolean {
  const isThere = Object.keys(outputs).length > 0;
  return isThere && formatPath(path) === "metadata.namespace" && !textAt(outputs, "metadata", "namespace");
}
