/** A resource as a rule sees it: in the engine's preview, in an update, or in a test. */
export interface Subject {
  type: string;
  name: string;
  props: Readonly<Record<string, unknown>>;
  /** Pulumi refuses to delete it. */
  protect: boolean;
}

/** A value that a preview can't know yet. A rule that meets one says nothing: the update asks it again. */
export const unknown = Symbol("not known in a preview");

/** A property; undefined if it isn't there. */
export function property(subject: Subject, name: string): unknown {
  return at(subject.props, name);
}

/** A value inside a property, by its path: `vpcConfig.endpointPublicAccess`, `rules.0.bucketKeyEnabled`. */
export function at(value: unknown, path: string): unknown {
  let found: unknown = value;
  for (const key of path.split(".")) {
    if (found === unknown || typeof found !== "object" || found === null)
      return found === unknown ? unknown : undefined;
    found = guarded(found as Record<string, unknown>, key);
  }
  return found;
}

/** Reading what isn't known yet throws, in the SDK for policies. */
function guarded(object: Record<string, unknown>, key: string): unknown {
  try {
    return object[key];
  } catch (error) {
    if (error instanceof Error && error.message.includes("can't be known during preview")) return unknown;
    throw error;
  }
}

/** Entries of a list; those that aren't known are left out. */
export function entries(value: unknown): unknown[] {
  if (!Array.isArray(value)) return value === undefined || value === unknown ? [] : [value];
  return Array.from({ length: value.length }, (_, index) => at(value, String(index))).filter(
    (each) => each !== unknown,
  );
}

/** Entries of a map; those that aren't known are left out. */
export function fields(value: unknown): [key: string, value: unknown][] {
  if (typeof value !== "object" || value === null) return [];
  return Object.keys(value)
    .map((key): [string, unknown] => [key, guarded(value as Record<string, unknown>, key)])
    .filter(([, each]) => each !== unknown);
}
