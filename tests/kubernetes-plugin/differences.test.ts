import { describe, expect, test } from "vitest";
import type { Values } from "../../toolchain/plugin-protocol/provider";
import { differences } from "../../toolchain/kubernetes-plugin/differences";
import { parsePath, formatPath } from "../../toolchain/kubernetes-plugin/property-path";

const replaced = { configMaps: false, secrets: false };

const deployment = {
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name: "web", namespace: "a", labels: { "app.kubernetes.io/name": "web" } },
  spec: {
    replicas: 1,
    selector: { matchLabels: { app: "web" } },
    template: { spec: { containers: [{ name: "web", image: "web:1" }] } },
  },
};

function diff(before: Values, after: Values, ignored: string[] = [], mutability = replaced) {
  return differences({ inputs: before, outputs: before }, after, ignored, mutability);
}

/** `path:change` for each difference. */
function changed(before: Values, after: Values, ignored?: string[], mutability?: typeof replaced): string[] {
  return diff(before, after, ignored, mutability).differences.map(
    ({ property, change }) => `${property}:${change}`,
  );
}

const object = (apiVersion: string, kind: string, rest: Values) => ({
  apiVersion,
  kind,
  metadata: { name: "x", namespace: "a" },
  ...rest,
});

describe("a difference", () => {
  test("is told by the path of what the program changed", () => {
    const after = structuredClone(deployment);
    after.spec.template.spec.containers = [{ name: "web", image: "web:2" }];
    after.metadata.labels = { "app.kubernetes.io/name": "shop" };
    expect(changed(deployment, after).sort()).toEqual([
      'metadata.labels["app.kubernetes.io/name"]:update',
      "spec.template.spec.containers[0].image:update",
    ]);
  });

  test("is none where nothing was changed, or null stands for nothing", () => {
    expect(changed(deployment, { ...structuredClone(deployment), data: null })).toEqual([]);
  });

  test("says what was added and what was taken away", () => {
    const { selector, template } = deployment.spec;
    const after = { ...deployment, spec: { selector, template, paused: true } };
    const found = diff(deployment, after).differences.map(({ property, kind }) => `${property}:${kind}`);
    expect(found.sort()).toEqual(["spec.paused:add", "spec.replicas:delete"]);
  });

  test("is none in the plugin's own notes, nor where the program ignores it", () => {
    const after = { ...deployment, __fieldManager: "x", spec: { ...deployment.spec, replicas: 5 } };
    expect(changed(deployment, after, ["spec.replicas"])).toEqual([]);
    expect(changed(deployment, after, ["spec"])).toEqual([]);
    expect(changed(deployment, after, ["spec.repl"])).toEqual(["spec.replicas:update"]);
  });

  test("in the namespace is none of a kind that turned out to have none", () => {
    const before = object("example.com/v1", "Planet", {});
    const after = { ...before, metadata: { name: "x" } };
    const found = differences({ inputs: before, outputs: after }, after, [], replaced);
    expect(found.differences).toEqual([]);
  });
});

describe("a replacement", () => {
  const cases: [string, Values, Values, string[]][] = [
    [
      "a Deployment's selector",
      deployment,
      { ...deployment, spec: { ...deployment.spec, selector: { matchLabels: { app: "shop" } } } },
      ["spec.selector.matchLabels.app:replace"],
    ],
    [
      "a StatefulSet's volume claims",
      object("apps/v1", "StatefulSet", {
        spec: { volumeClaimTemplates: [{ spec: { storageClassName: "a" } }] },
      }),
      object("apps/v1", "StatefulSet", {
        spec: { volumeClaimTemplates: [{ spec: { storageClassName: "b" } }] },
      }),
      ["spec.volumeClaimTemplates[0].spec.storageClassName:replace"],
    ],
    [
      "a Job's template",
      object("batch/v1", "Job", { spec: { template: { spec: { a: 1 } } } }),
      object("batch/v1", "Job", { spec: { template: { spec: { a: 2 } } } }),
      ["spec.template.spec.a:replace"],
    ],
    [
      "a Service's address",
      object("v1", "Service", { spec: { clusterIP: "None" } }),
      object("v1", "Service", { spec: {} }),
      ["spec.clusterIP:replace"],
    ],
    [
      "a binding's role",
      object("rbac.authorization.k8s.io/v1", "RoleBinding", { roleRef: { name: "a" } }),
      object("rbac.authorization.k8s.io/v1", "RoleBinding", { roleRef: { name: "b" } }),
      ["roleRef.name:replace"],
    ],
    [
      "a Pod's command, but not its image",
      object("v1", "Pod", { spec: { containers: [{ image: "a", command: ["a"] }] } }),
      object("v1", "Pod", { spec: { containers: [{ image: "b", command: ["b"] }] } }),
      ["spec.containers[0].image:update", "spec.containers[0].command[0]:replace"],
    ],
    [
      "a volume claim's access, but not its size",
      object("v1", "PersistentVolumeClaim", {
        spec: { accessModes: ["A"], resources: { requests: { storage: "1Gi" } } },
      }),
      object("v1", "PersistentVolumeClaim", {
        spec: { accessModes: ["B"], resources: { requests: { storage: "2Gi" } } },
      }),
      ["spec.accessModes[0]:replace", "spec.resources.requests.storage:update"],
    ],
    [
      "a storage class's parameters",
      object("storage.k8s.io/v1", "StorageClass", { parameters: { type: "a" } }),
      object("storage.k8s.io/v1", "StorageClass", { parameters: { type: "b" } }),
      ["parameters.type:replace"],
    ],
    [
      "a Secret's type",
      object("v1", "Secret", { type: "Opaque" }),
      object("v1", "Secret", { type: "kubernetes.io/tls" }),
      ["type:replace"],
    ],
  ];
  test.each(cases)("follows a change of %s", (_, before, after, expected) => {
    expect(changed(before, after)).toEqual(expected);
  });

  test("follows a change of data, unless the provider says that data may change", () => {
    const [before, after] = [
      object("v1", "ConfigMap", { data: { a: "1" } }),
      object("v1", "ConfigMap", { data: { a: "2" } }),
    ];
    expect(changed(before, after)).toEqual(["data.a:replace"]);
    expect(changed(before, after, [], { configMaps: true, secrets: false })).toEqual(["data.a:update"]);
    const secret = { ...after, kind: "Secret" };
    expect(changed({ ...before, kind: "Secret" }, secret, [], { configMaps: true, secrets: false })).toEqual([
      "data.a:replace",
    ]);
  });

  test("follows a change of data in any case where the object says that it is immutable", () => {
    const before = object("v1", "ConfigMap", { data: { a: "1" }, immutable: true });
    const after = object("v1", "ConfigMap", { data: { a: "2" }, immutable: true });
    expect(changed(before, after, [], { configMaps: true, secrets: true })).toEqual(["data.a:replace"]);
  });

  test("follows a change of the name or the namespace, and of the group, but not of the version", () => {
    const other = (metadata: Values) => ({
      ...deployment,
      metadata: { ...deployment.metadata, ...metadata },
    });
    expect(changed(deployment, other({ name: "shop" }))).toEqual(["metadata.name:replace"]);
    expect(changed(deployment, other({ namespace: "b" }))).toEqual(["metadata.namespace:replace"]);
    expect(changed(deployment, { ...deployment, apiVersion: "apps/v1beta2" })).toEqual(["apiVersion:update"]);
    expect(changed(deployment, { ...deployment, apiVersion: "shops/v1" })).toEqual(["apiVersion:replace"]);
  });

  test("deletes the old one first only where the new one is to have its name", () => {
    const after = { ...deployment, spec: { ...deployment.spec, selector: { matchLabels: { app: "b" } } } };
    const autonamed = {
      ...after,
      metadata: { ...after.metadata, annotations: { "pulumi.com/autonamed": "true" } },
    };
    const renamed = { ...after, metadata: { ...after.metadata, name: "b" } };
    expect(diff(deployment, after)).toMatchObject({ replace: true, deleteBeforeReplace: true });
    expect(diff(deployment, autonamed)).toMatchObject({ replace: true, deleteBeforeReplace: false });
    expect(diff(deployment, renamed)).toMatchObject({ replace: true, deleteBeforeReplace: false });
  });
});

test.each(["spec.ports[0].port", 'metadata.labels["a.b/c"].x', 'data["it\\"s"]'])(
  "the path %s is read as it is written",
  (path) => {
    expect(formatPath(parsePath(path))).toBe(path);
  },
);
