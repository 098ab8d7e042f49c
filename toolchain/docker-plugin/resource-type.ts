import type Docker from "dockerode";
import type { Created, Values } from "../plugin-protocol/provider";
import type { AnyTable } from "./property-table";

/** A registry's address, and whom it knows. */
export interface RegistryLogin {
  address: string;
  username?: string;
  password?: string;
}

/** What a resource's methods have at hand while they work. */
export interface Work {
  docker: Docker;
  /** How to log in to registries. */
  logins: RegistryLogin[];
  /** The resource's name in the program, for messages. */
  name: string;
  /** Tells the user for good. */
  info: (text: string) => void;
  /** Tells the user for now: the next status takes its place. */
  status: (text: string) => void;
  /** Aborted when the user presses Ctrl-C. */
  signal: AbortSignal;
}

/**
 * A type of resource. The inputs that its methods get have passed its table's check; the outputs on record come from its
 * own methods, or from the official plugin's.
 */
export interface ResourceType {
  table: AnyTable<never, never>;
  /** The name is made up where none is given. */
  autoName: boolean;
  /** The old one must go before the new one can come, whatever changes. */
  deleteBeforeReplace: boolean;
  create(inputs: Values, work: Work): Promise<Created>;
  /** Undefined if it is gone. */
  read(id: string, recorded: Values, work: Work): Promise<Created | undefined>;
  /** Returns the new outputs. Absent where no property is updated in place. */
  update?(id: string, recorded: Values, inputs: Values, work: Work): Promise<Values>;
  /** One that is gone already is no error. */
  delete(id: string, recorded: Values, work: Work): Promise<void>;
}

/** Set in the outputs of a resource that failed while it was made. */
export const INCOMPLETE = "__incomplete";
