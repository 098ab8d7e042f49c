import { mkdtemp, rm } from "node:fs/promises";
import * as os from "node:os";
import * as path from "node:path";
import type * as grpc from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { partialState, PluginProcess, secret } from "../plugin-harness/plugin-process";
import { docker, prefix, removeAll, smallImage } from "./engine";
import { CONTAINER, IMAGE } from "./provider-subject";

vi.setConfig({ testTimeout: 30_000, hookTimeout: 60_000 });

const password = "Pa55wordOfTheTest";

let plugin: PluginProcess;
let imageId: string;
let cache: string;

beforeAll(async () => {
  imageId = await smallImage(`${prefix}-service:1`);
  cache = await mkdtemp(path.join(os.tmpdir(), "lakestack-cache-"));
  plugin = await PluginProcess.start("docker-plugin", { LAKESTACK_CACHE: cache });
});

afterAll(async () => {
  plugin.stop();
  await removeAll();
  await rm(cache, { recursive: true });
});

const container = (changes: object) => ({
  name: `${prefix}-service`,
  image: imageId,
  command: ["sleep", "600"],
  ...changes,
});

test("secrets come back as secrets, from check, create and read", async () => {
  const inputs = container({
    envs: ["PLAIN=1", secret(`PASSWORD=${password}`)],
    uploads: [{ file: "/secret", content: secret(password) }],
  });
  const checked = (await plugin.check(CONTAINER, inputs)).getInputs()?.toJavaScript();
  expect(checked).toMatchObject({
    envs: secret(["PLAIN=1", `PASSWORD=${password}`]),
    name: `${prefix}-service`,
  });

  const created = await plugin.create(CONTAINER, inputs);
  const outputs = created.getProperties()?.toJavaScript() ?? {};
  expect(outputs).toMatchObject({
    envs: secret(["PLAIN=1", `PASSWORD=${password}`]),
    uploads: secret([{ file: "/secret", content: password, executable: false }]),
    image: imageId,
  });

  const found = await plugin.read(CONTAINER, created.getId(), { outputs, inputs: checked ?? {} });
  expect(found.getProperties()?.toJavaScript()).toEqual(outputs);
  expect(found.getInputs()?.toJavaScript()).toEqual(checked);
  await docker.getContainer(created.getId()).remove({ force: true });
});

test("a secret that a failing container prints is not in the error, the state or the log", async () => {
  const config = `user = admin\npassword = ${password}\n`;
  const inputs = container({
    command: ["sh", "-c", 'cat /config; echo "password is $TOKEN"; exit 1'],
    envs: [secret("TOKEN=letmein")],
    uploads: [{ file: "/config", content: secret(config) }],
  });
  const error = (await plugin
    .create(CONTAINER, inputs)
    .catch((reason: unknown) => reason)) as grpc.ServiceError;
  expect(error.details).toMatch(/exited with code 1[^]*password is \[secret\]/);
  expect(error.details).not.toContain(password);
  expect(error.details).not.toContain("letmein");
  expect(plugin.logged.join()).not.toContain(password);

  // What goes into the state: the container is there, its secrets marked.
  const failure = partialState(error);
  expect(failure.getReasonsList().join()).not.toContain("letmein");
  const outputs = failure.getProperties()?.toJavaScript();
  expect(outputs).toMatchObject({
    envs: secret(["TOKEN=letmein"]),
    uploads: secret([{ file: "/config", content: config, executable: false }]),
    exitCode: 1,
  });
  await docker.getContainer(failure.getId()).remove({ force: true });
});

test("a build tells its steps, without its secrets", async () => {
  const context = path.join(__dirname, "build-with-secret");
  const build = { context, buildArgs: { BASE: imageId, TOKEN: secret(password) } };
  await plugin.create(IMAGE, { name: `${prefix}-service-image:1`, build });
  expect(plugin.logged.join("\n")).toMatch(/Step 3\/3 : RUN echo/);
  expect(plugin.logged.join("\n")).not.toContain(password);
});

test("faults come with their path, the provider's and the resource's", async () => {
  const { failuresList } = (await plugin.check(CONTAINER, container({ gpus: "all" }))).toObject();
  expect(failuresList).toMatchObject([
    { property: "gpus", reason: expect.stringMatching(/^not supported/) as string },
  ]);
  const config = await plugin.checkConfig({ caMaterial: "x", host: "unix:///x" });
  expect(config.toObject().failuresList).toMatchObject([{ property: "caMaterial" }]);
});

test("a preview makes nothing, and leaves open what only the engine can tell", async () => {
  const inputs = { name: `${prefix}-preview`, envs: secret(["A=1"]) };
  const response = await plugin.previewCreate(CONTAINER, inputs);
  expect(response.getProperties()?.toJavaScript()).toEqual({
    name: `${prefix}-preview`,
    envs: secret(["A=1"]),
  });
  await expect(docker.getContainer(`${prefix}-preview`).inspect()).rejects.toThrow(/no such container/);
});

test("a function is refused by name", async () => {
  await expect(plugin.invoke("docker:index/getLogs:getLogs")).rejects.toThrow(
    "docker:index/getLogs:getLogs is not supported by the stand-in",
  );
});
