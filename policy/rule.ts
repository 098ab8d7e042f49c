import { property, type Subject, unknown } from "./subject";

/** What the people who run a stack have decided, where a rule leaves them a choice. All are false unless said. */
export interface Options {
  /** The stack is a throw-away one (`awsEphemeral`): it protects no data. */
  throwAway?: boolean;
  /** The machine is meant to be reached: containers may publish ports on its other addresses, too. */
  openHost?: boolean;
  /** Nobody listens between users and the cluster (`trustedNetwork`): doors may do without TLS. */
  trustedNetwork?: boolean;
}

/** What one resource must be like. */
export interface Rule {
  name: string;
  description: string;
  types: string[];
  /** The option that it heeds. Default: none. */
  option?: keyof Options;
  /** @returns what is wrong, each as a sentence without its subject. A message never holds a value that may be secret. */
  check: (subject: Subject, options: Options) => string[];
}

/** Stands for any value at all in `expected`. */
export const present = Symbol("any value");

/** Faults of properties that must have a value. Those that are not known yet have none. */
export function expected(subject: Subject, values: Record<string, unknown>): string[] {
  return Object.entries(values).flatMap(([path, wanted]) => {
    const found = property(subject, path);
    if (found === unknown || found === wanted) return [];
    if (wanted === present && found !== undefined && found !== "") return [];
    return [`${path} is ${said(found)}, expected ${wanted === present ? "a value" : JSON.stringify(wanted)}`];
  });
}

/** Faults of a property that must be a number of so many or more. */
export function atLeast(subject: Subject, path: string, least: number): string[] {
  const found = property(subject, path);
  if (found === unknown || (typeof found === "number" && found >= least)) return [];
  return [`${path} is ${said(found)}, expected ${least} or more`];
}

/** A value in words. */
export const said = (value: unknown) => (value === undefined ? "not set" : JSON.stringify(value));
