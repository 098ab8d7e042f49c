import type { Fault } from "../plugin-protocol/provider";
import { UNKNOWN } from "../plugin-protocol/provider";
import { formatDuration, parseDuration } from "./duration";

/** The form of a property's value: what is allowed, what is filled in, and when two values mean the same. */
export interface Shape<T> {
  faults(value: unknown, path: string): Fault[];
  /** The value with the defaults of its parts. */
  complete(value: T): T;
  /** Equal for values that mean the same; null for one that means the same as none. */
  canonical(value: T): unknown;
}

/** Marks what the official plugin has and this one has not. */
export const UNSUPPORTED = "unsupported";

/** A part of an object, or a property of a resource: exactly those that the official declaration requires are required. */
export type Field<V> = { shape: Shape<NonNullable<V>> } & (undefined extends V
  ? { required?: never; default?: NonNullable<V> }
  : { required: true; default?: never });

type Fields<T> = { [K in keyof T]-?: Field<T[K]> | typeof UNSUPPORTED };

/** A field as the functions here see it, without its type. */
export interface AnyField {
  shape: Shape<unknown>;
  required?: boolean;
  default?: unknown;
}

/** Do the two values mean the same? Absent is the same as empty, zero and false. */
export function means<T>(shape: Shape<T>, a: T | undefined, b: T | undefined): boolean {
  const form = (value: T | undefined) => JSON.stringify(canonicalOf(shape, value));
  return form(a) === form(b);
}

export function text(options: { matches?: RegExp; oneOf?: readonly string[] } = {}): Shape<string> {
  return simple((value) => {
    if (typeof value !== "string") return "a string";
    if (options.oneOf && !options.oneOf.includes(value)) return `one of ${options.oneOf.join(", ")}`;
    if (options.matches && !options.matches.test(value))
      return `a string that matches ${String(options.matches)}`;
    return undefined;
  });
}

export function whole(options: { from?: number; to?: number } = {}): Shape<number> {
  const { from = 0, to = Number.MAX_SAFE_INTEGER } = options;
  return simple((value) =>
    typeof value === "number" && Number.isInteger(value) && value >= from && value <= to
      ? undefined
      : `a whole number of ${from} or more${options.to === undefined ? "" : ` and ${to} or less`}`,
  );
}

export function flag(): Shape<boolean> {
  return simple((value) => (typeof value === "boolean" ? undefined : "true or false"));
}

/** A duration in Go's form, such as "1m30s". */
export function duration(): Shape<string> {
  const shape = simple<string>((value) =>
    typeof value === "string" && parseDuration(value) !== undefined
      ? undefined
      : 'a duration such as "5s" or "1m30s"',
  );
  const canonical = (value: string) => parseDuration(value) || null;
  return { ...shape, canonical, complete: (value) => formatDuration(parseDuration(value) ?? 0) };
}

/** A list whose order matters. */
export function list<T>(of: Shape<T>): Shape<T[]> {
  return sequence(of, (items) => items);
}

/** A list whose order does not matter. */
export function set<T>(of: Shape<T>): Shape<T[]> {
  return sequence(of, (items) => items.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)));
}

/** Strings by name. */
export function record(): Shape<Record<string, string>> {
  const value = text();
  return {
    faults: (given, path) =>
      isObject(given)
        ? Object.entries(given).flatMap(([name, item]) => faultsOf(value, item, `${path}.${name}`))
        : expected("an object", path),
    complete: (given) => given,
    canonical: (given) => orNone(Object.entries(given).sort(([a], [b]) => (a < b ? -1 : 1))),
  };
}

/** An object with known parts. */
export function object<T extends object>(fields: Fields<T>): Shape<T> {
  const known = supportedFields(fields);
  return {
    faults: (given, path) =>
      isObject(given) ? faultsOfFields(known, given, path) : expected("an object", path),
    complete: (given) => completeFields(known, given as Record<string, unknown>).values as T,
    canonical(given) {
      const entries = [...known].map(([name, field]) => {
        const value = (given as Record<string, unknown>)[name] ?? field.default;
        return [name, canonicalOf(field.shape, value)] as const;
      });
      return orNone(entries.filter(([, value]) => value !== null));
    },
  };
}

export function supportedFields(
  fields: Record<string, AnyField | typeof UNSUPPORTED>,
): Map<string, AnyField> {
  const entries = Object.entries(fields).filter(
    (entry): entry is [string, AnyField] => entry[1] !== UNSUPPORTED,
  );
  return new Map(entries);
}

/** Every fault in the values given for the fields; what is not among the fields is a fault too. */
export function faultsOfFields(
  fields: Map<string, AnyField>,
  values: Record<string, unknown>,
  parent = "",
): Fault[] {
  const pathOf = (name: string) => (parent === "" ? name : `${parent}.${name}`);
  const faults: Fault[] = [];
  for (const [name, value] of Object.entries(values)) {
    if (name.startsWith("__") || isAbsent(value)) continue;
    const field = fields.get(name);
    const names = [...fields.keys()].sort().join(", ");
    if (field) faults.push(...faultsOf(field.shape, value, pathOf(name)));
    else faults.push({ path: pathOf(name), reason: `not supported by the stand-in; supported: ${names}` });
  }
  for (const [name, field] of fields) {
    if (field.required && isAbsent(values[name]))
      faults.push({ path: pathOf(name), reason: "required, but missing" });
  }
  return faults;
}

/** The values given, completed, and the names of those that are defaults. */
export function completeFields(
  fields: Map<string, AnyField>,
  given: Record<string, unknown>,
): { values: Record<string, unknown>; defaults: string[] } {
  const values: Record<string, unknown> = {};
  const defaults: string[] = [];
  for (const [name, field] of fields) {
    const value = given[name];
    if (!isAbsent(value)) values[name] = isUnknown(value) ? value : field.shape.complete(value);
    else if (field.default !== undefined) {
      values[name] = field.default;
      defaults.push(name);
    }
  }
  return { values, defaults };
}

function simple<T>(expectation: (value: unknown) => string | undefined): Shape<T> {
  return {
    faults(value, path) {
      const wanted = expectation(value);
      return wanted === undefined ? [] : expected(wanted, path);
    },
    complete: (value) => value,
    canonical: (value) => value || null,
  };
}

function sequence<T>(of: Shape<T>, arrange: (items: unknown[]) => unknown[]): Shape<T[]> {
  return {
    faults: (given, path) =>
      Array.isArray(given)
        ? given.flatMap((item: unknown, index) => faultsOf(of, item, `${path}[${index}]`))
        : expected("a list", path),
    complete: (given) => given.map((item) => (isUnknown(item) ? item : of.complete(item))),
    canonical: (given) => orNone(arrange(given.map((item) => canonicalOf(of, item)))),
  };
}

function faultsOf(shape: Shape<unknown>, value: unknown, path: string): Fault[] {
  return isUnknown(value) ? [] : shape.faults(value, path);
}

function canonicalOf<T>(shape: Shape<T>, value: T | undefined): unknown {
  if (isAbsent(value)) return null;
  return isUnknown(value) ? UNKNOWN : shape.canonical(value);
}

/** The value is not repeated: it may be a secret. */
const expected = (wanted: string, path: string): Fault[] => [{ path, reason: `expected ${wanted}` }];

const orNone = <T>(items: T[]): T[] | null => (items.length === 0 ? null : items);

const isAbsent = (value: unknown): value is null | undefined => value === null || value === undefined;

const isUnknown = (value: unknown): boolean => value === UNKNOWN;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
