import { createHash, randomBytes } from "node:crypto";
import type Docker from "dockerode";
import { dockerClient } from "../docker-client";
import type { Created, Diff, Fault, Provider, State, Subject, Values } from "../plugin-protocol/provider";
import { UNKNOWN } from "../plugin-protocol/provider";
import { container } from "./container/container";
import { network } from "./network";
import { checkInputs, DEFAULTS, differences, readInputs } from "./property-table";
import { remoteImage } from "./remote-image";
import { registryImage } from "./registry-image";
import type { RegistryLogin, ResourceType, Work } from "./resource-type";
import { INCOMPLETE } from "./resource-type";
import { tag } from "./tag";
import { volume } from "./volume";

/** The official plugin's types that this one has. */
const TYPES: Record<string, ResourceType> = {
  "docker:index/network:Network": network,
  "docker:index/volume:Volume": volume,
  "docker:index/remoteImage:RemoteImage": remoteImage,
  "docker:index/container:Container": container,
  "docker:index/tag:Tag": tag,
  "docker:index/registryImage:RegistryImage": registryImage,
};

/** The `docker` provider. */
export class DockerProvider implements Provider {
  readonly secretsBy = "property";

  private docker: Docker | undefined;
  private logins: RegistryLogin[] = [];
  private readonly stop = new AbortController();

  /** Says what is wrong with the provider's configuration. */
  checkConfig(config: Values): Fault[] {
    const ignored = ["host", "registryAuth", "version", "pluginDownloadURL"];
    return Object.keys(config)
      .filter((name) => !ignored.includes(name) && !name.startsWith("__"))
      .map((name) => ({
        path: name,
        reason: "not supported by the stand-in; supported: host, registryAuth",
      }));
  }

  configure(config: Values): void {
    // The client looks there first, then at the current context and the usual sockets.
    if (typeof config["host"] === "string" && config["host"] !== "")
      process.env["DOCKER_HOST"] = config["host"];
    // Lists of a provider's configuration come as JSON.
    if (typeof config["registryAuth"] === "string" && config["registryAuth"] !== UNKNOWN)
      this.logins = JSON.parse(config["registryAuth"]) as RegistryLogin[];
  }

  /** @param seed what a made-up name is derived from, so that a preview shows the one that an update uses */
  check(subject: Subject, olds: Values, news: Values, seed: Buffer): { inputs: Values; faults: Fault[] } {
    const type = TYPES[subject.type];
    if (!type) {
      const supported = Object.keys(TYPES).join(", ");
      return {
        inputs: news,
        faults: [
          { path: "", reason: `${subject.type} is not supported by the stand-in; supported: ${supported}` },
        ],
      };
    }
    if (!type.autoName || (news["name"] ?? "") !== "") return checkInputs(type.table, news);

    const name = isAutoNamed(olds) ? olds["name"] : autoName(subject.name, seed);
    const { inputs, faults } = checkInputs(type.table, { ...news, name });
    const defaults = (inputs[DEFAULTS] ?? []) as string[];
    return { inputs: { ...inputs, [DEFAULTS]: [...defaults, "name"] }, faults };
  }

  /** @param ignored properties whose differences do not count */
  diff(subject: Subject, state: State, news: Values, ignored: string[] = []): Diff {
    const type = typeOf(subject);
    const all = differences<never, never>(type.table, state, news);
    const counted = all.filter(({ property }) => !ignored.includes(property));
    const found = counted.map((difference) =>
      // The engine can change a limit, but not take it away.
      difference.change === "update" && difference.kind === "delete"
        ? { ...difference, change: "replace" as const }
        : difference,
    );
    const isIncomplete = INCOMPLETE in state.outputs;
    const isNewName = found.some(({ property }) => property === "name");
    return {
      differences: found,
      replace: isIncomplete || found.some(({ change }) => change === "replace"),
      // The old one holds the name that the new one is to have.
      deleteBeforeReplace: type.deleteBeforeReplace || (type.autoName && !isAutoNamed(news) && !isNewName),
    };
  }

  async create(subject: Subject, inputs: Values): Promise<Created> {
    return typeOf(subject).create(inputs, this.work(subject));
  }

  /** Undefined if the resource is gone. */
  async read(
    subject: Subject,
    id: string,
    state: State,
  ): Promise<(Created & { inputs: Values }) | undefined> {
    const type = typeOf(subject);
    const found = await type.read(id, state.outputs, this.work(subject));
    return (
      found && {
        ...found,
        inputs: readInputs<never, never>(type.table, state.inputs, state.outputs, found.outputs),
      }
    );
  }

  async update(subject: Subject, id: string, { outputs }: State, inputs: Values): Promise<Values> {
    const type = typeOf(subject);
    return type.update ? type.update(id, outputs, inputs, this.work(subject)) : { ...outputs, ...inputs };
  }

  async delete(subject: Subject, id: string, { outputs }: State): Promise<void> {
    await typeOf(subject).delete(id, outputs, this.work(subject));
  }

  /** Ends all waiting. */
  cancel(): void {
    this.stop.abort();
  }

  private work({ name, info, status, timeout }: Subject): Work {
    this.stop.signal.throwIfAborted();
    const limit = timeout > 0 ? [limitOfTime(timeout * 1000)] : [];
    this.docker ??= dockerClient();
    return {
      docker: this.docker,
      logins: this.logins,
      name,
      info,
      status,
      signal: AbortSignal.any([this.stop.signal, ...limit]),
    };
  }
}

/** `AbortSignal.timeout` is lost when memory is tidied: `AbortSignal.any` refers to it weakly, and nothing else does. */
function limitOfTime(ms: number): AbortSignal {
  const limit = new AbortController();
  const end = () => {
    limit.abort(new DOMException("The limit of time has passed", "TimeoutError"));
  };
  setTimeout(end, ms).unref();
  return limit.signal;
}

function typeOf({ type }: Subject): ResourceType {
  const found = TYPES[type];
  if (!found) throw new Error(`${type} is not supported by the stand-in`);
  return found;
}

function isAutoNamed(inputs: Values): boolean {
  const defaults = inputs[DEFAULTS];
  return Array.isArray(defaults) && defaults.includes("name");
}

/** The official plugin's form: the resource's name and seven hex digits. */
function autoName(name: string, seed: Buffer): string {
  const source = seed.length > 0 ? seed : randomBytes(32);
  return `${name}-${createHash("sha256").update(source).digest("hex").slice(0, 7)}`;
}
