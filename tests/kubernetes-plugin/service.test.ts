import type * as grpc from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, test } from "vitest";
import { partialState, PluginProcess, secret } from "../plugin-harness/plugin-process";
import { image, kubeconfig, makeNamespace, prefix, readyLater, removeAll } from "./cluster";

const password = "Pa55wordOfTheTest";

const SECRET = "kubernetes:core/v1:Secret";
const POD = "kubernetes:core/v1:Pod";

let plugin: PluginProcess;
let namespace: string;

beforeAll(async () => {
  namespace = await makeNamespace(`${prefix}-service`);
  // The provider's default, as for a program that makes no provider of its own.
  plugin = await PluginProcess.start("kubernetes-plugin", { KUBECONFIG: kubeconfig });
  await plugin.configure({ namespace });
});

afterAll(async () => {
  plugin.stop();
  await removeAll();
});

/** An object of the core group, as a program describes it. */
const object = (type: string, rest: object) => ({ apiVersion: "v1", kind: type.split(":")[2], ...rest });

test("a Secret's data is secret whether the program says so or not, from check, create and read", async () => {
  const data = { password: Buffer.from(password).toString("base64") };
  const wanted = object(SECRET, { metadata: { name: "secret" }, data });
  const checked = (await plugin.check(SECRET, wanted)).getInputs()?.toJavaScript() ?? {};
  expect(checked).toMatchObject({ data: secret(data), metadata: { name: "secret", namespace } });

  const created = await plugin.create(SECRET, wanted);
  const outputs = created.getProperties()?.toJavaScript() ?? {};
  expect(outputs).toMatchObject({ data: secret(data), type: "Opaque" });

  const imported = await plugin.read(SECRET, created.getId());
  expect(imported.getProperties()?.toJavaScript()).toMatchObject({ data: secret(data) });
  expect(imported.getInputs()?.toJavaScript()).toMatchObject({ data: secret(data) });
});

test("what one resource keeps secret is in no message about another, nor in what goes into the state", async () => {
  const shared = object(SECRET, { metadata: { name: "shared" }, stringData: { password } });
  await plugin.create(SECRET, shared);
  const talkative = object(POD, {
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
          readinessProbe: readyLater,
        },
      ],
    },
  });
  const failed = plugin.create(POD, talkative);
  const error = (await failed.catch((reason: unknown) => reason)) as grpc.ServiceError;
  expect(error.details).toMatch(/exited with code 1[^]*password is \[secret\]/);
  expect(error.details).not.toContain(password);
  expect(plugin.logged.join()).not.toContain(password);

  const failure = partialState(error);
  expect(failure.getId()).toBe(`${namespace}/talkative`);
  expect(failure.getReasonsList().join()).not.toContain(password);
  expect(failure.getProperties()?.toJavaScript()).toMatchObject({
    metadata: { annotations: { "example.com/token": secret("T0kenOfTheTest") } },
    status: { phase: "Failed" },
  });
});

test("functions and components are refused by name", async () => {
  await expect(plugin.invoke("kubernetes:yaml:decode")).rejects.toThrow(
    "kubernetes:yaml:decode is not supported by the stand-in",
  );
  await expect(plugin.construct("kubernetes:helm.sh/v4:Chart")).rejects.toThrow(
    "kubernetes:helm.sh/v4:Chart is not supported by the stand-in",
  );
});

test("the provider's faults come with their path", async () => {
  const config = await plugin.checkConfig({ renderYamlToDirectory: "out", context: "none" });
  expect(config.toObject().failuresList).toMatchObject([{ property: "renderYamlToDirectory" }]);
});
