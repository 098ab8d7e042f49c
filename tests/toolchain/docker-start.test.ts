import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { projectFolder } from "../../toolchain/index";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), "lakestack-dockerd-"));
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

/**
 * Calls ensureDocker where no engine runs: in a mount namespace whose /run is empty, with a `dockerd` of our own on the
 * PATH. The machine's real engine is neither seen nor touched.
 */
function ensureDockerWith(dockerd: string) {
  writeFileSync(path.join(folder, "dockerd"), dockerd, { mode: 0o755 });
  const script = `
    const { ensureDocker, terminalReporter } = require("./toolchain/index.ts");
    ensureDocker(terminalReporter()).then(
      () => console.log("answers"),
      (error) => console.log([error.name, error.message, error.remedy].join("\\n")));`;
  const command = 'mount -t tmpfs tmpfs /run && exec "$0" --import tsx --eval "$1"';
  const { stdout, stderr } = spawnSync(
    "unshare",
    ["--mount", "sh", "-c", command, process.execPath, script],
    {
      cwd: projectFolder,
      encoding: "utf8",
      env: {
        ...process.env,
        PATH: `${folder}:${process.env["PATH"] ?? ""}`,
        HOME: folder,
        LAKESTACK_CACHE: path.join(folder, "cache"),
        DOCKER_HOST: undefined,
        DOCKER_CONTEXT: undefined,
        DOCKER_CONFIG: undefined,
      },
    },
  );
  return { stdout, stderr };
}

// Only root may start an engine, and only Linux has mount namespaces.
describe.runIf(process.platform === "linux" && process.getuid?.() === 0)(
  "an engine that does not run",
  () => {
    it("is started, waited for, and outlives the command that started it", () => {
      const pidFile = path.join(folder, "pid");
      const { stdout, stderr } = ensureDockerWith(`#!${process.execPath}
      require("node:fs").writeFileSync(${JSON.stringify(pidFile)}, String(process.pid));
      console.log("dockerd says hello");
      setTimeout(() => require("node:http").createServer((request, response) => response.end("OK")).listen("/var/run/docker.sock"), 1000);
    `);
      const pid = Number(readFileSync(pidFile, "utf8"));
      try {
        expect(stdout).toBe("answers\n");
        expect(stderr).toContain("Docker: started");
        expect(() => process.kill(pid, 0)).not.toThrow();
        expect(readFileSync(path.join(folder, "cache", "dockerd.log"), "utf8")).toContain(
          "dockerd says hello",
        );
      } finally {
        process.kill(pid);
      }
    });

    it("and cannot is reported with the last words of its log, and where that is", () => {
      const { stdout, stderr } = ensureDockerWith(
        "#!/bin/sh\necho 'failed to mount overlay: operation not permitted'\nexit 1\n",
      );
      expect(stdout).toContain("UserError");
      expect(stdout).toContain("ended as soon as it was started (exit code 1)");
      expect(stdout).toContain(path.join(folder, "cache", "dockerd.log"));
      expect(stderr).toContain("failed to mount overlay: operation not permitted");
    });
  },
);
