import { type Command, readOptions } from "./command";
import { type Finding, judge } from "./checks";
import { examineMachine } from "./machine-facts";
import { checkRegistries } from "./registries";

const usage =
  "npm run doctor     checks this machine and says what to do about each finding; exit code 1 if something is in the way";

const marks: Record<Finding["level"], string> = { fine: "✔", warning: "!", blocking: "✘", skipped: "-" };

/** One line a finding, with the remedy below it. */
export function report(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ check }) => check.length));
  return findings
    .flatMap(({ check, level, found, remedy }) => [
      `${marks[level]} ${check.padEnd(width)}  ${found}`,
      ...(remedy === undefined ? [] : [`  ${" ".repeat(width)}  → ${remedy}`]),
    ])
    .join("\n");
}

/** The last line: how many findings need something done. */
export function verdict(findings: readonly Finding[]): string {
  const count = (level: Finding["level"]) => findings.filter((finding) => finding.level === level).length;
  const blocking = count("blocking");
  const warnings = count("warning");
  if (blocking > 0)
    return `${blocking} ${blocking === 1 ? "thing is" : "things are"} in the way of npm run up (✘).`;
  if (warnings > 0) return `Nothing is in the way of npm run up; ${warnings} to know of (!).`;
  return "Nothing is in the way of npm run up.";
}

export const command: Command = {
  usage,
  async run(args, { stack, reporter }) {
    readOptions(usage, args, {});
    const task = reporter.task("Looking at this machine and asking the registries");
    const [facts, registries] = await Promise.all([examineMachine(stack), checkRegistries()]);
    task.done();
    const findings = [...judge(facts), ...registries];
    console.log(`\n${report(findings)}\n\n${verdict(findings)}`);
    return findings.some(({ level }) => level === "blocking") ? 1 : 0;
  },
};
