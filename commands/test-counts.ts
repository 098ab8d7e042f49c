import * as path from "node:path";

/** Tests by outcome. */
export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

export const none: Counts = { passed: 0, failed: 0, skipped: 0 };

export function add(a: Counts, b: Counts): Counts {
  return { passed: a.passed + b.passed, failed: a.failed + b.failed, skipped: a.skipped + b.skipped };
}

interface VitestFile {
  /** Its path. */
  name: string;
  status: string;
  /** Why it could not be read, if so. */
  message: string;
  assertionResults: { status: string; fullName: string; failureMessages: string[] | null }[];
}

interface VitestReport {
  numPassedTests: number;
  numFailedTests: number;
  numPendingTests: number;
  numTodoTests: number;
  testResults: VitestFile[];
}

const isBroken = ({ status, assertionResults }: VitestFile) =>
  status === "failed" && assertionResults.length === 0;

/** Counts in the report that vitest's JSON reporter writes. A file that could not even be read is one failed test. */
export function vitestCounts(report: string): Counts {
  const { numPassedTests, numFailedTests, numPendingTests, numTodoTests, testResults } = JSON.parse(
    report,
  ) as VitestReport;
  const broken = testResults.filter(isBroken);
  return {
    passed: numPassedTests,
    failed: numFailedTests + broken.length,
    skipped: numPendingTests + numTodoTests,
  };
}

/** Of a message, what is worth repeating: an assertion comes first, its differences and where it stands after. */
const worthRepeating = 12;

/** A failed test and why, in a few lines. */
function failure(name: string, message: string): string {
  const lines = message
    .trim()
    .split("\n")
    .filter((line) => !/^\s+at .*(node_modules|node:internal)/.test(line))
    .slice(0, worthRepeating);
  return [name, ...lines.map((line) => `    ${line}`)].join("\n");
}

/** The failed tests in the report that vitest's JSON reporter writes, each with its file, its name and why. */
export function vitestFailures(report: string, folder: string): string[] {
  const { testResults } = JSON.parse(report) as VitestReport;
  return testResults.flatMap((file) => {
    const name = path.relative(folder, file.name);
    if (isBroken(file)) return [failure(name, file.message)];
    return file.assertionResults
      .filter(({ status }) => status === "failed")
      .map(({ fullName, failureMessages }) =>
        failure(`${name}: ${fullName}`, (failureMessages ?? []).join("\n")),
      );
  });
}

/** Counts in the JUnit report that pytest writes: those of all its suites. */
export function junitCounts(report: string): Counts {
  let counts = none;
  for (const [suite] of report.matchAll(/<testsuite\b[^>]*>/g)) {
    const count = (name: string) => Number(new RegExp(`\\b${name}="(\\d+)"`).exec(suite)?.[1] ?? 0);
    const failed = count("failures") + count("errors");
    const skipped = count("skipped");
    counts = add(counts, { passed: count("tests") - failed - skipped, failed, skipped });
  }
  return counts;
}

const entities: Record<string, string> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&", "#10": "\n" };

/** The failed tests in the JUnit report that pytest writes, each with its name and why. */
export function junitFailures(report: string): string[] {
  const failed = /<testcase classname="([^"]*)" name="([^"]*)"[^>]*><(?:failure|error) message="([^"]*)"/g;
  return [...report.matchAll(failed)].map((found) => {
    const [file, name, message] = found
      .slice(1)
      .map((text) => text.replace(/&(#?\w+);/g, (whole, entity: string) => entities[entity] ?? whole));
    return failure([file, name].filter(Boolean).join(": "), message ?? "");
  });
}

/** The closing line of a test run. */
export function closingLine({ passed, failed, skipped }: Counts): string {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}
