import type { Created, State, Subject, Values } from "../plugin-protocol/provider";
import { IncompleteError, UNKNOWN } from "../plugin-protocol/provider";
import { isAnnotated, propagationPolicy } from "./annotations";
import { hasNoDryRun, UnreachableError } from "./api-error";
import type { Configuration } from "./configuration";
import { inputsAfterDrift } from "./drift";
import { importedInputs } from "./imported";
import type { KubeObject } from "./kube-object";
import {
  apiVersionOf,
  hasUnknowns,
  idOf,
  kindOf,
  kindOfType,
  omit,
  parseId,
  titleOf,
  withoutNotes,
} from "./kube-object";
import { withIgnored } from "./managed-fields";
import { FIELD_MANAGER, fieldManagerOf } from "./names";
import type { Objects } from "./objects";
import { updatedOutputs } from "./preview";
import type { Verdict } from "./readiness/verdict";
import { NotReadyError, untilGone, untilReady, verdictOf, type Waiting } from "./waiting";

/** Kinds whose deletion is not waited for where the program says so; the official plugin waits for all others. */
const SKIPS_DELETION = ["Namespace", "Pod", "DaemonSet", "Deployment", "StatefulSet", "Job"];

/** What happens to one object from its creation to its end. */
export class Lifecycle {
  constructor(
    private readonly objects: Objects,
    private readonly configuration: Configuration,
    private readonly signal: AbortSignal,
  ) {}

  async create(subject: Subject, inputs: Values): Promise<Created> {
    const object = withoutNotes(inputs);
    await this.makeRoom(subject, object);
    const manager = fieldManagerOf(inputs);
    const applied = await this.apply(subject, object, manager);
    const made = await this.awaited(subject, applied, inputs, manager);
    return { id: idOf(made), outputs: outputsOf(made, inputs, manager) };
  }

  /** As it is now, with the inputs that would lead there; undefined if it is gone. */
  async read(
    subject: Subject,
    id: string,
    state: State,
  ): Promise<(Created & { inputs: Values }) | undefined> {
    const live = await this.readLive(subject, id, state);
    if (!live) return undefined;
    const isImport = Object.keys(state.inputs).length === 0;
    const inputs = isImport ? importedInputs(live) : inputsAfterDrift(state.inputs, state.outputs, live);
    const manager = fieldManagerOf(state.inputs, state.outputs);
    const outputs = outputsOf(live, inputs, manager);
    const verdict = isImport ? undefined : await this.verdict(live, state.inputs);
    if (verdict && verdict.state !== "ready")
      throw new IncompleteError(`${titleOf(live)}: ${statement(verdict)}`, id, outputs, inputs);
    return { id, outputs, inputs };
  }

  /** @param ignored paths whose changes the program ignores */
  async update(subject: Subject, state: State, inputs: Values, ignored: readonly string[]): Promise<Values> {
    const manager = fieldManagerOf(inputs, state.outputs);
    const object = await this.applicable(withoutNotes(inputs), ignored, manager);
    const applied = await this.apply(subject, object, manager);
    const made = await this.awaited(subject, applied, inputs, manager);
    return outputsOf(made, inputs, manager);
  }

  /** What the update would make of it. Throws what the API server would say against it. */
  async previewUpdate(
    subject: Subject,
    state: State,
    inputs: Values,
    ignored: readonly string[],
  ): Promise<Values> {
    const expected = updatedOutputs(state.outputs, inputs);
    const found = hasUnknowns(inputs) ? undefined : await this.find(inputs);
    // What is gone without anybody's notice, or not known yet, cannot be tried.
    if (!found) return expected;
    const manager = fieldManagerOf(inputs, state.outputs);
    const object = await this.applicable(withoutNotes(inputs), ignored, manager);
    try {
      const tried = await this.apply(subject, object, manager, true);
      const { status } = state.outputs;
      return {
        ...outputsOf(omit(tried, "status"), inputs, manager),
        ...(status !== undefined && { status }),
      };
    } catch (error) {
      if (hasNoDryRun(error)) return expected;
      throw error;
    }
  }

  async delete(subject: Subject, id: string, state: State): Promise<void> {
    const live = await this.readLive(subject, id, state);
    if (!live) return;
    const path = await this.objects.pathOf(live, this.signal);
    const asked = Object.keys(state.inputs).length > 0 ? state.inputs : state.outputs;
    if (!(await this.objects.delete(live, path, propagationPolicy(asked), this.signal))) return;
    if (isAnnotated(asked, "skipAwait") && SKIPS_DELETION.includes(live.kind ?? "")) return;
    await untilGone(live, await this.waiting(subject, live));
  }

  /** Is the object there, and not ready? */
  async isUnready(inputs: KubeObject): Promise<boolean> {
    const live = await this.find(inputs);
    return live !== undefined && (await this.verdict(live)).state !== "ready";
  }

  private find(object: KubeObject): Promise<KubeObject | undefined> {
    const { name = "", namespace } = object.metadata ?? {};
    return this.objects.get(kindOf(object), name, namespace, this.signal);
  }

  private async readLive(subject: Subject, id: string, state: State): Promise<KubeObject | undefined> {
    const kind = state.inputs["kind"] === undefined ? kindOfType(subject.type) : kindOf(state.inputs);
    const { name, namespace } = parseId(id);
    try {
      const live = await this.objects.get(kind, name, namespace, this.signal);
      return live && { ...live, apiVersion: apiVersionOf(kind), kind: kind.kind };
    } catch (error) {
      if (!(error instanceof UnreachableError) || !this.configuration.deleteUnreachable) throw error;
      subject.info("The cluster cannot be reached: taken out of the state only");
      return undefined;
    }
  }

  /** What is there already is not the program's to change, unless it says so. */
  private async makeRoom(subject: Subject, object: KubeObject): Promise<void> {
    const found = await this.find(object);
    if (!found) return;
    if (found.metadata?.deletionTimestamp !== undefined) {
      await untilGone(found, await this.waiting(subject, object));
      return;
    }
    if (this.configuration.upsert) return;
    throw new Error(
      `${titleOf(object)} exists already, and is not in the stack's state. Give it another name, take it over by ` +
        `import ("${idOf(object)}"), or set the provider's upsertExistingObjects`,
    );
  }

  private async apply(
    subject: Subject,
    object: KubeObject,
    manager: string,
    dryRun = false,
  ): Promise<KubeObject> {
    return this.objects.apply(object, {
      manager,
      force: isAnnotated(object, "patchForce") || this.configuration.force,
      dryRun,
      signal: this.signal,
      onWarning: (text) => {
        subject.warn(`${titleOf(object)}: ${text}`);
      },
    });
  }

  /** The object when it is ready. One that does not get there is kept in the state, for the next `up` to mend. */
  private async awaited(
    subject: Subject,
    applied: KubeObject,
    inputs: Values,
    manager: string,
  ): Promise<KubeObject> {
    try {
      return await untilReady(applied, await this.waiting(subject, applied));
    } catch (error) {
      const object = error instanceof NotReadyError ? error.object : applied;
      const message = error instanceof Error ? error.message : String(error);
      throw new IncompleteError(message, idOf(object), outputsOf(object, inputs, manager));
    }
  }

  private async waiting(subject: Subject, object: KubeObject): Promise<Waiting> {
    return {
      cluster: this.objects.cluster,
      path: await this.objects.pathOf(object, this.signal),
      timeout: subject.timeout,
      signal: this.signal,
      status: subject.status,
    };
  }

  private async applicable(
    object: KubeObject,
    ignored: readonly string[],
    manager: string,
  ): Promise<KubeObject> {
    return ignored.length === 0 ? object : withIgnored(object, await this.find(object), ignored, manager);
  }

  private verdict(live: KubeObject, inputs?: KubeObject): Promise<Verdict> {
    // The program's annotations count, whoever has changed those of the object.
    const annotations = inputs?.metadata?.annotations ?? live.metadata?.annotations;
    const asked = { ...live, metadata: { ...live.metadata, annotations } };
    return verdictOf(asked, this.objects.cluster, this.signal);
  }
}

/** The live object, without the account of who owns which field, and with the plugin's own notes. */
function outputsOf(live: KubeObject, inputs: Values, manager: string): Values {
  const { stringData } = inputs;
  return {
    ...live,
    metadata: omit(live.metadata ?? {}, "managedFields"),
    ...(live.kind === "Secret" && stringData !== undefined && stringData !== UNKNOWN && { stringData }),
    [FIELD_MANAGER]: manager,
  };
}

function statement(verdict: Exclude<Verdict, { state: "ready" }>): string {
  return verdict.state === "waiting" ? `not ready: still waiting for ${verdict.what}` : verdict.what;
}
