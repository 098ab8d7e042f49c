import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Values } from "../../toolchain/plugin-protocol/provider";
import { IncompleteError, UNKNOWN } from "../../toolchain/plugin-protocol/provider";
import { byHand, image, makeNamespace, prefix, removeAll } from "./cluster";
import { Harness } from "./provider-subject";

const CONFIG = "kubernetes:core/v1:ConfigMap";
const SECRET = "kubernetes:core/v1:Secret";
const DEPLOYMENT = "kubernetes:apps/v1:Deployment";
const SERVICE = "kubernetes:core/v1:Service";
const NAMESPACE = "kubernetes:core/v1:Namespace";

let namespace: string;
let harness: Harness;

beforeAll(async () => {
  namespace = await makeNamespace(`${prefix}-life`);
  harness = new Harness(namespace, { enableConfigMapMutable: "true", enableSecretMutable: "true" });
});
afterAll(removeAll);

const deployment = (changes: { replicas?: number; image?: string; selector?: Values } = {}) => ({
  metadata: { name: "sleeper" },
  spec: {
    replicas: changes.replicas ?? 1,
    selector: { matchLabels: changes.selector ?? { app: "sleeper" } },
    template: {
      metadata: { labels: { app: "sleeper" } },
      spec: {
        terminationGracePeriodSeconds: 0,
        containers: [
          {
            name: "sleeper",
            image: changes.image ?? image,
            imagePullPolicy: "IfNotPresent",
            command: ["sh", "-c", "exec sleep 3600"],
            resources: { requests: { cpu: "0.010" } },
          },
        ],
      },
    },
  },
});

describe("a check", () => {
  test("lets the API server judge: each fault by its property and reason", async () => {
    const wrong = deployment({ selector: { app: "other" } });
    expect(await harness.faults(DEPLOYMENT, wrong)).toEqual([
      expect.stringMatching(/^spec\.template\.metadata\.labels: .*`selector` does not match/),
    ]);
    expect(await harness.faults(DEPLOYMENT, { metadata: { name: "a" }, spec: { replicaz: 1 } })).toEqual([
      expect.stringMatching(/^spec\.replicaz: unknown field/),
    ]);
    expect(await harness.faults(CONFIG, { metadata: { name: "Not_A_Name" } })).toEqual([
      expect.stringMatching(/^metadata\.name: Invalid value/),
    ]);
  });

  test("finds no fault with what is to be made in a namespace that is yet to be made", async () => {
    expect(await harness.faults(CONFIG, { metadata: { name: "a", namespace: `${prefix}-later` } })).toEqual(
      [],
    );
  });

  test("finds no fault with what is not known yet, nor with a kind that is yet to be made", async () => {
    expect(await harness.faults(DEPLOYMENT, { metadata: { name: "a" }, spec: UNKNOWN })).toEqual([]);
    expect(await harness.faults("kubernetes:example.com/v1:Planet", { metadata: { name: "a" } })).toEqual([]);
  });

  test("makes up a name and keeps it, and puts the object into the provider's namespace", async () => {
    const first = await harness.inputs(CONFIG, {});
    expect(first).toMatchObject({
      metadata: { name: expect.stringMatching(/^subject-[0-9a-f]{8}$/) as string, namespace },
    });
    expect(await harness.inputs(CONFIG, {}, first)).toEqual(first);
    expect((await harness.inputs(NAMESPACE, {}))["metadata"]).not.toHaveProperty("namespace");
  });

  test("refuses by name what the stand-in has not", async () => {
    const refused = async (type: string, news: Values = {}) => (await harness.faults(type, news)).join();
    expect(await refused("kubernetes:helm.sh/v3:Release")).toMatch(/helm.sh\/v3:Release is not supported/);
    expect(await refused("kubernetes:apps/v1:DeploymentPatch", { kind: "Deployment" })).toMatch(
      /DeploymentPatch is not supported/,
    );
    expect(await refused("kubernetes:core/v1:ConfigMapList", { items: [] })).toMatch(
      /ConfigMapList is not supported/,
    );
    expect(await refused(CONFIG, { metadata: { generateName: "a-" } })).toMatch(
      /^metadata.generateName: not supported/,
    );
  });
});

describe("a ConfigMap", () => {
  test("is made, changed, refreshed and deleted", async () => {
    const kept = await harness.create(CONFIG, { metadata: { name: "life" }, data: { a: "1", b: "2" } });
    expect(kept.id).toBe(`${namespace}/life`);
    expect(kept.outputs).toMatchObject({
      data: { a: "1", b: "2" },
      metadata: { uid: expect.any(String) as string },
    });
    expect(kept.outputs["metadata"]).not.toHaveProperty("managedFields");

    const news = { metadata: { name: "life" }, data: { a: "3" } };
    expect(await harness.differences(CONFIG, kept, news)).toEqual(["data.a:update", "data.b:update"]);
    const updated = await harness.update(CONFIG, kept, news);
    expect(updated.outputs["data"]).toEqual({ a: "3" });
    expect(await harness.differences(CONFIG, updated, news)).toEqual([]);

    expect((await harness.refresh(CONFIG, updated))?.inputs).toEqual(updated.inputs);
    await harness.delete(CONFIG, updated);
    expect(await harness.refresh(CONFIG, updated)).toBeUndefined();
    await harness.delete(CONFIG, updated);
  });

  test("that is there already is not touched, unless the provider says so", async () => {
    await byHand.apply({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "there", namespace },
      data: { a: "1" },
    });
    await expect(harness.create(CONFIG, { metadata: { name: "there" } })).rejects.toThrow(
      new RegExp(`ConfigMap ${namespace}/there exists already.*import`),
    );
    const adopting = new Harness(namespace, { upsertExistingObjects: "true" });
    const kept = await adopting.create(CONFIG, { metadata: { name: "there" }, data: { b: "2" } });
    expect(kept.outputs["data"]).toEqual({ a: "1", b: "2" });
  });

  test("is imported by its ID, and a program that says the same changes nothing", async () => {
    const object = {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "import", namespace },
      data: { a: "1" },
    };
    await byHand.apply(object);
    const kept = await harness.import(CONFIG, `${namespace}/import`);
    expect(kept?.inputs).toEqual(object);
    if (kept)
      expect(
        await harness.differences(CONFIG, kept, { metadata: { name: "import" }, data: { a: "1" } }),
      ).toEqual([]);
    expect(await harness.import(CONFIG, `${namespace}/none`)).toBeUndefined();
  });

  test("that somebody has changed is found so, and taken back only with their fields' consent", async () => {
    const news = { metadata: { name: "drift", labels: { a: "1" } }, data: { a: "1" } };
    const kept = await harness.create(CONFIG, news);
    await byHand.apply({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "drift", namespace, labels: { other: "x" } },
      data: { a: "2" },
    });
    const found = await harness.refresh(CONFIG, kept);
    expect(found?.inputs).toMatchObject({ data: { a: "2" }, metadata: { labels: { a: "1" } } });
    if (!found) return;
    expect(await harness.differences(CONFIG, found, news)).toEqual(["data.a:update"]);
    await expect(harness.update(CONFIG, found, news)).rejects.toThrow(/data\.a: conflict with "by-hand"/);
    const annotations = { "pulumi.com/patchForce": "true" };
    const mended = await harness.update(CONFIG, found, {
      ...news,
      metadata: { ...news.metadata, annotations },
    });
    expect(mended.outputs).toMatchObject({ data: { a: "1" }, metadata: { labels: { a: "1", other: "x" } } });
  });
});

describe("a Secret", () => {
  test("given as texts is shown encoded, and a text that is no longer wanted goes", async () => {
    const kept = await harness.create(SECRET, {
      metadata: { name: "texts" },
      stringData: { a: "one", b: "two" },
    });
    expect(kept.outputs).toMatchObject({
      data: { a: Buffer.from("one").toString("base64") },
      stringData: { a: "one", b: "two" },
      type: "Opaque",
    });
    expect((await harness.refresh(SECRET, kept))?.inputs).toEqual(kept.inputs);
    const updated = await harness.update(SECRET, kept, {
      metadata: { name: "texts" },
      stringData: { a: "three" },
    });
    expect(updated.outputs["data"]).toEqual({ a: Buffer.from("three").toString("base64") });
  });
});

describe("a Deployment", () => {
  test("is done when its replicas are available, has no drift then, and is scaled in place", async () => {
    const kept = await harness.create(DEPLOYMENT, deployment());
    expect(kept.outputs["status"]).toMatchObject({ availableReplicas: 1 });
    expect((await harness.refresh(DEPLOYMENT, kept))?.inputs).toEqual(kept.inputs);
    expect(await harness.differences(DEPLOYMENT, kept, deployment())).toEqual([]);
    const scaled = await harness.update(DEPLOYMENT, kept, deployment({ replicas: 2 }));
    expect(scaled.outputs["status"]).toMatchObject({ availableReplicas: 2 });

    const service = await harness.create(SERVICE, {
      metadata: { name: "sleeper" },
      spec: { selector: { app: "sleeper" }, ports: [{ port: 80 }] },
    });
    expect(service.outputs).toMatchObject({ spec: { clusterIP: expect.stringMatching(/^\d/) as string } });
    expect((await harness.refresh(SERVICE, service))?.inputs).toEqual(service.inputs);

    await harness.delete(DEPLOYMENT, scaled);
    expect(await byHand.get("apps/v1", "Deployment", "sleeper", namespace)).toBeUndefined();
    const pods = await byHand.get("v1", "Pod", "sleeper", namespace);
    expect(pods).toBeUndefined();
  });
});

describe("a preview", () => {
  test("leaves open what the API server decides, and makes nothing", async () => {
    const inputs = await harness.inputs(SERVICE, {
      metadata: { name: "new" },
      spec: { ports: [{ port: 80 }] },
    });
    expect(harness.provider.previewCreate(harness.subject(SERVICE), inputs)).toMatchObject({
      metadata: { name: "new", uid: UNKNOWN },
      spec: { clusterIP: UNKNOWN, ports: [{ port: 80 }] },
    });
    expect(await byHand.get("v1", "Service", "new", namespace)).toBeUndefined();
  });

  test("of a change tells what the API server would make of it, and what it would refuse", async () => {
    const kept = await harness.create(CONFIG, {
      metadata: { name: "preview" },
      data: { a: "1" },
      immutable: true,
    });
    const preview = async (news: Values) =>
      harness.provider.previewUpdate(
        harness.subject(CONFIG),
        kept.id,
        kept,
        await harness.inputs(CONFIG, news, kept.inputs),
      );
    const labelled = { metadata: { name: "preview", labels: { a: "1" } }, data: { a: "1" }, immutable: true };
    expect(await preview(labelled)).toMatchObject({ metadata: { labels: { a: "1" } } });
    await expect(preview({ ...labelled, data: { a: "2" } })).rejects.toThrow(/immutable/);
    expect((await byHand.get("v1", "ConfigMap", "preview", namespace))?.metadata?.labels).toBeUndefined();
  });
});

test("a custom resource follows its definition at once, and goes with it", async () => {
  const group = `${prefix}.example.com`;
  const DEFINITION = "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition";
  const PLANET = `kubernetes:${group}/v1:Planet`;
  const schema = {
    openAPIV3Schema: {
      type: "object",
      properties: { spec: { type: "object", properties: { moons: { type: "integer" } } } },
    },
  };
  const definition = await harness.create(DEFINITION, {
    metadata: { name: `planets.${group}` },
    spec: {
      group,
      scope: "Cluster",
      names: { plural: "planets", singular: "planet", kind: "Planet" },
      versions: [{ name: "v1", served: true, storage: true, schema }],
    },
  });
  // Checked before its definition was there, as in the first preview: taken for one with a namespace.
  const early = {
    apiVersion: `${group}/v1`,
    kind: "Planet",
    metadata: { name: "earth", namespace },
    spec: { moons: 1 },
  };
  const { id, outputs } = await harness.provider.create(harness.subject(PLANET), early);
  expect(id).toBe("earth");
  const kept = { id, outputs, inputs: early };
  expect(
    await harness.differences(PLANET, kept, { metadata: { name: "earth" }, spec: { moons: 1 } }),
  ).toEqual([]);
  expect(await harness.faults(PLANET, { metadata: { name: "mars" }, spec: { moonz: 2 } })).toEqual([
    expect.stringMatching(/^spec\.moonz: /),
  ]);
  await harness.delete(PLANET, kept);
  await harness.delete(DEFINITION, definition);
  expect(await harness.refresh(DEFINITION, definition)).toBeUndefined();
});

test("a namespace held by a finalizer is waited for, and then told by what", async () => {
  const held = await harness.create(CONFIG, { metadata: { name: "held", finalizers: ["example.com/held"] } });
  await expect(harness.delete(CONFIG, held, 2)).rejects.toThrow(
    /still there after 2 s: held by the finalizers example.com\/held/,
  );
  await byHand.release("v1", "configmaps", "held", namespace);
});

test("a wait that is cancelled ends at once, and leaves the object in the state", async () => {
  const impatient = new Harness(namespace);
  const creating = impatient.create(DEPLOYMENT, {
    ...deployment({ image: "example.invalid/none:1" }),
    metadata: { name: "cancelled" },
  });
  setTimeout(() => {
    impatient.provider.cancel();
  }, 1500);
  const started = Date.now();
  const error = (await creating.catch((reason: unknown) => reason)) as IncompleteError;
  expect(error).toBeInstanceOf(IncompleteError);
  expect(error.message).toMatch(/cancelled/);
  expect(error.id).toBe(`${namespace}/cancelled`);
  expect(Date.now() - started).toBeLessThan(4000);
});
