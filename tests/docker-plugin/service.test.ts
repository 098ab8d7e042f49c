import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import * as os from "node:os";
import * as path from "node:path";
import * as grpc from "@grpc/grpc-js";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";
import { Struct } from "google-protobuf/google/protobuf/struct_pb";
import { EngineService } from "@pulumi/pulumi/proto/engine_grpc_pb";
import type { LogRequest } from "@pulumi/pulumi/proto/engine_pb";
import { ResourceProviderClient } from "@pulumi/pulumi/proto/provider_grpc_pb";
import * as messages from "@pulumi/pulumi/proto/provider_pb";
import { Status } from "@pulumi/pulumi/proto/status_pb";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { docker, prefix, removeAll, smallImage } from "./engine";
import { CONTAINER, IMAGE } from "./provider-subject";

vi.setConfig({ testTimeout: 30_000, hookTimeout: 60_000 });

const SIGNATURE = "4dabf18193072939515e22adb298388d";
const secret = (value: unknown) => ({ [SIGNATURE]: "1b47061264138c4ac30d75fd1eb44270", value });
const password = "Pa55wordOfTheTest";

const logged: string[] = [];
let engine: grpc.Server;
let plugin: ChildProcess;
let client: ResourceProviderClient;
let imageId: string;
let cache: string;

/** The plugin as the engine runs it: a process that is given the engine's address and prints its own port. */
beforeAll(async () => {
  imageId = await smallImage(`${prefix}-service:1`);
  cache = await mkdtemp(path.join(os.tmpdir(), "lakestack-cache-"));
  engine = new grpc.Server();
  engine.addService(EngineService, {
    log: (call: grpc.ServerUnaryCall<LogRequest, Empty>, callback: grpc.sendUnaryData<Empty>) => {
      logged.push(call.request.getMessage());
      callback(null, new Empty());
    },
  });
  const enginePort = await new Promise<number>((resolve, reject) => {
    engine.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) => {
      if (error) reject(error);
      else resolve(port);
    });
  });
  const main = path.join(__dirname, "../../toolchain/docker-plugin/main.ts");
  plugin = spawn(process.execPath, ["--import", "tsx", main, `127.0.0.1:${enginePort}`], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, LAKESTACK_CACHE: cache },
  });
  const [port] = (await once(plugin.stdout ?? process.stdin, "data")) as [Buffer];
  client = new ResourceProviderClient(
    `127.0.0.1:${port.toString().trim()}`,
    grpc.credentials.createInsecure(),
  );
});

afterAll(async () => {
  client.close();
  plugin.kill();
  engine.forceShutdown();
  await removeAll();
  await rm(cache, { recursive: true });
});

const urn = (type: string) => `urn:pulumi:test::project::${type}::subject`;

const struct = (values: object): Struct => Struct.fromJavaScript(values as Record<string, string>);

async function call<Request, Response>(
  method: (request: Request, callback: (error: grpc.ServiceError | null, response: Response) => void) => void,
  request: Request,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    method.call(client, request, (error, response) => {
      if (error) reject(error);
      else resolve(response);
    });
  });
}

async function check(type: string, news: object): Promise<messages.CheckResponse> {
  const request = new messages.CheckRequest();
  request.setUrn(urn(type));
  request.setOlds(struct({}));
  request.setNews(struct(news));
  return call(client.check.bind(client) as never, request);
}

async function create(type: string, news: object): Promise<messages.CreateResponse> {
  const request = new messages.CreateRequest();
  request.setUrn(urn(type));
  request.setProperties((await check(type, news)).getInputs());
  return call(client.create.bind(client) as never, request);
}

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
  const checked = (await check(CONTAINER, inputs)).getInputs()?.toJavaScript();
  expect(checked).toMatchObject({
    envs: secret(["PLAIN=1", `PASSWORD=${password}`]),
    name: `${prefix}-service`,
  });

  const created = await create(CONTAINER, inputs);
  const outputs = created.getProperties()?.toJavaScript() ?? {};
  expect(outputs).toMatchObject({
    envs: secret(["PLAIN=1", `PASSWORD=${password}`]),
    uploads: secret([{ file: "/secret", content: password, executable: false }]),
    image: imageId,
  });

  const request = new messages.ReadRequest();
  request.setId(created.getId());
  request.setUrn(urn(CONTAINER));
  request.setProperties(struct(outputs));
  request.setInputs(struct(checked ?? {}));
  const found: messages.ReadResponse = await call(client.read.bind(client) as never, request);
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
  const error = (await create(CONTAINER, inputs).catch((reason: unknown) => reason)) as grpc.ServiceError;
  expect(error.details).toMatch(/exited with code 1[^]*password is \[secret\]/);
  expect(error.details).not.toContain(password);
  expect(error.details).not.toContain("letmein");
  expect(logged.join()).not.toContain(password);

  // What goes into the state: the container is there, its secrets marked.
  const [details] = error.metadata.get("grpc-status-details-bin");
  const any = Status.deserializeBinary(details as Buffer).getDetailsList()[0];
  const failure = messages.ErrorResourceInitFailed.deserializeBinary(
    any?.getValue_asU8() ?? new Uint8Array(),
  );
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
  await create(IMAGE, { name: `${prefix}-service-image:1`, build });
  expect(logged.join("\n")).toMatch(/Step 3\/3 : RUN echo/);
  expect(logged.join("\n")).not.toContain(password);
});

test("faults come with their path, the provider's and the resource's", async () => {
  const { failuresList } = (await check(CONTAINER, container({ gpus: "all" }))).toObject();
  expect(failuresList).toMatchObject([
    { property: "gpus", reason: expect.stringMatching(/^not supported/) as string },
  ]);
  const request = new messages.CheckRequest();
  request.setNews(struct({ caMaterial: "x", host: "unix:///x" }));
  const config: messages.CheckResponse = await call(client.checkConfig.bind(client) as never, request);
  expect(config.toObject().failuresList).toMatchObject([{ property: "caMaterial" }]);
});

test("a preview makes nothing, and leaves open what only the engine can tell", async () => {
  const request = new messages.CreateRequest();
  request.setUrn(urn(CONTAINER));
  request.setPreview(true);
  request.setProperties(struct({ name: `${prefix}-preview`, envs: secret(["A=1"]) }));
  const response: messages.CreateResponse = await call(client.create.bind(client) as never, request);
  expect(response.getProperties()?.toJavaScript()).toEqual({
    name: `${prefix}-preview`,
    envs: secret(["A=1"]),
  });
  await expect(docker.getContainer(`${prefix}-preview`).inspect()).rejects.toThrow(/no such container/);
});

test("a function is refused by name", async () => {
  const request = new messages.InvokeRequest();
  request.setTok("docker:index/getLogs:getLogs");
  await expect(call(client.invoke.bind(client) as never, request)).rejects.toThrow(
    "docker:index/getLogs:getLogs is not supported by the stand-in",
  );
});
