import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import * as net from "node:net";
import * as os from "node:os";
import * as path from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ensureDocker, projectFolder, terminalReporter, UserError } from "../../toolchain/index";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), "lakestack-docker-"));
});

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

describe("Docker", () => {
  it("is used as it is, without a word, if it answers", async () => {
    const written: string[] = [];
    await ensureDocker(terminalReporter({ write: (text) => written.push(text) }));
    expect(written).toEqual([]);
  });

  it("is not waited for without end if it accepts connections and stays silent", async () => {
    const socket = path.join(folder, "deaf.sock");
    const deaf = net.createServer(() => undefined).listen(socket);
    try {
      vi.stubEnv("DOCKER_HOST", `unix://${socket}`);
      const error: unknown = await ensureDocker(terminalReporter()).catch((fault: unknown) => fault);
      expect(error).toBeInstanceOf(UserError);
      expect((error as UserError).message).toContain("no answer within 10 seconds");
    } finally {
      deaf.close();
    }
  });

  // Only root can become another user, and root alone may always use the socket.
  it.runIf(process.getuid?.() === 0)("explains how to get access to a user who has none", async () => {
    const script = `
      const { ensureDocker, terminalReporter } = require("./toolchain/index.ts");
      ensureDocker(terminalReporter()).then(
        () => console.log("got access"),
        (error) => console.log([error.name, error.message, error.remedy].join("\\n")));`;
    const nobody = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    const output = await outputOf("setpriv", [
      ...nobody,
      process.execPath,
      "--import",
      "tsx",
      "--eval",
      script,
    ]);
    expect(output).toContain("UserError");
    expect(output).toContain(
      "user nobody may not use it: permission to unix:///var/run/docker.sock was denied",
    );
    expect(output).toContain("sudo usermod -aG docker nobody");
    expect(output).toContain("without root");
  });
});

async function outputOf(command: string, args: string[]): Promise<string> {
  const env = { ...process.env, HOME: folder, DOCKER_HOST: undefined };
  const child = spawn(command, args, { cwd: projectFolder, env, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += String(chunk)));
  await new Promise((resolve) => child.on("close", resolve));
  return output;
}
