import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { downloadText } from "../../toolchain/download";
import type { Component } from "../component";
import { type Finding, patience, type Source } from "./advisory";
import { affectsGoModule, type Osv, osvFixes, osvSummary } from "./osv";

interface ModuleEntry {
  path: string;
  vulns: { id: string }[];
}

/**
 * Asks Go's vulnerability database: the public one, or what GOVULNDB names, as for Go's own tools; a file: URL of a copy, too.
 * It is asked for its index and for what that has of our modules, so it does not learn what they are.
 */
export const goDatabase: Source = {
  name: "Go vulnerability database",
  covers: ({ ecosystem }) => ecosystem === "golang",
  ask: async (components) => {
    const { GOVULNDB } = process.env;
    const base = (GOVULNDB ? GOVULNDB : "https://vuln.go.dev").replace(/\/+$/, "");
    const index = JSON.parse(await fetchText(`${base}/index/modules.json`)) as ModuleEntry[];
    const ids = new Map(index.map(({ path, vulns }) => [path, vulns.map(({ id }) => id)]));
    const advisories = new Map<string, Osv>();
    const findings: Finding[] = [];
    for (const component of components) {
      for (const id of ids.get(component.name) ?? []) {
        const advisory = advisories.get(id) ?? (JSON.parse(await fetchText(`${base}/ID/${id}.json`)) as Osv);
        advisories.set(id, advisory);
        findings.push(...finding(advisory, component));
      }
    }
    return { findings };
  },
};

function finding(advisory: Osv, component: Component): Finding[] {
  const { name, version } = component;
  if (advisory.withdrawn !== undefined || !affectsGoModule(advisory, name, version)) return [];
  return [
    {
      id: advisory.id,
      aliases: advisory.aliases ?? [],
      component,
      summary: osvSummary(advisory),
      fixedIn: osvFixes(advisory, name, "Go"),
    },
  ];
}

async function fetchText(url: string): Promise<string> {
  return url.startsWith("file:") ? readFile(fileURLToPath(url), "utf8") : downloadText(url, patience);
}
