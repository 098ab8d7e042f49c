import type { Fault } from "../plugin-protocol/provider";

/** What the API server says when it refuses: its `Status` object. */
export interface Refusal {
  message?: string;
  reason?: string;
  details?: {
    name?: string;
    kind?: string;
    retryAfterSeconds?: number;
    causes?: { reason?: string; message?: string; field?: string }[];
  };
}

/** The API server has answered, with a refusal. */
export class ApiError extends Error {
  override readonly name = "ApiError";

  constructor(
    readonly status: number,
    readonly refusal: Refusal,
  ) {
    super(refusal.message ?? `the API server answered with status ${status}`);
  }
}

/** The API server has not answered. */
export class UnreachableError extends Error {
  override readonly name = "UnreachableError";

  constructor(server: string, context: string, cause: unknown) {
    const why = cause instanceof Error ? cause.message || codeOf(cause) : String(cause);
    super(
      `The Kubernetes cluster of context "${context}" cannot be reached at ${server}: ${why}. Is it running, and is this ` +
        "the right kubeconfig? If it is gone for good, PULUMI_K8S_DELETE_UNREACHABLE=true takes its resources out of the state",
      { cause },
    );
  }
}

export function hasNoDryRun(error: unknown): boolean {
  return isStatus(error, 400) && NO_DRY_RUN.test(error.message);
}

export function isStatus(error: unknown, status: number): error is ApiError {
  return error instanceof ApiError && error.status === status;
}

/** Passes the answer on, or undefined where the API server says that there is no such thing. */
export async function ifFound<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (isStatus(error, 404)) return undefined;
    throw error;
  }
}

/** Refusals that say something of what else is there, or who asks, not of the object. */
const ABOUT_SOMETHING_ELSE = /cannot (patch|create|update|get) resource|not found|was found|exceeded quota/;

/** An admission controller that has no dry runs says nothing of the object. */
const NO_DRY_RUN = /does not support dry run/;

/** Refusals of a change to the object that is there: a replacement will not meet them. */
const ABOUT_THE_OLD_ONE =
  /immutable|already allocated|updates? to .* (is|are) forbidden|may not be (changed|updated)|cannot be (changed|updated)|[Ff]orbidden: (pod )?updates?/;

/**
 * What a refused dry run says is wrong with the object itself; nothing where the reason is something else, such as a
 * namespace or a custom resource's definition that is yet to be made.
 */
export function faultsOf(error: ApiError): Fault[] {
  const { status, refusal } = error;
  const causes = refusal.details?.causes ?? [];
  if (status === 422 || (status === 400 && causes.length > 0)) {
    if (causes.length === 0) return aboutTheObject([{ path: "", reason: error.message }]);
    return aboutTheObject(
      causes.map(({ field = "", message = error.message }) => ({ path: pulumiPath(field), reason: message })),
    );
  }
  if (status === 400) return NO_DRY_RUN.test(error.message) ? [] : strictFaults(error.message);
  if (status === 403)
    return ABOUT_SOMETHING_ELSE.test(error.message) ? [] : [{ path: "", reason: error.message }];
  // A field that the kind does not have, or a value of another type, fails before the validation.
  if (status === 500 && error.message.includes("failed to create typed patch object"))
    return typeFaults(error.message);
  return [];
}

/** The managers that own fields which somebody else wants to set, by field. */
export function conflictsOf({ refusal }: ApiError): string[] {
  return (refusal.details?.causes ?? [])
    .filter(({ reason }) => reason === "FieldManagerConflict")
    .map(({ field = "", message = "" }) => `${pulumiPath(field)}: ${message}`);
}

function aboutTheObject(faults: Fault[]): Fault[] {
  return faults.filter(({ reason }) => !ABOUT_THE_OLD_ONE.test(reason));
}

/** `strict decoding error: unknown field "spec.a", unknown field "spec.b"`. */
function strictFaults(message: string): Fault[] {
  const unknown = [...message.matchAll(/(unknown|duplicate) field "([^"]+)"/g)];
  if (unknown.length === 0) return [{ path: "", reason: message }];
  return unknown.map(([, which = "", field = ""]) => ({ path: pulumiPath(field), reason: `${which} field` }));
}

/** `…: .spec.a: field not declared in schema`, or `…: errors:` and a line for each. */
function typeFaults(message: string): Fault[] {
  const found = [...message.matchAll(/(?:^|\s)(\.[^\s]+): ([^\n]+)/g)];
  if (found.length === 0) return [{ path: "", reason: message }];
  return found.map(([, field = "", reason = ""]) => ({ path: pulumiPath(field), reason }));
}

/**
 * The path in Pulumi's form of one in the API server's: `.spec.ports[0].port`, `metadata.labels[a.b/c]`. An item that is
 * named by its key (`containers[name="a"]`) stays so: its place is not said.
 */
export function pulumiPath(field: string): string {
  const steps = field.matchAll(/([^.[\]]+)|\[((?:"(?:[^"\\]|\\.)*"|[^\]"]+)*)\]/g);
  return [...steps].reduce((path, [, plain, inside = ""]) => {
    if (plain !== undefined) return path === "" ? plain : `${path}.${plain}`;
    return /^\d+$|=/.test(inside) ? `${path}[${inside}]` : `${path}[${JSON.stringify(inside)}]`;
  }, "");
}

function codeOf(error: Error): string {
  return "code" in error ? String(error.code) : error.name;
}
