import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { UserError } from "../../toolchain/user-error";
import { type Component, packageName } from "../component";
import type { Answer, Finding } from "./advisory";

/** A finding that stays, as advisories.yaml lists it. */
export interface Accepted {
  /** Its name or one of its other names. */
  id: string;
  /** As in a bill of materials: `github.com/minio/minio`, `@scope/name`, `group:artifact`. */
  package: string;
  /** Why the package stays as it is. */
  reason: string;
  /** What keeps the weakness from doing harm. */
  mitigation: string;
}

const fields = ["id", "package", "reason", "mitigation"] as const;

/** Reads the list, and refuses it with all its faults. */
export function readAccepted(file: string): Accepted[] {
  let content: unknown;
  try {
    content = parse(readFileSync(file, "utf8"));
  } catch (error) {
    throw refusal(file, [error instanceof Error ? error.message : String(error)]);
  }
  const list = isRecord(content) ? content["accepted"] : undefined;
  if (!Array.isArray(list)) throw refusal(file, ['expected a list under the key "accepted"']);
  const faults = list.flatMap((entry: unknown, at) =>
    entryFaults(entry).map((fault) => `entry ${at + 1}: ${fault}`),
  );
  const entries = list as Accepted[];
  if (faults.length === 0)
    for (const [at, entry] of entries.entries())
      if (entries.findIndex((other) => other.id === entry.id && other.package === entry.package) < at)
        faults.push(`entry ${at + 1}: ${entry.id} of ${entry.package} is listed twice`);
  if (faults.length > 0) throw refusal(file, faults);
  return entries;
}

function entryFaults(entry: unknown): string[] {
  if (!isRecord(entry)) return [`expected ${fields.join(", ")}`];
  return [
    ...fields.flatMap((field) => {
      const value = entry[field];
      return typeof value === "string" && value.trim() !== "" ? [] : [`${field} is missing, expected a text`];
    }),
    ...Object.keys(entry)
      .filter((key) => !(fields as readonly string[]).includes(key))
      .map((key) => `"${key}" is unknown, expected ${fields.join(", ")}`),
  ];
}

function refusal(file: string, faults: string[]): UserError {
  return new UserError(
    `${file} can't be used: ${faults.join("; ")}.`,
    "Mend the file; docs/supply-chain.md has an example.",
  );
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

export interface Verdict {
  /** Neither mended nor listed: these fail the command. */
  unlisted: Finding[];
  /** Found and listed. */
  listed: { finding: Finding; entry: Accepted }[];
  /** Listed, and not found by a source that answered in full about the package. */
  stale: Accepted[];
  /** Listed, and nobody answered who would know. */
  unasked: Accepted[];
}

/** Holds what was found against what is listed. */
export function judge(answers: readonly Answer[], accepted: readonly Accepted[]): Verdict {
  const findings = distinct(answers.flatMap((answer) => answer.findings));
  const entryOf = (finding: Finding) =>
    accepted.find(
      (entry) =>
        entry.package === packageName(finding.component) &&
        [finding.id, ...finding.aliases].includes(entry.id),
    );
  const listed = findings.flatMap((finding) => {
    const entry = entryOf(finding);
    return entry === undefined ? [] : [{ finding, entry }];
  });
  const absent = accepted.filter((entry) => !listed.some((each) => each.entry === entry));
  const answered = (entry: Accepted) =>
    answers.some(
      ({ silence, asked }) =>
        silence === undefined && asked.some((component) => packageName(component) === entry.package),
    );
  return {
    unlisted: findings.filter((finding) => entryOf(finding) === undefined),
    listed,
    stale: absent.filter(answered),
    unasked: absent.filter((entry) => !answered(entry)),
  };
}

/** One of each advisory, package and version, though several images hold it or several sources tell of it. */
function distinct(findings: readonly Finding[]): Finding[] {
  const key = ({ name, namespace, version, ecosystem }: Component) =>
    [ecosystem, namespace, name, version].join(" ");
  return findings.filter(
    (finding, at) =>
      findings.findIndex(
        (other) =>
          key(other.component) === key(finding.component) &&
          [other.id, ...other.aliases].some((id) => [finding.id, ...finding.aliases].includes(id)),
      ) === at,
  );
}
