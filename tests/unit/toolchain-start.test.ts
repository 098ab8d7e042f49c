import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { projectFolder } from "../../toolchain/project";

let project: string;

/** A project of its own, and an `npm` that only notes that it was called, and installs what is installed here. */
beforeEach(() => {
  project = mkdtempSync(path.join(os.tmpdir(), "lakestack-start-"));
  for (const folder of ["toolchain", "commands", "bin"]) mkdirSync(path.join(project, folder));
  copyFileSync(path.join(projectFolder, "toolchain/start.mjs"), path.join(project, "toolchain/start.mjs"));
  writeFileSync(path.join(project, "package-lock.json"), "{}");
  writeFileSync(
    path.join(project, "commands/main.ts"),
    `const words: string[] = process.argv.slice(2);
     console.log("ran " + words.join(" "));
     process.exit(words[0] === "fail" ? 7 : 0);`,
  );
  const modules = path.join(projectFolder, "node_modules");
  writeFileSync(
    path.join(project, "bin/npm"),
    `#!/bin/sh
     echo "npm $*"
     [ "$NPM_FAILS" ] && exit 1
     mkdir -p node_modules
     for name in tsx esbuild @esbuild get-tsconfig resolve-pkg-maps; do
       if [ -e ${modules}/$name ]; then ln -sfn ${modules}/$name node_modules/$name; fi
     done
     touch node_modules/.package-lock.json`,
    { mode: 0o755 },
  );
});

afterEach(() => {
  rmSync(project, { recursive: true });
});

function start(args: string[], env: Record<string, string> = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ["toolchain/start.mjs", ...args], {
    cwd: project,
    env: { ...process.env, PATH: `${path.join(project, "bin")}:${process.env["PATH"] ?? ""}`, ...env },
    encoding: "utf8",
  });
  return { status, stdout, stderr, installed: stderr.includes("npm ci") };
}

describe("a command", () => {
  it("installs the packages first, saying so, and keeps standard output to itself", () => {
    const { status, stdout, stderr } = start(["env", "--flag"]);
    expect(stdout).toBe("ran env --flag\n");
    expect(stderr).toMatch(/^Installing packages \(npm ci\) …\nnpm ci /);
    expect(status).toBe(0);
  });

  it("installs them once", () => {
    start(["a"]);
    expect(start(["b"])).toMatchObject({ stdout: "ran b\n", stderr: "" });
  });

  it("installs them again when the lock file has changed", () => {
    start(["a"]);
    const later = new Date(Date.now() + 60_000);
    writeFileSync(path.join(project, "package-lock.json"), '{ "changed": true }');
    utimesSync(path.join(project, "package-lock.json"), later, later);
    expect(start(["b"]).installed).toBe(true);
  });

  it("does not install them again when the lock file was only touched", () => {
    start(["a"]);
    const later = new Date(Date.now() + 60_000);
    utimesSync(path.join(project, "package-lock.json"), later, later);
    expect(start(["b"]).installed).toBe(false);
  });

  it("trusts packages that the user has installed since the lock file changed", () => {
    const earlier = new Date(Date.now() - 60_000);
    utimesSync(path.join(project, "package-lock.json"), earlier, earlier);
    spawnSync(path.join(project, "bin/npm"), { cwd: project });
    expect(start(["a"]).installed).toBe(false);
  });

  it("hands on the exit code", () => {
    expect(start(["fail"]).status).toBe(7);
  });

  it("ends with a clear word if the packages cannot be installed, and tries again next time", () => {
    const { status, stdout, stderr } = start(["a"], { NPM_FAILS: "1" });
    expect(status).toBe(1);
    expect(stdout).toBe("");
    expect(stderr).toContain("npm ci failed");
    expect(existsSync(path.join(project, "node_modules"))).toBe(false);
    expect(start(["a"]).installed).toBe(true);
  });
});
