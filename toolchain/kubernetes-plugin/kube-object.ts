import type { Values } from "../plugin-protocol/provider";
import { UNKNOWN } from "../plugin-protocol/provider";

/** The part of every object's metadata that the plugin itself looks at. */
export interface Metadata extends Values {
  name?: string;
  namespace?: string;
  uid?: string;
  generation?: number;
  resourceVersion?: string;
  creationTimestamp?: string;
  deletionTimestamp?: string;
  finalizers?: string[];
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  managedFields?: ManagedFields[];
}

/** What one manager owns of an object. */
export interface ManagedFields {
  manager?: string;
  operation?: string;
  subresource?: string;
  fieldsV1?: Values;
}

/** An object of any kind, as the API server has it. */
export interface KubeObject extends Values {
  apiVersion?: string;
  kind?: string;
  metadata?: Metadata;
}

/** One of the conditions in an object's status. */
export interface Condition {
  type?: string;
  status?: string;
  reason?: string;
  message?: string;
}

/** Group, version and name of a kind. The core group's name is empty. */
export interface Kind {
  group: string;
  version: string;
  kind: string;
}

/** The kind that a resource type of the SDK stands for, for example `kubernetes:apps/v1:Deployment`. */
export function kindOfType(type: string): Kind {
  const [, module = "", kind = ""] = type.split(":");
  const [group = "", version] = module.split("/");
  // A custom resource of the core group has no group at all.
  if (version === undefined) return { group: "", version: group, kind };
  return { group: group === "core" ? "" : group, version, kind };
}

/** The kind that the object says it is of. */
export function kindOf({ apiVersion = "", kind = "" }: KubeObject): Kind {
  const [group = "", version] = apiVersion.split("/");
  return version === undefined ? { group: "", version: group, kind } : { group, version, kind };
}

export function apiVersionOf({ group, version }: Kind): string {
  return group === "" ? version : `${group}/${version}`;
}

/** `namespace/name`, or the name alone where there is no namespace: the resource's ID. */
export function idOf({ metadata }: KubeObject): string {
  const name = metadata?.name ?? "";
  return metadata?.namespace ? `${metadata.namespace}/${name}` : name;
}

/** What messages call the object, for example `Deployment default/web`. */
export function titleOf(object: KubeObject): string {
  return `${object.kind ?? "object"} ${idOf(object)}`;
}

export function parseId(id: string): { namespace?: string; name: string } {
  const [first = "", ...rest] = id.split("/");
  return rest.length === 0 ? { name: first } : { namespace: first, name: rest.join("/") };
}

export function isObject(value: unknown): value is Values {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Is anything inside not known yet? */
export function hasUnknowns(value: unknown): boolean {
  if (Array.isArray(value)) return value.some(hasUnknowns);
  if (isObject(value)) return Object.values(value).some(hasUnknowns);
  return value === UNKNOWN;
}

/** The value some steps down, undefined if there is none. */
export function valueAt(value: unknown, ...steps: readonly (string | number)[]): unknown {
  return steps.reduce<unknown>((inner, step) => {
    if (Array.isArray(inner)) return (inner as unknown[])[Number(step)];
    return isObject(inner) ? inner[step] : undefined;
  }, value);
}

/** A number some steps down; zero where the API server leaves it out, as it does with zeros. */
export function numberAt(value: unknown, ...steps: readonly string[]): number {
  const found = valueAt(value, ...steps);
  return typeof found === "number" ? found : 0;
}

export function textAt(value: unknown, ...steps: readonly string[]): string | undefined {
  const found = valueAt(value, ...steps);
  return typeof found === "string" ? found : undefined;
}

export function listAt(value: unknown, ...steps: readonly string[]): unknown[] {
  const found = valueAt(value, ...steps);
  return Array.isArray(found) ? found : [];
}

export function conditionOf(object: KubeObject, type: string): Condition | undefined {
  return (listAt(object, "status", "conditions") as Condition[]).find((one) => one.type === type);
}

export function isTrue(condition: Condition | undefined): boolean {
  return condition?.status === "True";
}

/** The values without some of them. */
export function omit<T extends Values>(values: T, ...names: string[]): T {
  return Object.fromEntries(Object.entries(values).filter(([name]) => !names.includes(name))) as T;
}

/** What the API server is to hear of: the inputs without the plugin's own notes and without nulls. */
export function withoutNotes(inputs: Values): KubeObject {
  const kept = Object.entries(inputs).filter(([name]) => !name.startsWith("__"));
  return withoutNulls(Object.fromEntries(kept)) as KubeObject;
}

function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (!isObject(value)) return value;
  const kept = Object.entries(value).filter(([, item]) => item !== null && item !== undefined);
  return Object.fromEntries(kept.map(([name, item]) => [name, withoutNulls(item)]));
}
