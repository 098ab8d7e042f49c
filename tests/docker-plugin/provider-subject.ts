import { DockerProvider } from "../../toolchain/docker-plugin/provider";
import type { Fault, State, Subject, Values } from "../../toolchain/plugin-protocol/provider";

export const CONTAINER = "docker:index/container:Container";
export const IMAGE = "docker:index/remoteImage:RemoteImage";
export const NETWORK = "docker:index/network:Network";
export const TAG = "docker:index/tag:Tag";
export const REGISTRY_IMAGE = "docker:index/registryImage:RegistryImage";
export const VOLUME = "docker:index/volume:Volume";

/** A resource as the engine would keep it. */
export interface Kept extends State {
  id: string;
}

/** Calls the provider as the engine does: check before everything else, the state kept between the calls. */
export class Harness {
  readonly messages: string[] = [];

  constructor(readonly provider = new DockerProvider()) {}

  subject(type: string, timeout = 0): Subject {
    const tell = (text: string) => this.messages.push(text);
    return { type, name: "subject", timeout, info: tell, warn: tell, status: tell };
  }

  faults(type: string, news: Values): Fault[] {
    return this.provider.check(this.subject(type), {}, news, Buffer.from("seed")).faults;
  }

  inputs(type: string, news: Values, olds: Values = {}): Values {
    const { inputs, faults } = this.provider.check(this.subject(type), olds, news, Buffer.from("seed"));
    if (faults.length > 0) throw new Error(faults.map(({ path, reason }) => `${path}: ${reason}`).join("; "));
    return inputs;
  }

  async create(type: string, news: Values): Promise<Kept> {
    const inputs = this.inputs(type, news);
    const { id, outputs } = await this.provider.create(this.subject(type), inputs);
    return { id, outputs, inputs };
  }

  /** What a refresh finds; undefined if it is gone. */
  async refresh(type: string, kept: Kept): Promise<Kept | undefined> {
    return this.provider.read(this.subject(type), kept.id, kept);
  }

  /** `property:replace`, `property:update` or `property:note` for each difference, in order. */
  differences(type: string, kept: Kept, news: Values): string[] {
    const diff = this.provider.diff(this.subject(type), kept, this.inputs(type, news, kept.inputs));
    return diff.differences.map(({ property, change }) => `${property}:${change}`).sort();
  }

  diff(type: string, kept: Kept, news: Values) {
    return this.provider.diff(this.subject(type), kept, this.inputs(type, news, kept.inputs));
  }

  async update(type: string, kept: Kept, news: Values): Promise<Kept> {
    const inputs = this.inputs(type, news, kept.inputs);
    const outputs = await this.provider.update(this.subject(type), kept.id, kept, inputs);
    return { id: kept.id, outputs, inputs };
  }

  async delete(type: string, kept: Kept): Promise<void> {
    await this.provider.delete(this.subject(type), kept.id, kept);
  }
}
