import { withoutCredentials } from "../../toolchain/credentials";
import { CommandFailed, run, type RunOptions } from "../../toolchain/run";
import { UserError } from "../../toolchain/user-error";

/**
 * Runs a program that the user has to have.
 *
 * @param install how to get it, as an instruction.
 * @throws UserError with its last words if it is missing or fails.
 */
export async function runProgram(
  name: string,
  args: readonly string[],
  install: string,
  options: RunOptions,
): Promise<string> {
  try {
    return await run(name, args, options);
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error;
    const missing = error.message.includes("ENOENT");
    const lines = error.output.split("\n").filter((line) => line.trim() !== "");
    const said = withoutCredentials(lines.slice(-8).join("\n"));
    throw new UserError(
      missing ? `${name} is not on the PATH.` : `${error.message}${said === "" ? "." : `:\n${said}`}`,
      missing
        ? `${install}, then run the command again.`
        : "Nothing has been changed. See whether there is such a version, and whether its registry answers (npm run doctor).",
      { cause: error },
    );
  }
}
