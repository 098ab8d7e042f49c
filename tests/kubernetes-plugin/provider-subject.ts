import { KubernetesProvider } from "../../toolchain/kubernetes-plugin/provider";
import type { Diff, Fault, State, Subject, Values } from "../../toolchain/plugin-protocol/provider";
import { kubeconfig } from "./cluster";

/** A resource as the engine would keep it. */
export interface Kept extends State {
  id: string;
}

/** Calls the provider as the engine does: check before everything else, the state kept between the calls. */
export class Harness {
  readonly messages: string[] = [];
  readonly warnings: string[] = [];
  readonly provider = new KubernetesProvider();
  private calls = 0;

  constructor(
    private readonly namespace: string,
    config: Values = {},
  ) {
    this.provider.configure({ kubeconfig, namespace, ...config });
  }

  subject(type: string, timeout = 0): Subject {
    const tell = (text: string) => this.messages.push(text);
    return {
      type,
      name: "subject",
      timeout,
      info: tell,
      status: tell,
      warn: (text) => this.warnings.push(text),
    };
  }

  async check(type: string, news: Values, olds: Values = {}): Promise<{ inputs: Values; faults: Fault[] }> {
    const seed = Buffer.from(`${this.namespace} ${this.calls++}`);
    return this.provider.check(this.subject(type), olds, withKind(type, news), seed);
  }

  async faults(type: string, news: Values, olds: Values = {}): Promise<string[]> {
    const { faults } = await this.check(type, news, olds);
    return faults.map(({ path, reason }) => `${path}: ${reason}`);
  }

  async inputs(type: string, news: Values, olds: Values = {}): Promise<Values> {
    const { inputs, faults } = await this.check(type, news, olds);
    if (faults.length > 0) throw new Error(faults.map(({ path, reason }) => `${path}: ${reason}`).join("; "));
    return inputs;
  }

  async create(type: string, news: Values, timeout = 0): Promise<Kept> {
    const inputs = await this.inputs(type, news);
    const { id, outputs } = await this.provider.create(this.subject(type, timeout), inputs);
    return { id, outputs, inputs };
  }

  /** What a refresh finds; undefined if it is gone. */
  async refresh(type: string, kept: Kept): Promise<Kept | undefined> {
    return this.provider.read(this.subject(type), kept.id, kept);
  }

  async import(type: string, id: string): Promise<Kept | undefined> {
    return this.provider.read(this.subject(type), id, { inputs: {}, outputs: {} });
  }

  async diff(type: string, kept: Kept, news: Values): Promise<Diff> {
    return this.provider.diff(this.subject(type), kept, await this.inputs(type, news, kept.inputs));
  }

  /** `property:change` for each difference, in order. */
  async differences(type: string, kept: Kept, news: Values): Promise<string[]> {
    const { differences } = await this.diff(type, kept, news);
    return differences.map(({ property, change }) => `${property}:${change}`).sort();
  }

  async update(type: string, kept: Kept, news: Values, ignored: string[] = []): Promise<Kept> {
    const inputs = await this.inputs(type, news, kept.inputs);
    const outputs = await this.provider.update(this.subject(type), kept.id, kept, inputs, ignored);
    return { id: kept.id, outputs, inputs };
  }

  async delete(type: string, kept: Kept, timeout = 0): Promise<void> {
    await this.provider.delete(this.subject(type, timeout), kept.id, kept);
  }
}

/** As the SDK does it. */
function withKind(type: string, news: Values): Values {
  const [, module = "", kind = ""] = type.split(":");
  return { apiVersion: module.replace(/^core\//, ""), kind, ...news };
}
