import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Answer, askAll } from "../../supply-chain/advisories/advisory";
import { goDatabase } from "../../supply-chain/advisories/go";
import { npmAudit } from "../../supply-chain/advisories/npm";
import { affectsGoModule, compareSemantic, type Osv } from "../../supply-chain/advisories/osv";
import { osvService } from "../../supply-chain/advisories/osv-service";
import { pipIndex } from "../../supply-chain/advisories/pip-index";
import { pypi } from "../../supply-chain/advisories/pypi";
import { reason } from "../../commands/audit-dependencies";
import type { Component } from "../../supply-chain/component";
import { npmPackages } from "../../supply-chain/lock-files";
import { loopbackServer, type LoopbackServer } from "./loopback-server";

let server: LoopbackServer;
let answers: Record<string, string>;
let folder: string;

beforeEach(async () => {
  answers = {};
  server = await loopbackServer((asked) => answers[asked]);
  folder = mkdtempSync(path.join(os.tmpdir(), "lakestack-advisories-"));
});

afterEach(() => {
  vi.unstubAllEnvs();
  server.close();
  rmSync(folder, { recursive: true });
});

const of = (
  ecosystem: Component["ecosystem"],
  name: string,
  version: string,
  more: Partial<Component> = {},
) => ({
  ecosystem,
  name,
  version,
  foundIn: "a lock file",
  ...more,
});

// npm itself is started, which on a busy machine takes its time.
describe("npm's registry", { timeout: 30_000 }, () => {
  const lock = JSON.stringify({
    name: "root",
    version: "1.0.0",
    lockfileVersion: 3,
    packages: {
      "": { name: "root", version: "1.0.0", dependencies: { lodash: "4.17.20", sound: "1.0.0" } },
      "node_modules/lodash": { version: "4.17.20" },
      "node_modules/sound": { version: "1.0.0" },
    },
  });
  const bulk = "/-/npm/v1/security/advisories/bulk";

  function project(): Component[] {
    writeFileSync(
      path.join(folder, "package.json"),
      '{"name":"root","version":"1.0.0","dependencies":{"lodash":"4.17.20","sound":"1.0.0"}}',
    );
    writeFileSync(path.join(folder, "package-lock.json"), lock);
    vi.stubEnv("npm_config_registry", server.url);
    return npmPackages(lock, "package-lock.json");
  }

  it("is asked by npm about all packages at once, and what it knows is found", async () => {
    answers[bulk] = JSON.stringify({
      lodash: [
        {
          id: 1106913,
          url: "https://github.com/advisories/GHSA-35jh-r3h4-6jhm",
          title: "Command Injection in lodash",
          severity: "high",
          vulnerable_versions: "<4.17.21",
          cwe: ["CWE-77"],
          cvss: { score: 7.2, vectorString: null },
        },
      ],
    });
    const { findings } = await npmAudit(folder).ask(project());
    expect(
      findings.map(({ id, component, summary }) => [id, component.name, component.version, summary]),
    ).toEqual([["GHSA-35jh-r3h4-6jhm", "lodash", "4.17.20", "Command Injection in lodash (<4.17.21)"]]);
    const asked = server.requests.find(({ path: asked }) => asked === bulk);
    expect(JSON.parse(asked?.body ?? "")).toEqual({ lodash: ["4.17.20"], sound: ["1.0.0"] });
  });

  it("that knows of nothing gives no finding", async () => {
    answers[bulk] = "{}";
    expect(await npmAudit(folder).ask(project())).toEqual({ findings: [] });
  });

  it("without that interface is silent, which is no answer", async () => {
    const asked = askAll([npmAudit(folder)], project(), reason);
    const [answer] = await asked;
    expect(answer?.findings).toEqual([]);
    expect(answer?.silence).toMatch(/404/);
  });
});

describe("the Python package index", () => {
  const release = (vulnerabilities?: unknown[]) => JSON.stringify({ info: {}, vulnerabilities });
  const pinned = [of("pypi", "flask", "1.0"), of("pypi", "sound", "2.0")];

  beforeEach(() => {
    vi.stubEnv("PIP_INDEX_URL", `${server.url}/mirror/simple/`);
  });

  it("is asked beside the index that pip uses, about each release", async () => {
    answers["/mirror/pypi/flask/1.0/json"] = release([
      {
        id: "PYSEC-2023-62",
        aliases: ["CVE-2023-30861", "GHSA-m2qf-hxjv-5gpq"],
        summary: null,
        details: "Cookies may be cached.\nMore.",
        fixed_in: ["2.2.5"],
        withdrawn: null,
      },
      { id: "PYSEC-0", details: "a mistake", fixed_in: [], withdrawn: "2024-01-01T00:00:00Z" },
    ]);
    answers["/mirror/pypi/sound/2.0/json"] = release([]);
    expect(await pypi.ask(pinned)).toEqual({
      findings: [
        {
          id: "PYSEC-2023-62",
          aliases: ["CVE-2023-30861", "GHSA-m2qf-hxjv-5gpq"],
          component: pinned[0],
          summary: "Cookies may be cached.",
          fixedIn: ["2.2.5"],
        },
      ],
    });
  });

  it("that does not know some says which", async () => {
    answers["/mirror/pypi/flask/1.0/json"] = release([]);
    expect(await pypi.ask(pinned)).toEqual({ findings: [], silence: "no answer about sound" });
  });

  it("that tells nothing of weaknesses is not taken for one that knows of none, and is asked once", async () => {
    answers["/mirror/pypi/flask/1.0/json"] = release();
    const [answer] = await askAll([pypi], pinned, reason);
    expect(answer?.silence).toContain("does not say what it knows");
    expect(server.requests).toHaveLength(1);
  });

  it("has its address from pip's configuration where the environment has none, else from pip", async () => {
    vi.stubEnv("PIP_INDEX_URL", "");
    const bin = path.join(folder, "bin");
    mkdirSync(bin);
    vi.stubEnv("PATH", `${bin}${path.delimiter}/usr/bin${path.delimiter}/bin`);
    const pip = (script: string) => {
      writeFileSync(path.join(bin, "pip3"), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    };
    pip('[ "$3" = global.index-url ] && echo https://user:pass@mirror.example/simple/ || exit 1');
    expect(await pipIndex()).toBe("https://user:pass@mirror.example/simple");
    pip(
      '[ "$1" = install ] && echo "  -i <url>  Base URL of the Python Package Index (default https://default.example/simple). This" || exit 1',
    );
    expect(await pipIndex()).toBe("https://default.example/simple");
    pip("exit 1");
    await expect(pipIndex()).rejects.toThrow();
  });
});

const goAdvisory: Osv = {
  id: "GO-2026-0001",
  aliases: ["CVE-2026-0001"],
  summary: "Headers are trusted in example.org/x",
  affected: [
    {
      package: { name: "example.org/x", ecosystem: "Go" },
      ranges: [
        { type: "SEMVER", events: [{ introduced: "0" }, { fixed: "1.2.0" }, { introduced: "1.4.0-rc.1" }] },
      ],
    },
  ],
};

describe("Go's vulnerability database", () => {
  const modules = JSON.stringify([
    { path: "example.org/other", vulns: [{ id: "GO-2020-0001", modified: "2020-01-01T00:00:00Z" }] },
    {
      path: "example.org/x",
      vulns: [{ id: "GO-2026-0001", modified: "2026-01-01T00:00:00Z", fixed: "1.2.0" }],
    },
  ]);

  it("is asked for its index, and for what it has of our modules", async () => {
    vi.stubEnv("GOVULNDB", `${server.url}/`);
    answers["/index/modules.json"] = modules;
    answers["/ID/GO-2026-0001.json"] = JSON.stringify(goAdvisory);
    const weak = of("golang", "example.org/x", "v1.1.9");
    const { findings } = await goDatabase.ask([weak, of("golang", "example.org/x", "v1.3.0")]);
    expect(findings).toEqual([
      {
        id: "GO-2026-0001",
        aliases: ["CVE-2026-0001"],
        component: weak,
        summary: "Headers are trusted in example.org/x",
        fixedIn: ["1.2.0"],
      },
    ]);
    expect(server.requests.map(({ path: asked }) => asked)).toEqual([
      "/index/modules.json",
      "/ID/GO-2026-0001.json",
    ]);
  });

  it("may be a copy in a folder, as for Go's own tools", async () => {
    mkdirSync(path.join(folder, "index"));
    mkdirSync(path.join(folder, "ID"));
    writeFileSync(path.join(folder, "index/modules.json"), modules);
    writeFileSync(path.join(folder, "ID/GO-2026-0001.json"), JSON.stringify(goAdvisory));
    vi.stubEnv("GOVULNDB", pathToFileURL(folder).href);
    expect((await goDatabase.ask([of("golang", "example.org/x", "v1.0.0")])).findings).toHaveLength(1);
  });

  it.each([
    ["v1.1.9", true],
    ["v1.2.0-rc.1", true],
    ["v1.2.0", false],
    ["v1.2.0+incompatible", false],
    ["v1.4.0", true],
    ["v0.0.0-20260212201848-7aac2a2c5b7c", true],
  ])("has version %s affected: %s", (version, expected) => {
    expect(affectsGoModule(goAdvisory, "example.org/x", version)).toBe(expected);
    expect(affectsGoModule(goAdvisory, "example.org/y", version)).toBe(false);
  });

  it("orders versions as semantic versioning does, pseudo-versions included", () => {
    const ordered = [
      "0.0.0-20250403145552-8c70975283f6",
      "0.0.0-20260212201848-7aac2a2c5b7c",
      "1.0.0-alpha",
      "1.0.0-alpha.1",
      "1.0.0-alpha.beta",
      "1.0.0-beta.2",
      "1.0.0-beta.11",
      "1.0.0",
      "1.9.0",
      "1.10.0",
    ];
    for (const [at, version] of ordered.entries())
      for (const [other, another] of ordered.entries())
        expect(compareSemantic(version, another), `${version}, ${another}`).toBe(Math.sign(at - other));
  });
});

describe("the OSV service", () => {
  const jar = of("maven", "thing", "1.0", { namespace: "org.example" });
  const deb = (name: string, source: string, version: string) =>
    of("deb", name, version, { qualifiers: { distro: "debian-13" }, source: { name: source, version } });
  const debian = (id: string, events: object[]): string =>
    JSON.stringify({
      id,
      upstream: [id.replace("DEBIAN-", "")],
      details: "Something overflows.",
      affected: [
        { package: { name: "gcc-14", ecosystem: "Debian:13" }, ranges: [{ type: "ECOSYSTEM", events }] },
      ],
    });

  beforeEach(() => {
    vi.stubEnv("LAKESTACK_OSV_URL", server.url);
  });

  it("is asked about artifacts by their coordinates and about Debian by source and release", async () => {
    answers["/v1/querybatch"] = JSON.stringify({ results: [{}, {}] });
    await osvService.ask([jar, deb("libstdc++6", "gcc-14", "14.2.0-19")]);
    expect(server.requests[0]?.method).toBe("POST");
    expect(JSON.parse(server.requests[0]?.body ?? "")).toEqual({
      queries: [
        { package: { name: "org.example:thing", ecosystem: "Maven" }, version: "1.0" },
        { package: { name: "gcc-14", ecosystem: "Debian:13" }, version: "14.2.0-19" },
      ],
    });
    expect(osvService.covers(of("golang", "example.org/x", "v1.0.0"))).toBe(false);
  });

  it("has what Debian has mended count, and what it has not left out", async () => {
    answers["/v1/querybatch"] = JSON.stringify({
      results: [{ vulns: [{ id: "DEBIAN-CVE-2026-1" }, { id: "DEBIAN-CVE-2026-2" }] }],
    });
    answers["/v1/vulns/DEBIAN-CVE-2026-1"] = debian("DEBIAN-CVE-2026-1", [
      { introduced: "0" },
      { fixed: "14.2.0-20" },
    ]);
    answers["/v1/vulns/DEBIAN-CVE-2026-2"] = debian("DEBIAN-CVE-2026-2", [{ introduced: "0" }]);
    const { findings } = await osvService.ask([deb("libstdc++6", "gcc-14", "14.2.0-19")]);
    expect(findings.map(({ id, aliases, fixedIn }) => [id, aliases, fixedIn])).toEqual([
      ["DEBIAN-CVE-2026-1", ["CVE-2026-1"], ["14.2.0-20"]],
    ]);
  });

  it("has an artifact's weakness count, mended or not", async () => {
    answers["/v1/querybatch"] = JSON.stringify({ results: [{ vulns: [{ id: "GHSA-x" }] }] });
    answers["/v1/vulns/GHSA-x"] = JSON.stringify({
      id: "GHSA-x",
      aliases: ["CVE-9"],
      summary: "Bad",
      affected: [],
    });
    expect((await osvService.ask([jar])).findings).toEqual([
      { id: "GHSA-x", aliases: ["CVE-9"], component: jar, summary: "Bad", fixedIn: [] },
    ]);
  });
});

describe("sources", () => {
  it("that do not answer fail none of the others, and their credentials are not printed", async () => {
    vi.stubEnv("GOVULNDB", server.url.replace("//", "//ann:hush@"));
    vi.stubEnv("LAKESTACK_OSV_URL", server.url);
    answers["/v1/querybatch"] = JSON.stringify({ results: [{}] });
    const all = await askAll(
      [goDatabase, osvService],
      [of("golang", "example.org/x", "v1.0.0"), of("maven", "a", "1", { namespace: "b" })],
      reason,
    );
    const [go, osv] = all as [Answer, Answer];
    expect(go.silence).toMatch(/^http:\/\/127\.0\.0\.1.* answers with status 404$/);
    expect(go.silence).not.toContain("hush");
    expect(osv.silence).toBeUndefined();
    expect(osv.asked).toHaveLength(1);
  });
});
