import { writeFileSync } from "node:fs";
import { type Command, readOptions } from "./command";
import { currentReference } from "./configuration-reference";

const usage = "npm run docs     writes docs/configuration.md anew from Pulumi.yaml";

export const command: Command = {
  usage,
  run(args) {
    readOptions(usage, args, {});
    writeFileSync("docs/configuration.md", currentReference());
    console.log("Wrote docs/configuration.md");
    return Promise.resolve(0);
  },
};
