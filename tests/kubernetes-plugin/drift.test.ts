import { describe, expect, test } from "vitest";
import { inputsAfterDrift } from "../../toolchain/kubernetes-plugin/drift";
import { importedInputs } from "../../toolchain/kubernetes-plugin/imported";
import type { KubeObject } from "../../toolchain/kubernetes-plugin/kube-object";

const inputs = {
  kind: "Deployment",
  metadata: { name: "web", labels: { app: "web" } },
  spec: {
    replicas: 1,
    template: {
      spec: {
        containers: [
          {
            name: "web",
            image: "web:1",
            args: ["--a", "--b"],
            resources: { limits: { cpu: "1000m" } },
            env: [{ name: "A", value: "1" }],
          },
        ],
      },
    },
  },
  __fieldManager: "m",
};

/** As the server shows it: in its own form, with what it fills in. */
function live(): typeof inputs & KubeObject {
  const object = structuredClone(inputs) as typeof inputs & KubeObject;
  const [container] = object.spec.template.spec.containers;
  Object.assign(container ?? {}, { resources: { limits: { cpu: "1" } }, imagePullPolicy: "IfNotPresent" });
  Object.assign(object, { status: { replicas: 0 } });
  return object;
}

describe("a refresh", () => {
  test("leaves the inputs as they are where nothing that they set was changed", () => {
    const after = live();
    Object.assign(after, { status: { replicas: 1 } });
    Object.assign(after.metadata, { resourceVersion: "2", annotations: { "somebody.else/note": "1" } });
    expect(inputsAfterDrift(inputs, live(), after)).toEqual(inputs);
  });

  test("sees values that were changed, and those that were taken away", () => {
    const after = live();
    after.spec.replicas = 3;
    Object.assign(after.metadata, { labels: {} });
    const found = inputsAfterDrift(inputs, live(), after);
    expect(found).toMatchObject({ metadata: { name: "web", labels: {} }, spec: { replicas: 3 } });
    expect(found).toMatchObject({ spec: { template: inputs.spec.template }, __fieldManager: "m" });
    expect(found["metadata"]).toEqual({ name: "web", labels: {} });
  });

  test("finds the items of a list by their name, and leaves those of others alone", () => {
    const after = live();
    const [container] = after.spec.template.spec.containers;
    if (container) container.image = "web:2";
    after.spec.template.spec.containers.unshift({ name: "sidecar" } as never);
    const found = inputsAfterDrift(inputs, live(), after);
    expect(found).toMatchObject({
      spec: {
        template: { spec: { containers: [{ ...inputs.spec.template.spec.containers[0], image: "web:2" }] } },
      },
    });
  });

  test("takes a list of plain values whole", () => {
    const after = live();
    const [container] = after.spec.template.spec.containers;
    if (container) container.args = ["--a"];
    const found = inputsAfterDrift(inputs, live(), after);
    expect(found).toMatchObject({ spec: { template: { spec: { containers: [{ args: ["--a"] }] } } } });
  });

  test("sees a secret text by its encoded form", () => {
    const secret = { kind: "Secret", stringData: { password: "old", other: "1" } };
    const data = (password: string) => ({
      kind: "Secret",
      data: { password: Buffer.from(password).toString("base64"), other: "MQ==" },
    });
    expect(inputsAfterDrift(secret, data("old"), data("old"))).toEqual(secret);
    expect(inputsAfterDrift(secret, data("old"), data("new"))).toEqual({
      kind: "Secret",
      stringData: { password: "new", other: "1" },
    });
  });
});

test("an import keeps what a program would write, and leaves out what the server does", () => {
  const found = importedInputs({
    apiVersion: "v1",
    kind: "Service",
    metadata: {
      name: "web",
      namespace: "a",
      uid: "1",
      resourceVersion: "1",
      annotations: { "kubectl.kubernetes.io/last-applied-configuration": "{}" },
    },
    spec: { clusterIP: "10.0.0.1", clusterIPs: ["10.0.0.1"], ports: [{ port: 80 }] },
    status: {},
  });
  expect(found).toEqual({
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "web", namespace: "a" },
    spec: { ports: [{ port: 80 }] },
  });
});
