import { execFile } from "node:child_process";
import { type Component, packageName } from "../component";
import { type Finding, patience, type Source } from "./advisory";

interface Via {
  name: string;
  title: string;
  url: string;
  range: string;
}

interface Report {
  message?: string;
  error?: { summary?: string };
  vulnerabilities?: Record<string, { via: (Via | string)[]; nodes: string[] }>;
}

/** All of npm's own work, in milliseconds: it asks once for all packages. */
const limit = 90_000;

/**
 * Asks the npm registry through npm itself, which knows the user's registry, credentials, proxy and certificates.
 *
 * @param folder that has the package-lock.json.
 */
export function npmAudit(folder: string): Source {
  return {
    name: "npm audit",
    covers: ({ ecosystem }) => ecosystem === "npm",
    ask: async (components) => {
      const report = await audit(folder);
      if (report.vulnerabilities === undefined)
        throw new Error(report.message ?? report.error?.summary ?? "npm audit gave no report");
      return { findings: Object.values(report.vulnerabilities).flatMap(({ via }) => found(via, components)) };
    },
  };
}

async function audit(folder: string): Promise<Report> {
  const args = [
    "audit",
    "--json",
    "--package-lock-only",
    `--fetch-timeout=${patience.answer}`,
    "--fetch-retries=0",
  ];
  const output = await new Promise<string>((resolve, reject) => {
    execFile("npm", args, { cwd: folder, timeout: limit, maxBuffer: 2 ** 26 }, (error, stdout) => {
      // Findings, too, end npm with an exit code of 1.
      if (error !== null && stdout.trim() === "") reject(new Error(error.message, { cause: error }));
      else resolve(stdout);
    });
  });
  return JSON.parse(output) as Report;
}

/** Advisories about the package itself; text in `via` is the name of a dependency that has one. */
function found(via: readonly (Via | string)[], components: readonly Component[]): Finding[] {
  return via.flatMap((each) => {
    if (typeof each === "string") return [];
    const id = each.url.slice(each.url.lastIndexOf("/") + 1);
    return components
      .filter((component) => packageName(component) === each.name)
      .map((component) => ({
        id,
        aliases: [],
        component,
        summary: `${each.title} (${each.range})`,
        fixedIn: [],
      }));
  });
}
