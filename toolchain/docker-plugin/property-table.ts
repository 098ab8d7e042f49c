import type * as pulumi from "@pulumi/pulumi";
import type { Change, Difference, Fault, Values } from "../plugin-protocol/provider";
import type { AnyField, Field, Shape } from "./shape";
import { completeFields, faultsOfFields, means, supportedFields, UNSUPPORTED } from "./shape";

/** The arguments of a resource as the provider sees them: no Outputs, no promises. */
export type InputsOf<Args> = pulumi.UnwrappedObject<Args>;

/** One property of a resource: its form, what its change means, and what it is called in the engine's API. */
export type Property<V, Request, Found> = Field<V> & {
  change: Change;
  /** The engine chooses where nothing is given, and its choice is an output: then leaving it out is no change. */
  computed?: true;
  /** The engine answers with something else than it was given (an ID for a name): compared with what was given. */
  asGiven?: true;
  /** Puts the value into the request that makes the resource. */
  write?(request: Request, value: NonNullable<V>): void;
  /** The value that the engine's answer shows. Gets the value on record, to tell it from what the engine has added. */
  read?(found: Found, recorded: NonNullable<V> | undefined): NonNullable<V> | undefined;
  /** Whether the value on record fulfils the one wanted, where that is more than meaning the same. */
  fulfils?(recorded: NonNullable<V> | undefined, wanted: NonNullable<V>): boolean;
};

/**
 * Every property that the official plugin declares for a resource, so that a new, removed or changed declaration is a
 * compile error here.
 */
export type PropertyTable<Args, Request, Found> = {
  [K in keyof Args]-?: Property<InputsOf<Args>[K], Request, Found> | typeof UNSUPPORTED;
};

interface AnyProperty<Request, Found> extends AnyField {
  change: Change;
  computed?: true;
  asGiven?: true;
  write?(request: Request, value: unknown): void;
  read?(found: Found, recorded: unknown): unknown;
  fulfils?(recorded: unknown, wanted: unknown): boolean;
}

/** A table as the functions here see it, without its types. */
export type AnyTable<Request, Found> = Record<string, AnyProperty<Request, Found> | typeof UNSUPPORTED>;

/** Key in the inputs under which the names of those that are defaults are kept, as the official plugin does. */
export const DEFAULTS = "__defaults";

/** The inputs with defaults filled in, and what is wrong with them. */
export function checkInputs<R, F>(table: AnyTable<R, F>, given: Values): { inputs: Values; faults: Fault[] } {
  const fields = supportedFields(table);
  const faults = faultsOfFields(fields, given);
  if (faults.length > 0) return { inputs: given, faults };
  const { values, defaults } = completeFields(fields, given);
  return { inputs: { ...values, [DEFAULTS]: defaults }, faults };
}

/** Compares what is wanted with what the state says is there. */
export function differences<R, F>(
  table: AnyTable<R, F>,
  state: { outputs: Values; inputs: Values },
  wanted: Values,
): Difference[] {
  const found: Difference[] = [];
  for (const [property, spec] of properties(table)) {
    const recorded = spec.asGiven
      ? (state.inputs[property] ?? state.outputs[property])
      : state.outputs[property];
    const value = wanted[property];
    if (value === undefined && spec.computed) continue;
    if (
      spec.fulfils && value !== undefined ? spec.fulfils(recorded, value) : means(spec.shape, recorded, value)
    )
      continue;
    const isEmpty = (one: unknown) => means(spec.shape, one, undefined);
    const kind = isEmpty(recorded) ? "add" : isEmpty(value) ? "delete" : "update";
    found.push({ property, kind, change: spec.change, amongInputs: spec.asGiven ?? false });
  }
  return found;
}

/** Puts every input into the request for the engine. */
export function fillRequest<R, F>(table: AnyTable<R, F>, request: R, inputs: Values): R {
  for (const [name, spec] of properties(table)) {
    const value = inputs[name];
    if (value !== undefined && value !== null) spec.write?.(request, value);
  }
  return request;
}

/**
 * The properties as the engine shows them. One that means the same as on record keeps the form that it has there, so that
 * looking changes nothing; one that the engine cannot show keeps its value.
 */
export function readProperties<R, F>(table: AnyTable<R, F>, found: F, recorded: Values): Values {
  const values: Values = {};
  for (const [name, spec] of properties(table)) {
    const known = recorded[name] ?? undefined;
    const shown = spec.read ? spec.read(found, known) : known;
    const keep = !spec.asGiven && means(spec.shape, shown, known) && (known !== undefined || !spec.computed);
    values[name] = keep ? known : shown;
  }
  return withoutUndefined(values);
}

/** The inputs that would lead to what was found: those given, less what the outputs contradict. */
export function readInputs<R, F>(
  table: AnyTable<R, F>,
  inputs: Values,
  before: Values,
  after: Values,
): Values {
  const values = { ...inputs };
  for (const [name, spec] of properties(table)) {
    const hasDrifted = !means(spec.shape, before[name], after[name]);
    if (hasDrifted && (name in inputs || !spec.computed)) values[name] = after[name];
  }
  return withoutUndefined(values);
}

export function withoutUndefined(values: Values): Values {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

function properties<R, F>(table: AnyTable<R, F>): [string, AnyProperty<R, F>][] {
  return Object.entries(table).filter(
    (entry): entry is [string, AnyProperty<R, F>] => entry[1] !== UNSUPPORTED,
  );
}

/** Labels, as the resources have them: name and value apart, in any order. */
export interface Label {
  label: string;
  value: string;
}

export function labelsToMap(labels: Label[]): Record<string, string> {
  return Object.fromEntries(labels.map(({ label, value }) => [label, value]));
}

/**
 * The labels found, in any order; of those that were not given, an image or the engine may have added any number,
 * so only the given ones are looked at.
 */
export function labelsFound(
  found: Record<string, string> | null | undefined,
  given: Label[] | undefined,
): Label[] {
  const names = given ? given.map(({ label }) => label) : Object.keys(found ?? {});
  return names.flatMap((label) => {
    const value = found?.[label];
    return value === undefined ? [] : [{ label, value }];
  });
}

export type { Shape };
