import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import * as os from "node:os";
import * as path from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { ensurePulumi, projectFolder, terminalReporter } from "../../toolchain/index";
import { docker, prefix, removeAll, smallImage } from "./engine";

/** The plugin from its sources, driven by the real Pulumi engine. One story: each test goes on where the last ended. */
vi.setConfig({ testTimeout: 120_000, hookTimeout: 600_000 });

const run = promisify(execFile);
const password = "Pa55wordOfTheStack";
const containerName = `${prefix}-pulumi`;
let folder: string;
let env: NodeJS.ProcessEnv;

beforeAll(async () => {
  const tools = await ensurePulumi(terminalReporter());
  await smallImage(`${prefix}-base:3`);
  folder = await mkdtemp(path.join(os.tmpdir(), "lakestack-pulumi-"));
  env = {
    ...process.env,
    ...tools.env,
    PULUMI_HOME: path.join(folder, "home"),
    PULUMI_BACKEND_URL: `file://${folder}`,
    PULUMI_CONFIG_PASSPHRASE: "test",
    PULUMI_CONFIG_PASSPHRASE_FILE: undefined,
    LAKESTACK_CACHE: path.join(folder, "cache"),
  };
  await installPlugin(path.join(folder, "home/plugins/resource-docker-v5.2.0"));
  await symlink(path.join(projectFolder, "node_modules"), path.join(folder, "node_modules"));
  await writeFile(path.join(folder, "package.json"), JSON.stringify({ name: "scratch", private: true }));
  await writeFile(
    path.join(folder, "Pulumi.yaml"),
    "name: scratch\nruntime: { name: nodejs, options: { typescript: false } }\n",
  );
  await mkdir(path.join(folder, "context"));
  await writeFile(path.join(folder, "context/Dockerfile"), "ARG BASE\nFROM ${BASE}\nRUN touch /built\n");
  await writeFile(path.join(folder, "index.js"), program);
  await pulumi("stack", "init", "test");
  await pulumi("config", "set", "--secret", "password", password);
});

afterAll(async () => {
  await removeAll();
  await rm(folder, { recursive: true, force: true });
});

const program = `
const docker = require("@pulumi/docker");
const pulumi = require("@pulumi/pulumi");
const prefix = ${JSON.stringify(prefix)};
const config = new pulumi.Config();
const labels = [{ label: "lakestack.stack", value: prefix }];
const network = new docker.Network("network", { name: prefix + "-pulumi", labels });
const volume = new docker.Volume("volume", { name: prefix + "-pulumi", labels });
const image = new docker.RemoteImage("image", {
  name: prefix + "-pulumi:1",
  build: { context: "context", buildArgs: { BASE: prefix + "-base:3" } },
  triggers: { content: "1" },
  keepLocally: false,
});
const container = new docker.Container("container", {
  name: prefix + "-pulumi",
  image: image.imageId,
  command: ["sh", "-c", config.get("command") || "sleep 600"],
  envs: [pulumi.interpolate\`PASSWORD=\${config.requireSecret("password")}\`],
  uploads: [{ file: "/etc/service/config", content: pulumi.interpolate\`password=\${config.requireSecret("password")}\\n\` }],
  networksAdvanced: [{ name: network.name, aliases: ["service"] }],
  volumes: [{ volumeName: volume.name, containerPath: "/data" }],
  healthcheck: { tests: ["CMD", "cat", "/etc/service/config"], interval: "1s", timeout: "5s", startPeriod: "1m0s", retries: 3 },
  wait: true,
  waitTimeout: 30,
  memory: config.getNumber("memory") || 64,
  memorySwap: config.getNumber("memory") || 64,
  ports: [{ internal: 80, external: 0, ip: "127.0.0.1" }],
  labels,
});
exports.id = container.id;
exports.address = container.networkDatas[0].ipAddress;
`;

/** As the toolchain does it, but straight from the sources. */
async function installPlugin(plugin: string): Promise<void> {
  const executable = path.join(plugin, "pulumi-resource-docker");
  const main = path.join(projectFolder, "toolchain/docker-plugin/main.ts");
  const tsx = path.join(projectFolder, "node_modules/tsx/dist/loader.mjs");
  await mkdir(plugin, { recursive: true });
  await writeFile(executable, `#!/bin/sh\nexec "${process.execPath}" --import "${tsx}" "${main}" "$@"\n`);
  await chmod(executable, 0o755);
  await writeFile(`${plugin}.lock`, "");
}

async function pulumi(...args: string[]): Promise<string> {
  try {
    const { stdout, stderr } = await run("pulumi", [...args, "--non-interactive"], { cwd: folder, env });
    return stdout + stderr;
  } catch (error) {
    const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
    throw new Error(`pulumi ${args.join(" ")}\n${stdout}${stderr}`, { cause: error });
  }
}

const up = (...args: string[]) => pulumi("up", "--yes", "--skip-preview", ...args);
const refresh = (...args: string[]) => pulumi("refresh", "--yes", "--skip-preview", ...args);
const inspect = () => docker.getContainer(containerName).inspect();

test("up makes everything, with outputs to go on with", async () => {
  expect(await up()).toMatch(/: built in \d+ s/);
  const { id, address } = JSON.parse(await pulumi("stack", "output", "--json")) as {
    id: string;
    address: string;
  };
  expect(id).toBe((await inspect()).Id);
  expect(address).toMatch(/^\d+\.\d+\.\d+\.\d+$/);
});

test("a refresh right after it finds no change, and a second up makes none", async () => {
  await refresh("--expect-no-changes");
  await up("--expect-no-changes");
});

test("no secret is in the state in the clear", async () => {
  const state = await pulumi("stack", "export");
  expect(state).toContain("/etc/service");
  expect(state).not.toContain(password);
});

test("another memory limit changes the running container", async () => {
  const before = (await inspect()).Id;
  await pulumi("config", "set", "memory", "96");
  expect(await up()).toMatch(/~ 1 updated/);
  expect(await inspect()).toMatchObject({ Id: before, HostConfig: { Memory: 96 * 1024 * 1024 } });
});

test("a container removed by hand is noticed by a refresh, and made again", async () => {
  await docker.getContainer(containerName).remove({ force: true });
  expect(await up("--refresh")).toMatch(/\+ 1 created/);
  expect((await inspect()).State.Running).toBe(true);
});

test("a replacement that fails is mended by the next up, and its last words hold no secret", async () => {
  await pulumi("config", "set", "command", "cat /etc/service/config; exit 1");
  const failure = (await up().catch((error: unknown) => error)) as Error;
  expect(failure.message).toMatch(/exited with code 1[^]*\[secret\]/);
  expect(failure.message).not.toContain(password);
  await pulumi("config", "rm", "command");
  expect(await up()).toMatch(/1 replaced/);
  expect((await inspect()).State.Health?.Status).toBe("healthy");
});

test("destroy leaves nothing", async () => {
  await pulumi("destroy", "--yes", "--skip-preview");
  await expect(inspect()).rejects.toThrow(/no such container/);
  await expect(docker.getNetwork(`${prefix}-pulumi`).inspect()).rejects.toThrow(/no such network/);
  await expect(docker.getVolume(`${prefix}-pulumi`).inspect()).rejects.toThrow(/no such volume/);
  await expect(docker.getImage(`${prefix}-pulumi:1`).inspect()).rejects.toThrow(/no such image/);
});
