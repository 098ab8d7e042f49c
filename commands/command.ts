import { parseArgs, type ParseArgsConfig } from "node:util";
import { type Reporter, UserError } from "../toolchain/index";

/** What every command is given. */
export interface Context {
  /** Name of the stack that the command works on. */
  stack: string;
  reporter: Reporter;
  /** Aborted by Ctrl-C. A command that holds something half done finishes or undoes it, then rejects. */
  signal: AbortSignal;
}

/** One command of `npm run`. */
export interface Command {
  /** How it is called, with its options, one a line. Shown by --help and when an option is wrong. */
  usage: string;
  /** @returns the exit code. */
  run(args: readonly string[], context: Context): Promise<number>;
  /** What to do next after Ctrl-C, where there is more to say than "run it again". */
  afterInterrupt?: string;
}

/** The options of a command, parsed; a wrong one is answered with the usage. */
export function readOptions<O extends NonNullable<ParseArgsConfig["options"]>>(
  usage: string,
  args: readonly string[],
  options: O,
  allowPositionals = false,
) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals, strict: true });
  } catch (error) {
    throw new UserError(error instanceof Error ? error.message : String(error), usage);
  }
}

/** The number that an option gives; anything else is answered with the usage. */
export function wholeNumber(
  usage: string,
  option: string,
  value: string,
  least: number,
  most: number,
): number {
  const number = Number(value);
  if (!Number.isInteger(number) || number < least || number > most) {
    throw new UserError(`${option} is "${value}", expected a whole number from ${least} to ${most}.`, usage);
  }
  return number;
}

/** Rejects as soon as the signal is aborted, whatever becomes of the work. */
export async function unlessAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  signal.throwIfAborted();
  let abort: () => void = () => undefined;
  const aborted = new Promise<never>((_, reject) => {
    abort = () => {
      reject(signal.reason as Error);
    };
    signal.addEventListener("abort", abort, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/** The message of whatever was thrown. */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === "")
    return error.errors.map((each) => messageOf(each)).join("; ");
  if (!(error instanceof Error)) return String(error);
  // fetch says only that it failed; why is in the cause.
  return error.cause instanceof Error ? `${error.message}: ${messageOf(error.cause)}` : error.message;
}
