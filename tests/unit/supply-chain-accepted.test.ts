import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { render } from "../../commands/audit-dependencies";
import { type Accepted, judge, readAccepted } from "../../supply-chain/advisories/accepted";
import type { Answer, Finding } from "../../supply-chain/advisories/advisory";
import { type Component, packageName } from "../../supply-chain/component";
import { pinnedInventories } from "../../supply-chain/inventory";
import { projectFolder } from "../../toolchain/project";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), "lakestack-accepted-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

function read(text: string): Accepted[] {
  const file = path.join(folder, "advisories.yaml");
  writeFileSync(file, text);
  return readAccepted(file);
}

const entry: Accepted = { id: "CVE-1", package: "example.org/x", reason: "none newer", mitigation: "off" };
const component: Component = {
  ecosystem: "golang",
  name: "example.org/x",
  version: "v1.0.0",
  foundIn: "go.mod",
};
const finding = (id: string, more: Partial<Finding> = {}): Finding => ({
  id,
  aliases: [],
  component,
  summary: "Bad",
  fixedIn: ["1.1.0"],
  ...more,
});
const answer = (findings: Finding[], more: Partial<Answer> = {}): Answer => ({
  source: "a source",
  asked: [component],
  findings,
  ...more,
});

describe("advisories.yaml", () => {
  it("of the project can be read, and lists only packages that are pinned", () => {
    const pinned = new Set(pinnedInventories().flatMap(({ components }) => components.map(packageName)));
    const listed = readAccepted(path.join(projectFolder, "advisories.yaml"));
    expect(listed.length).toBeGreaterThan(0);
    expect(listed.filter((each) => !pinned.has(each.package))).toEqual([]);
  });

  it("with faults is refused, with all of them", () => {
    const text =
      "accepted:\n  - id: CVE-1\n    package: x\n    reason: ''\n    mitigation: y\n    until: 2027\n  - just text\n";
    expect(() => read(text)).toThrow(
      /entry 1: reason is missing.*entry 1: "until" is unknown.*entry 2: expected id, package/,
    );
    expect(() => read("findings: []")).toThrow('expected a list under the key "accepted"');
    expect(() => read("accepted: [")).toThrow("can't be used");
  });

  it("with an entry twice is refused", () => {
    const one = "  - { id: CVE-1, package: x, reason: r, mitigation: m }\n";
    expect(() => read(`accepted:\n${one}${one}`)).toThrow("entry 2: CVE-1 of x is listed twice");
  });
});

describe("a finding", () => {
  it("that is not listed is told", () => {
    expect(judge([answer([finding("GO-1")])], []).unlisted.map(({ id }) => id)).toEqual(["GO-1"]);
  });

  it("is listed under any of its names, for its package alone", () => {
    const known = finding("GO-1", { aliases: ["CVE-1"] });
    expect(judge([answer([known])], [entry]).unlisted).toEqual([]);
    const elsewhere = { ...known, component: { ...component, name: "example.org/y" } };
    expect(judge([answer([elsewhere])], [entry]).unlisted).toEqual([elsewhere]);
  });

  it("that two sources tell of under two names is one", () => {
    const [go, ghsa] = [finding("GO-1", { aliases: ["CVE-1"] }), finding("GHSA-1", { aliases: ["CVE-1"] })];
    expect(judge([answer([go]), answer([ghsa])], []).unlisted).toEqual([go]);
    expect(judge([answer([go, finding("GO-2")])], []).unlisted).toHaveLength(2);
  });
});

describe("a listed one that is not found", () => {
  it("is told as stale where its source answered", () => {
    expect(judge([answer([])], [entry])).toMatchObject({ stale: [entry], unasked: [] });
  });

  it("is not where its source was silent: that no one answers mends nothing", () => {
    expect(judge([answer([], { silence: "no answer" })], [entry])).toMatchObject({
      stale: [],
      unasked: [entry],
    });
    expect(judge([answer([], { asked: [] })], [entry])).toMatchObject({ stale: [], unasked: [entry] });
  });
});

describe("the report", () => {
  it("says who answered, who did not and why, what is listed with its mitigation, and what to do", () => {
    const answers = [
      answer([finding("GO-1", { aliases: ["CVE-1"] }), finding("GO-2")]),
      answer([], { source: "another", silence: "status 405" }),
      answer([], { source: "idle", asked: [] }),
    ];
    const text = render(answers, judge(answers, [entry]));
    expect(text).toMatch(/^a source +1 +2 findings$/m);
    expect(text).toMatch(/^another +1 +nothing known: status 405$/m);
    expect(text).toMatch(/^idle +0 +nothing to ask$/m);
    expect(text).toMatch(
      /Listed in advisories\.yaml:\n {2}example\.org\/x v1\.0\.0 \(go\.mod\): GO-1, CVE-1: Bad.*\n {4}off/,
    );
    expect(text).toMatch(
      /Not listed:\n {2}example\.org\/x v1\.0\.0 \(go\.mod\): GO-2: Bad\. Without it: 1\.1\.0\./,
    );
    expect(text).toContain("npm run bump");
  });

  it("asks for nothing where all is well", () => {
    expect(render([answer([])], judge([answer([])], []))).not.toContain("npm run bump");
  });
});
