import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync, existsSync, mkdirSync } from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { PassphraseLost, stateEnvironment } from "../../toolchain/pulumi-state";

let folder: string;
let project: string;
let tools: string;

beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), "lakestack-state-"));
  project = path.join(folder, "project");
  tools = path.join(project, ".lakestack");
  mkdirSync(project);
  vi.stubEnv("HOME", path.join(folder, "home"));
  for (const name of Object.keys(process.env).filter((name) => name.startsWith("PULUMI_")))
    vi.stubEnv(name, undefined);
});

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

const state = () => stateEnvironment({ project, tools });

describe("the backend", () => {
  it("is a folder inside the project if the user has none", async () => {
    expect(await state()).toMatchObject({ PULUMI_BACKEND_URL: `file://${tools}/state` });
    expect(statSync(path.join(tools, "state")).isDirectory()).toBe(true);
  });

  it("stays the same in a shell that has taken our environment over", async () => {
    const env = await state();
    for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
    expect(await state()).toEqual(env);
  });

  it("is the user's own if PULUMI_BACKEND_URL names one", async () => {
    vi.stubEnv("PULUMI_BACKEND_URL", "s3://ours");
    expect(await state()).not.toHaveProperty("PULUMI_BACKEND_URL");
    expect(existsSync(path.join(tools, "state"))).toBe(false);
  });

  it("is the user's own if they are logged in", async () => {
    const home = path.join(folder, "home", ".pulumi");
    mkdirSync(home, { recursive: true });
    writeFileSync(path.join(home, "credentials.json"), JSON.stringify({ current: "https://example.com" }));
    expect(await state()).not.toHaveProperty("PULUMI_BACKEND_URL");
  });

  it("is ours again after the user has logged out", async () => {
    const home = path.join(folder, "home", ".pulumi");
    mkdirSync(home, { recursive: true });
    writeFileSync(path.join(home, "credentials.json"), JSON.stringify({ current: "" }));
    expect(await state()).toHaveProperty("PULUMI_BACKEND_URL");
  });
});

describe("the passphrase", () => {
  const file = () => path.join(tools, "passphrase");

  it("is generated once, for its owner's eyes only", async () => {
    expect(await state()).toMatchObject({ PULUMI_CONFIG_PASSPHRASE_FILE: file() });
    const passphrase = readFileSync(file(), "utf8");
    expect(passphrase).toMatch(/^[\w-]{43}$/);
    expect(statSync(file()).mode & 0o777).toBe(0o600);
    await state();
    expect(readFileSync(file(), "utf8")).toBe(passphrase);
  });

  it("is another one in another project", async () => {
    await state();
    const first = readFileSync(file(), "utf8");
    rmSync(tools, { recursive: true });
    await state();
    expect(readFileSync(file(), "utf8")).not.toBe(first);
  });

  it.each([
    ["PULUMI_CONFIG_PASSPHRASE", "secret"],
    ["PULUMI_CONFIG_PASSPHRASE", ""],
    ["PULUMI_CONFIG_PASSPHRASE_FILE", "/elsewhere"],
  ])("is the user's own if %s is '%s'", async (name, value) => {
    vi.stubEnv(name, value);
    expect(await state()).not.toHaveProperty("PULUMI_CONFIG_PASSPHRASE_FILE");
    expect(existsSync(file())).toBe(false);
  });

  it("is never replaced when it is lost: the error names the file, what is lost and both ways out", async () => {
    await state();
    writeFileSync(path.join(project, "Pulumi.dev.yaml"), "encryptionsalt: v1:abc=:v1:def\nconfig: {}\n");
    writeFileSync(path.join(project, "Pulumi.other.yaml"), "config:\n  a: b\n");
    rmSync(file());

    const error: unknown = await state().catch((fault: unknown) => fault);
    expect(error).toBeInstanceOf(PassphraseLost);
    const { message, remedy, stackFiles } = error as PassphraseLost;
    expect(message).toContain(file());
    expect(stackFiles).toEqual(["Pulumi.dev.yaml"]);
    expect(message).toContain("passwords");
    expect(remedy).toContain("put it back");
    expect(remedy).toContain("npm run destroy");
    expect(existsSync(file())).toBe(false);
  });

  it("may be missing while no stack has used it", async () => {
    writeFileSync(path.join(project, "Pulumi.yaml"), "encryptionsalt: not a stack file\n");
    writeFileSync(path.join(project, "Pulumi.dev.yaml"), "config:\n  lakestack:note: 'encryptionsalt: x'\n");
    expect(await state()).toHaveProperty("PULUMI_CONFIG_PASSPHRASE_FILE");
  });
});
