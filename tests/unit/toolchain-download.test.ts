import { createHash } from "node:crypto";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import * as http from "node:http";
import type { AddressInfo } from "node:net";
import * as os from "node:os";
import * as path from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { terminalReporter } from "../../toolchain/progress";
import { downloadPulumi } from "../../toolchain/pulumi-download";
import { fits, installedPulumi } from "../../toolchain/pulumi-installed";
import versions from "../../versions.json";

let folder: string;
let server: http.Server;
/** What the server answers, by path; it stays silent on others. */
let files: Record<string, Buffer | { redirect: string } | undefined>;
let reports: string[];

beforeEach(async () => {
  folder = mkdtempSync(path.join(os.tmpdir(), "lakestack-download-"));
  reports = [];
  files = {};
  server = http.createServer((request, response) => {
    const url = request.url ?? "";
    if (!(url in files)) return;
    const file = files[url];
    if (file === undefined) response.writeHead(404).end();
    else if (Buffer.isBuffer(file)) response.end(file);
    else response.writeHead(302, { location: file.redirect }).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  vi.stubEnv("LAKESTACK_PULUMI_RELEASES", `http://127.0.0.1:${(server.address() as AddressInfo).port}/sdk`);
});

afterEach(() => {
  vi.unstubAllEnvs();
  server.closeAllConnections();
  server.close();
  rmSync(folder, { recursive: true });
});

const archiveName = `pulumi-v${versions.pulumi}-${process.platform}-${process.arch}.tar.gz`;
const checksums = `/sdk/pulumi-${versions.pulumi}-checksums.txt`;

/** An archive like the official one. */
function archive(): Buffer {
  const content = path.join(folder, "content", "pulumi");
  mkdirSync(content, { recursive: true });
  writeFileSync(path.join(content, "pulumi"), "#!/bin/sh\necho engine\n", { mode: 0o755 });
  writeFileSync(path.join(content, "pulumi-language-nodejs"), "#!/bin/sh\necho host\n", { mode: 0o755 });
  execFileSync("tar", ["-czf", "archive.tar.gz", "-C", "content", "pulumi"], { cwd: folder });
  return readFileSync(path.join(folder, "archive.tar.gz"));
}

function sha256(content: Buffer): string {
  return createHash("sha256").update(content).digest("hex");
}

async function download(): Promise<{ succeeded: boolean; bin: string }> {
  const bin = path.join(folder, "bin");
  const reporter = terminalReporter({ write: (text) => reports.push(text) });
  return { succeeded: await downloadPulumi(reporter, bin), bin };
}

describe("the official download", () => {
  it("takes the place of what was there, if it has the published checksum", async () => {
    const content = archive();
    files[checksums] = Buffer.from(`${"0".repeat(64)}  other.tar.gz\n${sha256(content)}  ${archiveName}\n`);
    files[`/sdk/${archiveName}`] = { redirect: "/elsewhere" };
    files["/elsewhere"] = content;
    const stale = path.join(folder, "bin", "stale");
    mkdirSync(path.dirname(stale));
    writeFileSync(stale, "of another version");
    const { succeeded, bin } = await download();
    expect(succeeded, reports.join("")).toBe(true);
    expect(existsSync(stale)).toBe(false);
    expect(execFileSync(path.join(bin, "pulumi"), { encoding: "utf8" })).toBe("engine\n");
    expect(statSync(path.join(bin, "pulumi-language-nodejs")).mode & 0o111).toBe(0o111);
  });

  it("is not used if it has another checksum", async () => {
    files[checksums] = Buffer.from(`${"0".repeat(64)}  ${archiveName}\n`);
    files[`/sdk/${archiveName}`] = archive();
    const { succeeded, bin } = await download();
    expect(succeeded).toBe(false);
    expect(existsSync(bin)).toBe(false);
    expect(reports.join("")).toContain("the published one is 0000");
  });

  it("is given up if nothing is published for this kind of host", async () => {
    files[checksums] = Buffer.from("0  pulumi-v1-plan9.tar.gz\n");
    expect((await download()).succeeded).toBe(false);
    expect(reports.join("")).toContain(`${archiveName} is not in the list`);
  });

  it("is given up if the server refuses", async () => {
    files[checksums] = undefined;
    expect((await download()).succeeded).toBe(false);
    expect(reports.join("")).toContain("status 404");
  });

  it("is given up if the server does not answer within five seconds", { timeout: 10_000 }, async () => {
    const started = Date.now();
    expect((await download()).succeeded).toBe(false);
    expect(Date.now() - started).toBeLessThan(7000);
    expect(reports.join("")).toContain("does not answer within 5 seconds");
  });
});

describe("an installed Pulumi", () => {
  it.each([
    ["v3.250.0", true],
    ["3.250.7", true],
    ["v3.251.0", true],
    ["v3.249.9", false],
    ["v4.300.0", false],
    ["v2.300.0", false],
    ["", false],
    ["command not found", false],
  ])("of version '%s' fits: %s", (version, expected) => {
    expect(fits(version, "3.250.0")).toBe(expected);
  });

  function install(name: string, version: string, withLanguageHost = true): string {
    const bin = path.join(folder, name);
    mkdirSync(bin);
    writeFileSync(path.join(bin, "pulumi"), `#!/bin/sh\necho ${version}\n`, { mode: 0o755 });
    if (withLanguageHost) writeFileSync(path.join(bin, "pulumi-language-nodejs"), "", { mode: 0o755 });
    return bin;
  }

  it("is found on the PATH", async () => {
    const bin = install("bin", `v${versions.pulumi}`);
    vi.stubEnv("PATH", ["/nonexistent", bin, "/bin"].join(path.delimiter));
    expect(await installedPulumi()).toBe(path.join(bin, "pulumi"));
  });

  it("is not one that a clone of this project has made for itself", async () => {
    mkdirSync(path.join(folder, ".lakestack"));
    vi.stubEnv("PATH", [install(".lakestack/bin", `v${versions.pulumi}`), "/bin"].join(path.delimiter));
    expect(await installedPulumi()).toBeUndefined();
  });

  it("is left alone if it is too old, even if a newer one is further on: the user's shell would take the old one", async () => {
    const [old, recent] = [install("old", "v3.1.0"), install("recent", `v${versions.pulumi}`)];
    vi.stubEnv("PATH", [old, recent, "/bin"].join(path.delimiter));
    expect(await installedPulumi()).toBeUndefined();
  });

  it("is left alone if it cannot run Node.js programs", async () => {
    vi.stubEnv("PATH", [install("bare", `v${versions.pulumi}`, false), "/bin"].join(path.delimiter));
    expect(await installedPulumi()).toBeUndefined();
  });
});
