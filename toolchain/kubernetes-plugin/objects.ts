import { setTimeout as sleep } from "node:timers/promises";
import { ApiError, conflictsOf, ifFound, isStatus } from "./api-error";
import type { Cluster } from "./cluster";
import { type ApiResource, collectionPath, Discovery, objectPath } from "./discovery";
import { apiVersionOf, type Kind, type KubeObject, kindOf, omit, titleOf } from "./kube-object";

/** How long a kind that the API server does not know yet is asked for again: its definition may be a moment old. */
const NEW_KIND_MS = 10_000;
const PAUSE_MS = 500;

export interface Attempt {
  /** Under which name the fields are owned. */
  manager: string;
  signal: AbortSignal;
  /** Hears what the API server warns of. */
  onWarning?: (text: string) => void;
}

export interface Apply extends Attempt {
  /** Take over fields that another manager owns. */
  force: boolean;
  dryRun?: boolean;
}

/** Objects of any kind, at the API server. */
export class Objects {
  readonly discovery: Discovery;

  constructor(readonly cluster: Cluster) {
    this.discovery = new Discovery(cluster);
  }

  /** Undefined if it is not there, or its kind is unknown. */
  async get(kind: Kind, name: string, namespace: string | undefined, signal: AbortSignal) {
    const resource = await this.discovery.find(kind, signal);
    if (!resource) return undefined;
    const path = objectPath(resource, name, namespace);
    return ifFound(this.cluster.json<KubeObject>(path, { signal }));
  }

  /** Where the object is. Throws if its kind is unknown, after some patience. */
  async pathOf(object: KubeObject, signal: AbortSignal): Promise<string> {
    const resource = await this.resourceOf(object, signal);
    return objectPath(resource, object.metadata?.name ?? "", object.metadata?.namespace);
  }

  /** Puts the object there, or its fields into the one that is there. */
  async apply(object: KubeObject, options: Apply): Promise<KubeObject> {
    const { manager, force, signal, onWarning, dryRun = false } = options;
    const resource = dryRun ? await this.known(object, signal) : await this.resourceOf(object, signal);
    const wanted = inScope(encoded(object), resource);
    const path = objectPath(resource, wanted.metadata?.name ?? "", wanted.metadata?.namespace);
    const query = {
      fieldManager: manager,
      fieldValidation: "Strict",
      ...(force && { force: "true" }),
      ...(dryRun && { dryRun: "All" }),
    };
    const send = () =>
      this.cluster.json<KubeObject>(path, {
        method: "PATCH",
        contentType: "application/apply-patch+yaml",
        query,
        body: wanted,
        signal,
        onWarning,
      });
    try {
      return dryRun ? await send() : await afterServiceAccount(send, signal);
    } catch (error) {
      throw withConflicts(error, object);
    }
  }

  /** Has the API server judge the object as a new one. */
  async tryCreate(object: KubeObject, { manager, signal, onWarning }: Attempt): Promise<void> {
    const resource = await this.known(object, signal);
    const wanted = inScope(object, resource);
    const path = collectionPath(resource, wanted.metadata?.namespace);
    const query = { fieldManager: manager, fieldValidation: "Strict", dryRun: "All" };
    await this.cluster.json(path, { method: "POST", query, body: wanted, signal, onWarning });
  }

  /** Asks for the object's end. False if it is gone already. */
  async delete(object: KubeObject, path: string, policy: string, signal: AbortSignal): Promise<boolean> {
    const uid = object.metadata?.uid;
    const body = {
      apiVersion: "v1",
      kind: "DeleteOptions",
      propagationPolicy: policy,
      // One of the same name that came after it is none of ours.
      ...(uid !== undefined && { preconditions: { uid } }),
    };
    try {
      await this.cluster.json(path, { method: "DELETE", body, signal });
      return true;
    } catch (error) {
      if (isStatus(error, 404) || (isStatus(error, 409) && /uid/i.test(error.message))) return false;
      throw error;
    }
  }

  private async known(object: KubeObject, signal: AbortSignal): Promise<ApiResource> {
    const found = await this.discovery.find(kindOf(object), signal);
    if (!found) throw new ApiError(404, { message: unknownKind(kindOf(object)) });
    return found;
  }

  /** With patience for a kind that is just being made. */
  private async resourceOf(object: KubeObject, signal: AbortSignal): Promise<ApiResource> {
    const kind = kindOf(object);
    const end = Date.now() + NEW_KIND_MS;
    for (;;) {
      const found = await this.discovery.find(kind, signal);
      if (found) return found;
      if (Date.now() > end) throw new Error(`${titleOf(object)}: ${unknownKind(kind)}`);
      await sleep(PAUSE_MS, undefined, { signal });
    }
  }
}

function unknownKind(kind: Kind): string {
  return (
    `the API server does not know the kind ${kind.kind} of ${apiVersionOf(kind)}. ` +
    "If it is a custom resource, make its definition first and let this resource depend on it"
  );
}

/** An object without a namespace of its own must not name one. */
function inScope(object: KubeObject, { namespaced }: ApiResource): KubeObject {
  if (namespaced || object.metadata?.namespace === undefined) return object;
  return { ...object, metadata: omit(object.metadata, "namespace") };
}

/**
 * A Secret's texts as its data. The API server does it too, but keeps no account of who owns a text, so that one which is
 * no longer wanted would stay.
 */
function encoded(object: KubeObject): KubeObject {
  const { stringData, ...rest } = object;
  if (object.kind !== "Secret" || typeof stringData !== "object" || stringData === null) return object;
  const texts = Object.entries(stringData).map(([name, text]) => [
    name,
    Buffer.from(String(text)).toString("base64"),
  ]);
  return { ...rest, data: { ...(object["data"] as object | undefined), ...Object.fromEntries(texts) } };
}

/** In a namespace that was just made, the service account that a pod needs comes a moment later. */
async function afterServiceAccount<T>(send: () => Promise<T>, signal: AbortSignal): Promise<T> {
  const end = Date.now() + NEW_KIND_MS;
  for (;;) {
    try {
      return await send();
    } catch (error) {
      const isEarly = isStatus(error, 403) && /error looking up service account/.test(error.message);
      if (!isEarly || Date.now() > end) throw error;
      await sleep(PAUSE_MS, undefined, { signal });
    }
  }
}

function withConflicts(error: unknown, object: KubeObject): unknown {
  if (!(error instanceof ApiError)) return error;
  const conflicts = conflictsOf(error);
  if (conflicts.length === 0) return error;
  return new Error(
    [
      `${titleOf(object)}: another manager owns fields that this program sets otherwise:`,
      ...conflicts.map((line) => `  ${line}`),
      'Leave them out of the program, list them in ignoreChanges, or take them over by the annotation pulumi.com/patchForce: "true"',
    ].join("\n"),
    { cause: error },
  );
}
