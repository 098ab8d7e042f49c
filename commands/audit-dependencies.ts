import * as path from "node:path";
import { type Accepted, judge, readAccepted, type Verdict } from "../supply-chain/advisories/accepted";
import { type Answer, askAll, type Finding, type Source } from "../supply-chain/advisories/advisory";
import { goDatabase } from "../supply-chain/advisories/go";
import { npmAudit } from "../supply-chain/advisories/npm";
import { osvService } from "../supply-chain/advisories/osv-service";
import { pypi } from "../supply-chain/advisories/pypi";
import { builtInventories } from "../supply-chain/built-images";
import { packageName, withoutRepeats } from "../supply-chain/component";
import { pinnedInventories } from "../supply-chain/inventory";
import { projectFolder, withoutCredentials } from "../toolchain/index";
import { type Command, messageOf, readOptions, unlessAborted } from "./command";
import { table } from "./table";

const usage = [
  "npm run audit:dependencies                all that is pinned, against what is known of it",
  "npm run audit:dependencies -- --images    what is in the built images, too: Debian's packages, jars within jars",
].join("\n");

export const command: Command = {
  usage,
  async run(args, { stack, reporter, signal }) {
    const { values } = readOptions(usage, args, { images: { type: "boolean", default: false } });
    const accepted = readAccepted(path.join(projectFolder, "advisories.yaml"));
    const task = reporter.task("Known advisories");
    try {
      const inventories = values.images
        ? await builtInventories(stack, { signal, task })
        : pinnedInventories();
      task.update("asking");
      const components = withoutRepeats(inventories.flatMap((inventory) => inventory.components));
      const answers = await unlessAborted(signal, askAll(sources(projectFolder), components, reason));
      const verdict = judge(answers, accepted);
      task.done(`${components.length} packages`);
      console.log(render(answers, verdict));
      return verdict.unlisted.length === 0 ? 0 : 1;
    } catch (error) {
      task.fail(messageOf(error));
      throw error;
    }
  },
};

/** Everything that can be asked; what does not answer is said and fails nothing. */
export function sources(folder: string): Source[] {
  return [npmAudit(folder), pypi, goDatabase, osvService];
}

/** Why a source is silent, in one line. Addresses of registries may hold credentials. */
export function reason(error: unknown): string {
  return withoutCredentials(messageOf(error).split("\n")[0] ?? "");
}

/** Who answered, what is known, and what to do about it. */
export function render(answers: readonly Answer[], { unlisted, listed, stale, unasked }: Verdict): string {
  const sections = [
    table(
      ["source", "packages", "answer"],
      answers.map(({ source, asked, findings, silence }) => [
        source,
        String(asked.length).padStart(8),
        answerText(asked.length, findings.length, silence),
      ]),
    ),
  ];
  const add = (title: string, lines: string[]) => {
    if (lines.length > 0) sections.push([title, ...lines.map((line) => `  ${line}`)].join("\n"));
  };
  add(
    "Listed in advisories.yaml:",
    listed.map(({ finding, entry }) => `${line(finding)}\n    ${entry.mitigation}`),
  );
  add("Listed, and nobody answered who would know:", unasked.map(entryLine));
  add("Listed, and no longer found; take these out of advisories.yaml:", stale.map(entryLine));
  add("Not listed:", unlisted.map(line));
  if (unlisted.length > 0)
    sections.push(
      "Take a version without it (npm run bump), or list it in advisories.yaml with the reason and what is done about it.",
    );
  return sections.join("\n\n");
}

function answerText(asked: number, found: number, silence: string | undefined): string {
  if (asked === 0) return "nothing to ask";
  const findings = `${found} ${found === 1 ? "finding" : "findings"}`;
  if (silence === undefined) return findings;
  return found === 0 ? `nothing known: ${silence}` : `${findings}; nothing known of others: ${silence}`;
}

function line({ id, aliases, component, summary, fixedIn }: Finding): string {
  const names = [id, ...aliases].join(", ");
  const fixed = fixedIn.length === 0 ? "" : ` Without it: ${fixedIn.join(", ")}.`;
  return `${packageName(component)} ${component.version} (${component.foundIn}): ${names}: ${summary}.${fixed}`;
}

const entryLine = (entry: Accepted) => `${entry.package}: ${entry.id}`;
