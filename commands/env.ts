import { ensurePulumi } from "../toolchain/index";
import { type Command, readOptions } from "./command";

const usage =
  'eval "$(npm run -s env)"     puts pulumi, its state and its passphrase within this shell\'s reach';

/** One `export` line a variable, safe for any POSIX shell. */
export function exportLines(env: Readonly<Record<string, string>>): string {
  return Object.entries(env)
    .map(([name, value]) => `export ${name}='${value.replaceAll("'", "'\\''")}'`)
    .join("\n");
}

export const command: Command = {
  usage,
  async run(args, { reporter }) {
    readOptions(usage, args, {});
    const { env } = await ensurePulumi(reporter);
    console.log(exportLines(env));
    return 0;
  },
};
