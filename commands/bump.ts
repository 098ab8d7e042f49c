import { readFileSync } from "node:fs";
import * as path from "node:path";
import { apply, names, planBump } from "../supply-chain/bump/index";
import { projectFolder, UserError } from "../toolchain/index";
import { type Command, messageOf, readOptions, unlessAborted } from "./command";

const usage = [
  "npm run bump -- NAME VERSION    another version in versions.json, its hashes, and the lock files that follow",
  `NAME: ${[...names(projectFolder).keys()].join(", ")}`,
].join("\n");

export const command: Command = {
  usage,
  async run(args, { reporter, signal }) {
    const { positionals } = readOptions(usage, args, {}, true);
    const [name, version, ...others] = positionals;
    if (name === undefined || version === undefined || others.length > 0)
      throw new UserError("Expected a name and a version.", usage);
    const task = reporter.task(`${name} ${version}`);
    try {
      const changes = await unlessAborted(signal, planBump(projectFolder, name, version, task));
      const changed = [...changes].filter(
        ([file, text]) => readFileSync(path.join(projectFolder, file), "utf8") !== text,
      );
      apply(projectFolder, new Map(changed));
      task.done(changed.length === 0 ? "nothing to change" : changed.map(([file]) => file).join(", "));
      if (changed.length > 0)
        console.log("Next: npm run audit:dependencies, npm test, and the notes of the new version.");
      return 0;
    } catch (error) {
      task.fail(messageOf(error));
      throw error;
    }
  },
};
