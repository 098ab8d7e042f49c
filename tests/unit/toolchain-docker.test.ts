import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { dockerClient, dockerEndpoint } from "../../toolchain/docker-client";
import { ensureDocker } from "../../toolchain/docker-engine";
import { UserError } from "../../toolchain/user-error";

const silent = { task: () => ({ update() {}, done() {}, fail() {}, log() {} }) };

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), "lakestack-docker-"));
  vi.stubEnv("HOME", folder);
  for (const name of [
    "DOCKER_HOST",
    "DOCKER_CONTEXT",
    "DOCKER_CONFIG",
    "DOCKER_TLS_VERIFY",
    "DOCKER_CERT_PATH",
  ]) {
    vi.stubEnv(name, undefined);
  }
});

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

function makeContext(name: string, host: string) {
  const id = createHash("sha256").update(name).digest("hex");
  const meta = path.join(folder, ".docker", "contexts", "meta", id);
  mkdirSync(meta, { recursive: true });
  writeFileSync(
    path.join(meta, "meta.json"),
    JSON.stringify({ Name: name, Endpoints: { docker: { Host: host } } }),
  );
}

describe("the Docker engine's address", () => {
  it("is DOCKER_HOST if that is set", () => {
    vi.stubEnv("DOCKER_HOST", "tcp://build:2375");
    expect(dockerEndpoint()).toMatchObject({ address: "tcp://build:2375", origin: "DOCKER_HOST" });
  });

  it("is that of the context chosen by `docker context use`", () => {
    makeContext("colima", "unix:///run/colima.sock");
    writeFileSync(path.join(folder, ".docker", "config.json"), JSON.stringify({ currentContext: "colima" }));
    expect(dockerEndpoint().address).toBe("unix:///run/colima.sock");
  });

  it("is that of DOCKER_CONTEXT before the chosen one", () => {
    makeContext("a", "unix:///a.sock");
    makeContext("b", "unix:///b.sock");
    writeFileSync(path.join(folder, ".docker", "config.json"), JSON.stringify({ currentContext: "a" }));
    vi.stubEnv("DOCKER_CONTEXT", "b");
    expect(dockerEndpoint()).toMatchObject({ address: "unix:///b.sock", origin: 'the Docker context "b"' });
  });

  it("is told to be wrong if the context does not exist", () => {
    vi.stubEnv("DOCKER_CONTEXT", "gone");
    expect(() => dockerEndpoint()).toThrow('"gone" has no Docker endpoint');
  });

  it("is told to be wrong if it cannot be understood", () => {
    vi.stubEnv("DOCKER_HOST", "docker.sock");
    expect(() => dockerClient()).toThrow('"docker.sock" (from DOCKER_HOST)');
  });
});

describe("an engine that does not answer", () => {
  const failure = async () => {
    const error: unknown = await ensureDocker(silent).catch((fault: unknown) => fault);
    expect(error).toBeInstanceOf(UserError);
    return error as UserError;
  };

  it("is named with its address, where that came from, and what to do", async () => {
    const socket = path.join(folder, "none.sock");
    vi.stubEnv("DOCKER_HOST", `unix://${socket}`);
    const { message, remedy } = await failure();
    expect(message).toContain(`unix://${socket} (from DOCKER_HOST)`);
    expect(message).toContain("ENOENT");
    expect(remedy).toBe("Start that engine, or correct DOCKER_HOST.");
  });
});
