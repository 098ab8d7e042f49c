import type { Created, Diff, Fault, Provider, State, Subject, Values } from "../plugin-protocol/provider";
import { IncompleteError, UNKNOWN } from "../plugin-protocol/provider";
import { annotationFaults, isAnnotated, propagationPolicy } from "./annotations";
import { hasNoDryRun, UnreachableError } from "./api-error";
import { Cluster } from "./cluster";
import {
  type Configuration,
  configurationDiff,
  configurationFaults,
  readConfiguration,
} from "./configuration";
import { differences } from "./differences";
import { inputsAfterDrift } from "./drift";
import { importedInputs } from "./imported";
import { judge } from "./judgement";
import type { KubeObject } from "./kube-object";
import {
  apiVersionOf,
  hasUnknowns,
  idOf,
  kindOf,
  kindOfType,
  omit,
  parseId,
  textAt,
  titleOf,
  withoutNotes,
} from "./kube-object";
import { withoutForeign } from "./managed-fields";
import { FIELD_MANAGER, fieldManagerOf, withFieldManager, withName, withNamespace } from "./names";
import { Objects } from "./objects";
import { createdOutputs, updatedOutputs } from "./preview";
import { refusalOf } from "./refusal";
import { NotReadyError, untilGone, untilReady, verdictOf } from "./waiting";

/** Kinds whose deletion is not waited for where the program says so; the official plugin waits for all others. */
const SKIPS_DELETION = ["Namespace", "Pod", "DaemonSet", "Deployment", "StatefulSet", "Job"];

/** The `kubernetes` provider. */
export class KubernetesProvider implements Provider {
  readonly secretsBy = "part";
  private config: Values = {};
  private connected: { configuration: Configuration; objects: Objects } | undefined;
  private readonly stop = new AbortController();
  private readonly warned = new Set<string>();

  checkConfig(config: Values): Fault[] {
    return configurationFaults(config);
  }

  diffConfig(olds: Values, news: Values): Diff {
    return configurationDiff(olds, news);
  }

  configure(config: Values): void {
    this.config = config;
    this.connected = undefined;
  }

  secretProperties(type: string): readonly string[] {
    const { group, kind } = kindOfType(type);
    return group === "" && kind === "Secret" ? ["data", "stringData"] : [];
  }

  async check(
    subject: Subject,
    olds: Values,
    news: Values,
    seed: Buffer,
  ): Promise<{ inputs: Values; faults: Fault[] }> {
    const refusal = refusalOf(subject.type, news);
    if (refusal !== undefined) return { inputs: news, faults: [{ path: "", reason: refusal }] };
    if ((textAt(news, "metadata", "generateName") ?? "") !== "") {
      const reason = "not supported by the stand-in: leave the name out to have one made up";
      return { inputs: news, faults: [{ path: "metadata.generateName", reason }] };
    }
    const named = withName(olds, news, subject.name, seed);
    const placed = await this.inNamespace(subject, named);
    const inputs = withFieldManager(olds, placed, seed);
    const faults = annotationFaults(inputs);
    if (faults.length > 0) return { inputs, faults };
    const told = { ...subject, warn: this.warner(subject) };
    return { inputs, faults: await judge(told, this.objects, { olds, news: inputs }, this.stop.signal) };
  }

  async diff(subject: Subject, state: State, news: Values, ignored: string[] = []): Promise<Diff> {
    const found = differences(state, news, ignored, this.configuration.mutability);
    if (!isAnnotated(news, "replaceUnready")) return found;
    if (kindOf(news).kind !== "Job") {
      subject.warn("the annotation pulumi.com/replaceUnready is for Jobs only");
      return found;
    }
    const live = await this.find(news);
    const isReady = live && (await this.verdict(live)).state === "ready";
    return live && !isReady ? { ...found, replace: true } : found;
  }

  async create(subject: Subject, inputs: Values): Promise<Created> {
    const object = withoutNotes(inputs);
    await this.makeRoom(subject, object);
    const manager = fieldManagerOf(inputs);
    const applied = await this.apply(subject, object, manager);
    const made = await this.awaited(subject, applied, inputs, manager);
    return { id: idOf(made), outputs: outputsOf(made, inputs, manager) };
  }

  previewCreate(_: Subject, inputs: Values): Values {
    return createdOutputs(inputs);
  }

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

  async update(
    subject: Subject,
    _: string,
    state: State,
    inputs: Values,
    ignored: readonly string[] = [],
  ): Promise<Values> {
    const manager = fieldManagerOf(inputs, state.outputs);
    const object = await this.withoutIgnored(withoutNotes(inputs), ignored, manager);
    const applied = await this.apply(subject, object, manager);
    const made = await this.awaited(subject, applied, inputs, manager);
    return outputsOf(made, inputs, manager);
  }

  async previewUpdate(
    subject: Subject,
    _: string,
    state: State,
    inputs: Values,
    ignored: readonly string[] = [],
  ): Promise<Values> {
    const expected = updatedOutputs(state.outputs, inputs);
    const found = hasUnknowns(inputs) ? undefined : await this.find(inputs);
    // What is gone without anybody's notice, or not known yet, cannot be tried.
    if (!found) return expected;
    const manager = fieldManagerOf(inputs, state.outputs);
    const object = await this.withoutIgnored(withoutNotes(inputs), ignored, manager);
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
    try {
      await this.deleteLive(subject, id, state);
    } catch (error) {
      if (!(error instanceof UnreachableError) || !this.configuration.deleteUnreachable) throw error;
      subject.info("The cluster cannot be reached: taken out of the state only");
    }
  }

  cancel(): void {
    this.stop.abort();
  }

  private get configuration(): Configuration {
    return this.connection.configuration;
  }

  private get objects(): Objects {
    return this.connection.objects;
  }

  /** Made at first use: a provider that nothing uses needs no cluster. */
  private get connection(): { configuration: Configuration; objects: Objects } {
    if (!this.connected) {
      const configuration = readConfiguration(this.config);
      this.connected = { configuration, objects: new Objects(new Cluster(configuration.access)) };
    }
    return this.connected;
  }

  private async inNamespace(subject: Subject, inputs: Values): Promise<Values> {
    if ((textAt(inputs, "metadata", "namespace") ?? "") !== "") return inputs;
    const resource = await this.objects.discovery.find(kindOfType(subject.type), this.stop.signal);
    // A kind that is yet to be made is taken for a namespaced one, as by the official plugin.
    return resource?.namespaced === false ? inputs : withNamespace(inputs, this.configuration.namespace);
  }

  private find(object: KubeObject): Promise<KubeObject | undefined> {
    const { name = "", namespace } = object.metadata ?? {};
    return this.objects.get(kindOf(object), name, namespace, this.stop.signal);
  }

  private async readLive(subject: Subject, id: string, state: State): Promise<KubeObject | undefined> {
    const kind = state.inputs["kind"] === undefined ? kindOfType(subject.type) : kindOf(state.inputs);
    const { name, namespace } = parseId(id);
    try {
      const live = await this.objects.get(kind, name, namespace, this.stop.signal);
      return live && { ...live, apiVersion: apiVersionOf(kind), kind: kind.kind };
    } catch (error) {
      if (!(error instanceof UnreachableError) || !this.configuration.deleteUnreachable) throw error;
      subject.info("The cluster cannot be reached: taken for gone");
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
    const force = isAnnotated(object, "patchForce") || this.configuration.force;
    return this.objects.apply(object, {
      manager,
      force,
      dryRun,
      signal: this.stop.signal,
      onWarning: (text) => {
        this.warner(subject)(`${titleOf(object)}: ${text}`);
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

  private async waiting(subject: Subject, object: KubeObject) {
    return {
      cluster: this.objects.cluster,
      path: await this.objects.pathOf(object, this.stop.signal),
      timeout: subject.timeout,
      signal: this.stop.signal,
      status: subject.status,
    };
  }

  private async withoutIgnored(
    object: KubeObject,
    ignored: readonly string[],
    manager: string,
  ): Promise<KubeObject> {
    return ignored.length === 0 ? object : withoutForeign(object, await this.find(object), ignored, manager);
  }

  private verdict(live: KubeObject, inputs?: KubeObject) {
    // The program's annotations count, whoever has changed those of the object.
    const annotations = inputs?.metadata?.annotations ?? live.metadata?.annotations;
    const asked = { ...live, metadata: { ...live.metadata, annotations } };
    return verdictOf(asked, this.objects.cluster, this.stop.signal);
  }

  private async deleteLive(subject: Subject, id: string, state: State): Promise<void> {
    const live = await this.readLive(subject, id, state);
    if (!live) return;
    const { signal } = this.stop;
    const path = await this.objects.pathOf(live, signal);
    const asked = Object.keys(state.inputs).length > 0 ? state.inputs : state.outputs;
    if (!(await this.objects.delete(live, path, propagationPolicy(asked), signal))) return;
    if (isAnnotated(asked, "skipAwait") && SKIPS_DELETION.includes(live.kind ?? "")) return;
    await untilGone(live, await this.waiting(subject, live));
  }

  /** Hands on what the API server warns of, each thing once. */
  private warner(subject: Subject): (text: string) => void {
    return (text) => {
      if (this.configuration.suppressDeprecationWarnings && text.includes("deprecated")) return;
      const key = `${subject.type} ${subject.name} ${text}`;
      if (this.warned.has(key)) return;
      this.warned.add(key);
      subject.warn(text);
    };
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

function statement(verdict: { state: string; what?: string }): string {
  return verdict.state === "waiting"
    ? `not ready: still waiting for ${verdict.what ?? ""}`
    : (verdict.what ?? "");
}
