import { downloadText } from "../../toolchain/download";
import type { Component } from "../component";
import { type Finding, patience, type Source } from "./advisory";
import { pipIndex } from "./pip-index";

interface Release {
  vulnerabilities?: {
    id: string;
    aliases?: string[];
    summary?: string | null;
    details?: string;
    fixed_in?: string[];
    withdrawn?: string | null;
  }[];
}

/** Requests at a time. */
const width = 4;

/**
 * Asks the Python package index for what it knows of each release, by the JSON interface beside the index that pip uses. Not
 * every mirror has it.
 */
export const pypi: Source = {
  name: "Python package index",
  covers: ({ ecosystem }) => ecosystem === "pypi",
  ask: async (components) => {
    const index = (await pipIndex()).replace(/\/simple$/, "/pypi");
    // One alone first: where the interface is missing, one request tells.
    const [first, ...others] = components;
    if (first === undefined) return { findings: [] };
    const findings = await askRelease(index, first);
    const unknown: string[] = [];
    const queue = others.values();
    const worker = async () => {
      for (const component of queue) {
        try {
          findings.push(...(await askRelease(index, component)));
        } catch {
          unknown.push(component.name);
        }
      }
    };
    await Promise.all(Array.from({ length: width }, worker));
    return unknown.length === 0
      ? { findings }
      : { findings, silence: `no answer about ${unknown.toSorted().join(", ")}` };
  },
};

async function askRelease(index: string, component: Component): Promise<Finding[]> {
  const { name, version } = component;
  const text = await downloadText(
    `${index}/${encodeURIComponent(name)}/${encodeURIComponent(version)}/json`,
    patience,
  );
  const { vulnerabilities } = JSON.parse(text) as Release;
  if (vulnerabilities === undefined) throw new Error("the index does not say what it knows of weaknesses");
  return vulnerabilities
    .filter(({ withdrawn }) => !withdrawn)
    .map(({ id, aliases, summary, details, fixed_in }) => ({
      id,
      aliases: aliases ?? [],
      component,
      summary: summary ?? details?.split("\n")[0] ?? "",
      fixedIn: fixed_in ?? [],
    }));
}
