import { mkdir, writeFile } from "node:fs/promises";
import * as path from "node:path";
import { version } from "@pulumi/docker/package.json";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { ScratchProject } from "../plugin-harness/scratch-project";
import { docker, prefix, removeAll, smallImage } from "./engine";

/** The plugin from its sources, driven by the real Pulumi engine. One story: each test goes on where the last ended. */
vi.setConfig({ testTimeout: 120_000, hookTimeout: 600_000 });

const password = "Pa55wordOfTheStack";
const containerName = `${prefix}-pulumi`;
let project: ScratchProject;

beforeAll(async () => {
  await smallImage(`${prefix}-base:3`);
  project = await ScratchProject.make({ plugin: { name: "docker", version }, program });
  await mkdir(path.join(project.folder, "context"));
  const dockerfile = "ARG BASE\nFROM ${BASE}\nRUN touch /built\n";
  await writeFile(path.join(project.folder, "context/Dockerfile"), dockerfile);
  await project.pulumi("config", "set", "--secret", "password", password);
});

afterAll(async () => {
  await removeAll();
  await project.remove();
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

const inspect = () => docker.getContainer(containerName).inspect();

test("up makes everything, with outputs to go on with", async () => {
  expect(await project.up()).toMatch(/: built in \d+ s/);
  const { id, address } = JSON.parse(await project.pulumi("stack", "output", "--json")) as {
    id: string;
    address: string;
  };
  expect(id).toBe((await inspect()).Id);
  expect(address).toMatch(/^\d+\.\d+\.\d+\.\d+$/);
});

test("a refresh right after it finds no change, and a second up makes none", async () => {
  await project.refresh("--expect-no-changes");
  await project.up("--expect-no-changes");
});

test("no secret is in the state in the clear", async () => {
  const state = await project.pulumi("stack", "export");
  expect(state).toContain("/etc/service");
  expect(state).not.toContain(password);
});

test("another memory limit changes the running container", async () => {
  const before = (await inspect()).Id;
  await project.pulumi("config", "set", "memory", "96");
  expect(await project.up()).toMatch(/~ 1 updated/);
  expect(await inspect()).toMatchObject({ Id: before, HostConfig: { Memory: 96 * 1024 * 1024 } });
});

test("a container removed by hand is noticed by a refresh, and made again", async () => {
  await docker.getContainer(containerName).remove({ force: true });
  expect(await project.up("--refresh")).toMatch(/\+ 1 created/);
  expect((await inspect()).State.Running).toBe(true);
});

test("a replacement that fails is mended by the next up, and its last words hold no secret", async () => {
  await project.pulumi("config", "set", "command", "cat /etc/service/config; exit 1");
  const failure = (await project.up().catch((error: unknown) => error)) as Error;
  expect(failure.message).toMatch(/exited with code 1[^]*\[secret\]/);
  expect(failure.message).not.toContain(password);
  await project.pulumi("config", "rm", "command");
  expect(await project.up()).toMatch(/1 replaced/);
  expect((await inspect()).State.Health?.Status).toBe("healthy");
});

test("destroy leaves nothing", async () => {
  await project.pulumi("destroy", "--yes", "--skip-preview");
  await expect(inspect()).rejects.toThrow(/no such container/);
  await expect(docker.getNetwork(`${prefix}-pulumi`).inspect()).rejects.toThrow(/no such network/);
  await expect(docker.getVolume(`${prefix}-pulumi`).inspect()).rejects.toThrow(/no such volume/);
  await expect(docker.getImage(`${prefix}-pulumi:1`).inspect()).rejects.toThrow(/no such image/);
});
