import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import * as path from "node:path";
import { billOfMaterials, type Subject } from "../supply-chain/bill-of-materials";
import { builtInventories } from "../supply-chain/built-images";
import { type Inventory, pinnedInventories } from "../supply-chain/inventory";
import { projectFolder } from "../toolchain/index";
import { type Command, messageOf, readOptions } from "./command";
import { table } from "./table";

const usage = [
  "npm run sbom                       a bill of materials for each image and for the npm packages, in sbom/",
  "npm run sbom -- --output FOLDER    into another folder",
  "npm run sbom -- --pinned           from the lock files only; built images are not looked into",
].join("\n");

export const command: Command = {
  usage,
  async run(args, { stack, reporter, signal }) {
    const { values } = readOptions(usage, args, {
      output: { type: "string", default: path.join(projectFolder, "sbom") },
      pinned: { type: "boolean", default: false },
    });
    const task = reporter.task("Bills of materials");
    try {
      const inventories = values.pinned
        ? pinnedInventories()
        : await builtInventories(stack, { signal, task });
      const project = await subject();
      await mkdir(values.output, { recursive: true });
      // A bill of something that is no more would be taken for one of today's.
      for (const file of await readdir(values.output))
        if (file.endsWith(".cdx.json")) await rm(path.join(values.output, file));
      for (const inventory of inventories)
        await writeFile(
          path.join(values.output, `${inventory.name}.cdx.json`),
          billOfMaterials(inventory, project),
        );
      task.done(`${inventories.length} files in ${path.relative(process.cwd(), values.output) || "."}`);
      console.log(render(inventories));
      return 0;
    } catch (error) {
      task.fail(messageOf(error));
      throw error;
    }
  },
};

/** What the bills hold, a line each. */
export function render(inventories: readonly Inventory[]): string {
  return table(
    ["bill of materials", "packages", "from"],
    inventories.map(({ name, components, source }) => [
      `${name}.cdx.json`,
      String(components.length).padStart(8),
      source,
    ]),
  );
}

async function subject(): Promise<Subject> {
  const text = await readFile(path.join(projectFolder, "package.json"), "utf8");
  const { name, version, license } = JSON.parse(text) as Record<"name" | "version" | "license", string>;
  return { name, version, licence: license };
}
