import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import * as path from "node:path";
import * as grpc from "@grpc/grpc-js";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";
import { Struct } from "google-protobuf/google/protobuf/struct_pb";
import { EngineService } from "@pulumi/pulumi/proto/engine_grpc_pb";
import type { LogRequest } from "@pulumi/pulumi/proto/engine_pb";
import { ResourceProviderClient } from "@pulumi/pulumi/proto/provider_grpc_pb";
import * as messages from "@pulumi/pulumi/proto/provider_pb";
import { Status } from "@pulumi/pulumi/proto/status_pb";
import { afterAll, beforeAll, expect, test } from "vitest";
import { image, kubeconfig, makeNamespace, prefix, removeAll } from "./cluster";

const SIGNATURE = "4dabf18193072939515e22adb298388d";
const secret = (value: unknown) => ({ [SIGNATURE]: "1b47061264138c4ac30d75fd1eb44270", value });
const password = "Pa55wordOfTheTest";

const SECRET = "kubernetes:core/v1:Secret";
const POD = "kubernetes:core/v1:Pod";

const logged: string[] = [];
let engine: grpc.Server;
let plugin: ChildProcess;
let client: ResourceProviderClient;
let namespace: string;

/** The plugin as the engine runs it: a process that is given the engine's address and prints its own port. */
beforeAll(async () => {
  namespace = await makeNamespace(`${prefix}-service`);
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
  const main = path.join(__dirname, "../../toolchain/kubernetes-plugin/main.ts");
  plugin = spawn(process.execPath, ["--import", "tsx", main, `127.0.0.1:${enginePort}`], {
    stdio: ["ignore", "pipe", "inherit"],
    // The provider's default, as for a program that makes no provider of its own.
    env: { ...process.env, KUBECONFIG: kubeconfig },
  });
  const [port] = (await once(plugin.stdout ?? process.stdin, "data")) as [Buffer];
  client = new ResourceProviderClient(
    `127.0.0.1:${port.toString().trim()}`,
    grpc.credentials.createInsecure(),
  );
  const request = new messages.ConfigureRequest();
  request.setArgs(struct({ namespace }));
  await call(client.configure.bind(client) as never, request);
});

afterAll(async () => {
  client.close();
  plugin.kill();
  engine.forceShutdown();
  await removeAll();
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
  request.setNews(struct({ apiVersion: "v1", kind: type.split(":")[2], ...news }));
  return call(client.check.bind(client) as never, request);
}

async function create(type: string, news: object): Promise<messages.CreateResponse> {
  const request = new messages.CreateRequest();
  request.setUrn(urn(type));
  const checked = await check(type, news);
  expect(checked.toObject().failuresList).toEqual([]);
  request.setProperties(checked.getInputs());
  return call(client.create.bind(client) as never, request);
}

test("a Secret's data is secret whether the program says so or not, from check, create and read", async () => {
  const data = { password: Buffer.from(password).toString("base64") };
  const checked =
    (await check(SECRET, { metadata: { name: "secret" }, data })).getInputs()?.toJavaScript() ?? {};
  expect(checked).toMatchObject({ data: secret(data), metadata: { name: "secret", namespace } });

  const created = await create(SECRET, { metadata: { name: "secret" }, data });
  const outputs = created.getProperties()?.toJavaScript() ?? {};
  expect(outputs).toMatchObject({ data: secret(data), type: "Opaque" });

  const request = new messages.ReadRequest();
  request.setId(created.getId());
  request.setUrn(urn(SECRET));
  const imported: messages.ReadResponse = await call(client.read.bind(client) as never, request);
  expect(imported.getProperties()?.toJavaScript()).toMatchObject({ data: secret(data) });
  expect(imported.getInputs()?.toJavaScript()).toMatchObject({ data: secret(data) });
});

test("what one resource keeps secret is in no message about another, nor in what goes into the state", async () => {
  await create(SECRET, { metadata: { name: "shared" }, stringData: { password } });
  const error = (await create(POD, {
    metadata: { name: "talkative", annotations: { "example.com/token": secret("T0kenOfTheTest") } },
    spec: {
      restartPolicy: "Never",
      containers: [
        {
          name: "main",
          image,
          imagePullPolicy: "IfNotPresent",
          command: ["sh", "-c", "echo password is $PASSWORD; exit 1"],
          env: [{ name: "PASSWORD", valueFrom: { secretKeyRef: { name: "shared", key: "password" } } }],
        },
      ],
    },
  }).catch((reason: unknown) => reason)) as grpc.ServiceError;
  expect(error.details).toMatch(/exited with code 1[^]*password is \[secret\]/);
  expect(error.details).not.toContain(password);
  expect(logged.join()).not.toContain(password);

  const [details] = error.metadata.get("grpc-status-details-bin");
  const any = Status.deserializeBinary(details as Buffer).getDetailsList()[0];
  const failure = messages.ErrorResourceInitFailed.deserializeBinary(
    any?.getValue_asU8() ?? new Uint8Array(),
  );
  expect(failure.getId()).toBe(`${namespace}/talkative`);
  expect(failure.getReasonsList().join()).not.toContain(password);
  expect(failure.getProperties()?.toJavaScript()).toMatchObject({
    metadata: { annotations: { "example.com/token": secret("T0kenOfTheTest") } },
    status: { phase: "Failed" },
  });
});

test("functions and components are refused by name", async () => {
  const request = new messages.InvokeRequest();
  request.setTok("kubernetes:yaml:decode");
  await expect(call(client.invoke.bind(client) as never, request)).rejects.toThrow(
    "kubernetes:yaml:decode is not supported by the stand-in",
  );
  const component = new messages.ConstructRequest();
  component.setType("kubernetes:helm.sh/v4:Chart");
  await expect(call(client.construct.bind(client) as never, component)).rejects.toThrow(
    "kubernetes:helm.sh/v4:Chart is not supported by the stand-in",
  );
});

test("the provider's faults come with their path", async () => {
  const request = new messages.CheckRequest();
  request.setNews(struct({ renderYamlToDirectory: "out", context: "none" }));
  const config: messages.CheckResponse = await call(client.checkConfig.bind(client) as never, request);
  expect(config.toObject().failuresList).toMatchObject([{ property: "renderYamlToDirectory" }]);
});
