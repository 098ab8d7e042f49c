/** Values of a resource's properties by name, as they come and go by the protocol. */
export type Values = Record<string, unknown>;

/** What stands for a value that is not known yet, in a preview. Defined by the protocol. */
export const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/** A fault in the inputs of a resource: where, and what is wrong. */
export interface Fault {
  /** For example `ports[0].internal`. */
  path: string;
  reason: string;
}

/** Which resource a request is about. */
export interface Subject {
  type: string;
  /** The last part of the URN. */
  name: string;
  /** Tells the user for good. */
  info: (text: string) => void;
  /** Tells the user for good, as something to look into. */
  warn: (text: string) => void;
  /** Tells the user for now: the next status takes its place. */
  status: (text: string) => void;
  /** Seconds that the user gives the operation; 0 for no limit. */
  timeout: number;
}

/** What the engine has on record of a resource. */
export interface State {
  outputs: Values;
  inputs: Values;
}

/** A resource that is there, as it goes into the engine's record. */
export interface Created {
  id: string;
  outputs: Values;
}

/**
 * What a change of a property means: a new resource, a change of the existing one, or nothing but a note in the state
 * (how the provider goes about things the next time).
 */
export type Change = "replace" | "update" | "note";

/** A property whose wanted value is not what is on record. */
export interface Difference {
  /** A path, for example `labels` or `spec.ports[0].port`. */
  property: string;
  kind: "add" | "delete" | "update";
  change: Change;
  /** The value on record is an input, not an output. */
  amongInputs: boolean;
}

export interface Diff {
  differences: Difference[];
  replace: boolean;
  deleteBeforeReplace: boolean;
}

type Answer<T> = T | Promise<T>;

/** A provider without its protocol: plain values in and out, no secrets' marks. */
export interface Provider {
  /** Says what is wrong with the provider's configuration. */
  checkConfig(config: Values): Answer<Fault[]>;

  /** Whether a change of the configuration means another provider, and so other resources. Absent: it never does. */
  diffConfig?(olds: Values, news: Values): Answer<Diff>;

  configure(config: Values): Answer<void>;

  /** Answers a function of the program. Absent: every one is refused by its name. */
  invoke?(token: string, args: Values): Answer<Values>;

  /** @param seed what a made-up name is derived from, so that a preview shows the one that an update uses */
  check(
    subject: Subject,
    olds: Values,
    news: Values,
    seed: Buffer,
  ): Answer<{ inputs: Values; faults: Fault[] }>;

  /** @param ignored properties whose differences do not count */
  diff(subject: Subject, state: State, news: Values, ignored: string[]): Answer<Diff>;

  create(subject: Subject, inputs: Values): Promise<Created>;

  /** The outputs that a creation will have. Absent: the inputs; what is left out is unknown to the program. */
  previewCreate?(subject: Subject, inputs: Values): Answer<Values>;

  /**
   * Undefined if the resource is gone. When one is imported, the state is empty and the ID all that is known.
   */
  read(subject: Subject, id: string, state: State): Promise<(Created & { inputs: Values }) | undefined>;

  /**
   * Returns the new outputs.
   *
   * @param ignored properties whose differences do not count
   */
  update(subject: Subject, id: string, state: State, inputs: Values, ignored: string[]): Promise<Values>;

  /** The outputs that an update will have. Absent: those on record with the inputs over them. */
  previewUpdate?(
    subject: Subject,
    id: string,
    state: State,
    inputs: Values,
    ignored: string[],
  ): Answer<Values>;

  delete(subject: Subject, id: string, state: State): Promise<void>;

  /** Ends all waiting. */
  cancel(): void;

  /** Properties of a type that are secret whether the program says so or not. Absent: none. */
  secretProperties?(type: string): readonly string[];

  /** How finely secrets are marked: the whole property that holds one, or only the part of the object that is one. */
  readonly secretsBy: "property" | "part";
}

/** The resource is there, but not as it should be: the engine keeps it in the state, and the next `up` mends it. */
export class IncompleteError extends Error {
  override readonly name = "IncompleteError";

  constructor(
    message: string,
    readonly id: string,
    readonly outputs: Values,
    /** The inputs on record from now on; absent, those of the request. */
    readonly inputs?: Values,
  ) {
    super(message);
  }
}
