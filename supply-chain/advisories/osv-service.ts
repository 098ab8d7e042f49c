import { downloadText, exchangeJson } from "../../toolchain/download";
import { type Component, packageName } from "../component";
import { type Finding, patience, type Source } from "./advisory";
import { type Osv, osvFixes, osvSummary } from "./osv";

interface Batch {
  results: { vulns?: { id: string }[] }[];
}

/** Questions that the service takes at once. */
const batchSize = 1000;

/**
 * Asks the OSV service about what no registry tells of: Maven's artifacts and Debian's packages (by Debian's own security
 * tracker). Another address of the same interface: LAKESTACK_OSV_URL.
 */
export const osvService: Source = {
  name: "OSV (Maven, Debian)",
  covers: (component) => subject(component) !== undefined,
  ask: async (components) => {
    const { LAKESTACK_OSV_URL } = process.env;
    const base = (LAKESTACK_OSV_URL ? LAKESTACK_OSV_URL : "https://api.osv.dev").replace(/\/+$/, "");
    const advisories = new Map<string, Osv>();
    const findings: Finding[] = [];
    for (let start = 0; start < components.length; start += batchSize) {
      const some = components.slice(start, start + batchSize);
      const { results } = await ask(base, some);
      for (const [at, component] of some.entries()) {
        for (const { id } of results[at]?.vulns ?? []) {
          const advisory =
            advisories.get(id) ?? (JSON.parse(await downloadText(`${base}/v1/vulns/${id}`, patience)) as Osv);
          advisories.set(id, advisory);
          findings.push(...finding(advisory, component));
        }
      }
    }
    return { findings };
  },
};

async function ask(base: string, components: readonly Component[]): Promise<Batch> {
  const queries = components.map((component) => {
    const { name, ecosystem, version } = subject(component) ?? {};
    return { package: { name, ecosystem }, version };
  });
  return JSON.parse(
    await exchangeJson(`${base}/v1/querybatch`, JSON.stringify({ queries }), patience),
  ) as Batch;
}

/** What the service calls it. Debian's advisories are about source packages of a release. */
function subject(component: Component): { name: string; ecosystem: string; version: string } | undefined {
  const { ecosystem, version, source, qualifiers } = component;
  if (ecosystem === "maven") return { name: packageName(component), ecosystem: "Maven", version };
  const release = /^debian-(\d+)/.exec(qualifiers?.["distro"] ?? "")?.[1];
  if (ecosystem !== "deb" || source === undefined || release === undefined) return undefined;
  return { ...source, ecosystem: `Debian:${release}` };
}

/** Debian tells of every weakness of every package. Only those count that it has mended: building the image anew takes the fix. */
function finding(advisory: Osv, component: Component): Finding[] {
  const of = subject(component);
  if (of === undefined || advisory.withdrawn !== undefined) return [];
  const fixedIn = osvFixes(advisory, of.name, of.ecosystem);
  if (component.ecosystem === "deb" && fixedIn.length === 0) return [];
  const aliases = [...(advisory.aliases ?? []), ...(advisory.upstream ?? [])];
  return [{ id: advisory.id, aliases, component, summary: osvSummary(advisory), fixedIn }];
}
