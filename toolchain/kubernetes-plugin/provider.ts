import type { Created, Diff, Fault, Provider, State, Subject, Values } from "../plugin-protocol/provider";
import { annotationFaults, isAnnotated } from "./annotations";
import { Cluster } from "./cluster";
import {
  type Configuration,
  configurationDiff,
  configurationFaults,
  readConfiguration,
} from "./configuration";
import { differences } from "./differences";
import { judge } from "./judgement";
import { kindOf, kindOfType, textAt } from "./kube-object";
import { Lifecycle } from "./lifecycle";
import { withFieldManager, withName, withNamespace } from "./names";
import { Objects } from "./objects";
import { createdOutputs } from "./preview";
import { refusalOf } from "./refusal";

interface Connection {
  configuration: Configuration;
  objects: Objects;
  lifecycle: Lifecycle;
}

/** The `kubernetes` provider. */
export class KubernetesProvider implements Provider {
  readonly secretsBy = "part";
  private config: Values = {};
  private connected: Connection | undefined;
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
    const { objects } = this.connection;
    return {
      inputs,
      faults: await judge(this.heard(subject), objects, { olds, news: inputs }, this.stop.signal),
    };
  }

  async diff(subject: Subject, state: State, news: Values, ignored: string[] = []): Promise<Diff> {
    const found = differences(state, news, ignored, this.connection.configuration.mutability);
    if (!isAnnotated(news, "replaceUnready")) return found;
    if (kindOf(news).kind !== "Job") {
      subject.warn("the annotation pulumi.com/replaceUnready is for Jobs only");
      return found;
    }
    const isUnready = await this.connection.lifecycle.isUnready(news);
    return isUnready ? { ...found, replace: true } : found;
  }

  async create(subject: Subject, inputs: Values): Promise<Created> {
    return this.connection.lifecycle.create(this.heard(subject), inputs);
  }

  previewCreate(_: Subject, inputs: Values): Values {
    return createdOutputs(inputs);
  }

  async read(
    subject: Subject,
    id: string,
    state: State,
  ): Promise<(Created & { inputs: Values }) | undefined> {
    return this.connection.lifecycle.read(subject, id, state);
  }

  async update(
    subject: Subject,
    _: string,
    state: State,
    inputs: Values,
    ignored: readonly string[] = [],
  ): Promise<Values> {
    return this.connection.lifecycle.update(this.heard(subject), state, inputs, ignored);
  }

  async previewUpdate(
    subject: Subject,
    _: string,
    state: State,
    inputs: Values,
    ignored: readonly string[] = [],
  ): Promise<Values> {
    return this.connection.lifecycle.previewUpdate(this.heard(subject), state, inputs, ignored);
  }

  async delete(subject: Subject, id: string, state: State): Promise<void> {
    await this.connection.lifecycle.delete(subject, id, state);
  }

  cancel(): void {
    this.stop.abort();
  }

  /** Made at first use: a provider that nothing uses needs no cluster. */
  private get connection(): Connection {
    if (!this.connected) {
      const configuration = readConfiguration(this.config);
      const objects = new Objects(new Cluster(configuration.access));
      const lifecycle = new Lifecycle(objects, configuration, this.stop.signal);
      this.connected = { configuration, objects, lifecycle };
    }
    return this.connected;
  }

  private async inNamespace(subject: Subject, inputs: Values): Promise<Values> {
    if ((textAt(inputs, "metadata", "namespace") ?? "") !== "") return inputs;
    const { objects, configuration } = this.connection;
    const resource = await objects.discovery.find(kindOfType(subject.type), this.stop.signal);
    // A kind that is yet to be made is taken for a namespaced one, as by the official plugin.
    return resource?.namespaced === false ? inputs : withNamespace(inputs, configuration.namespace);
  }

  /** Hands on what the API server warns of once only: a check and what follows it hear the same. */
  private heard(subject: Subject): Subject {
    const warn = (text: string) => {
      if (this.connection.configuration.suppressDeprecationWarnings && text.includes("deprecated")) return;
      const key = `${subject.type} ${subject.name} ${text}`;
      if (this.warned.has(key)) return;
      this.warned.add(key);
      subject.warn(text);
    };
    return { ...subject, warn };
  }
}
