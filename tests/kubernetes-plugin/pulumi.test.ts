import { readFile } from "node:fs/promises";
import { version } from "@pulumi/kubernetes/package.json";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { ScratchProject } from "../plugin-harness/scratch-project";
import { byHand, image, kubeconfig, prefix, removeAll } from "./cluster";

/** The plugin from its sources, driven by the real Pulumi engine. One story: each test goes on where the last ended. */
vi.setConfig({ testTimeout: 180_000, hookTimeout: 600_000 });

const password = "Pa55wordOfTheStack";
const namespace = `${prefix}-pulumi`;
let project: ScratchProject;

beforeAll(async () => {
  project = await ScratchProject.make({ plugin: { name: "kubernetes", version }, program });
  await project.pulumi("config", "set", "--secret", "password", password);
  await project.pulumi("config", "set", "--secret", "kubeconfig", await readFile(kubeconfig, "utf8"));
});

afterAll(async () => {
  await removeAll();
  await project.remove();
});

const program = `
const k8s = require("@pulumi/kubernetes");
const pulumi = require("@pulumi/pulumi");
const config = new pulumi.Config();
const provider = new k8s.Provider("cluster", { kubeconfig: config.requireSecret("kubeconfig") });
const options = { provider };
const namespace = new k8s.core.v1.Namespace("namespace", { metadata: { name: ${JSON.stringify(namespace)} } }, options);
const inside = { namespace: namespace.metadata.name };
const settings = new k8s.core.v1.ConfigMap("settings", { metadata: inside, data: { level: config.get("level") || "info" } }, options);
const secret = new k8s.core.v1.Secret("secret", { metadata: inside, stringData: { password: config.requireSecret("password") } }, options);
const labels = { app: "web" };
const script = config.get("script") || "exec sleep 3600";
const web = new k8s.apps.v1.Deployment("web", {
  metadata: { ...inside, name: "web" },
  spec: {
    replicas: config.getNumber("replicas") || 1,
    // One that ends at once would count as available for the moment that it ran.
    minReadySeconds: 2,
    selector: { matchLabels: labels },
    template: {
      metadata: { labels },
      spec: {
        terminationGracePeriodSeconds: 0,
        containers: [{
          name: "web",
          image: ${JSON.stringify(image)},
          imagePullPolicy: "IfNotPresent",
          command: ["sh", "-c", script],
          env: [{ name: "LEVEL", valueFrom: { configMapKeyRef: { name: settings.metadata.name, key: "level" } } }],
          volumeMounts: [{ name: "secret", mountPath: "/secret" }],
          resources: { limits: { memory: "1024Mi" } },
        }],
        volumes: [{ name: "secret", secret: { secretName: secret.metadata.name } }],
      },
    },
  },
}, { ...options, customTimeouts: { create: "60s", update: "45s" } });
const service = new k8s.core.v1.Service("web", {
  metadata: { ...inside, name: "web" },
  spec: { selector: labels, ports: [{ port: 80 }] },
}, { ...options, dependsOn: web });
const job = new k8s.batch.v1.Job("load", {
  metadata: { ...inside, name: "load" },
  spec: {
    backoffLimit: 0,
    template: { spec: {
      restartPolicy: "Never",
      containers: [{ name: "load", image: ${JSON.stringify(image)}, imagePullPolicy: "IfNotPresent", command: ["sh", "-c", "echo " + (config.get("step") || "one")] }],
    } },
  },
}, options);
exports.address = service.spec.clusterIP;
exports.settings = settings.metadata.name;
`;

const deployment = () => byHand.get("apps/v1", "Deployment", "web", namespace);
const outputs = async () =>
  JSON.parse(await project.pulumi("stack", "output", "--json")) as Record<string, string>;

test("a preview tells what will be made, and makes nothing", async () => {
  expect(await project.pulumi("preview")).toMatch(/\+ 8 to create/);
  expect(await byHand.get("v1", "Namespace", namespace)).toBeUndefined();
});

test("up makes everything and waits for it, with outputs to go on with", async () => {
  await project.up();
  expect((await deployment())?.["status"]).toMatchObject({ availableReplicas: 1 });
  expect(await outputs()).toMatchObject({
    address: expect.stringMatching(/^\d+\.\d+\.\d+\.\d+$/) as string,
    settings: expect.stringMatching(/^settings-[0-9a-f]{8}$/) as string,
  });
});

test("a refresh right after it finds no change, and a second up makes none", async () => {
  await project.refresh("--expect-no-changes");
  await project.up("--expect-no-changes");
});

test("no secret is in the state in the clear", async () => {
  const state = await project.pulumi("stack", "export");
  expect(state).toContain("Deployment");
  expect(state).not.toContain(password);
  expect(state).not.toContain(Buffer.from(password).toString("base64"));
});

test("a change of the replicas is made in place", async () => {
  const before = (await deployment())?.metadata?.uid;
  await project.pulumi("config", "set", "replicas", "2");
  expect(await project.pulumi("preview", "--diff")).toMatch(/replicas *: 1 => 2/);
  expect(await project.up()).toMatch(/~ 1 updated/);
  expect(await deployment()).toMatchObject({ metadata: { uid: before }, status: { availableReplicas: 2 } });
});

test("what the API server would refuse is said in the preview, by property", async () => {
  await project.pulumi("config", "set", "replicas", "--", "-1");
  await expect(project.pulumi("preview")).rejects.toThrow(
    /spec\.replicas[^]*must be greater than or equal to 0/,
  );
  await project.pulumi("config", "set", "replicas", "2");
});

test("a manual change is seen by a refresh, and its owner named by the next up", async () => {
  const spec = { replicas: 1 };
  await byHand.apply(
    { apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "web", namespace }, spec },
    "operator",
  );
  expect(await project.refresh()).toMatch(/~ 1 updated/);
  await expect(project.up()).rejects.toThrow(/spec\.replicas: conflict with "operator"/);
  await project.pulumi("config", "set", "replicas", "1");
  await project.up();
  await project.up("--expect-no-changes");
});

test("changed data makes another ConfigMap, and rolls the pods that read it", async () => {
  const before = (await outputs())["settings"];
  await project.pulumi("config", "set", "level", "debug");
  expect(await project.up()).toMatch(/1 replaced/);
  const after = (await outputs())["settings"];
  expect(after).not.toBe(before);
  expect(await byHand.get("v1", "ConfigMap", String(before), namespace)).toBeUndefined();
  expect(JSON.stringify(await deployment())).toContain(String(after));
});

test("another step of the Job replaces it, the old one first, as it holds the name", async () => {
  const before = (await byHand.get("batch/v1", "Job", "load", namespace))?.metadata?.uid;
  await project.pulumi("config", "set", "step", "two");
  expect(await project.up()).toMatch(/1 replaced/);
  const after = await byHand.get("batch/v1", "Job", "load", namespace);
  expect(after).toMatchObject({ status: { succeeded: 1 } });
  expect(after?.metadata?.uid).not.toBe(before);
});

test("a rollout that fails says why, without the secret, and is mended by the next up", async () => {
  await project.pulumi("config", "set", "script", "cat /secret/password; echo; exit 7");
  const failure = (await project.up().catch((error: unknown) => error)) as Error;
  expect(failure.message).toMatch(/exited with code 7[^]*\[secret\]/);
  expect(failure.message).not.toContain(password);
  await project.pulumi("config", "rm", "script");
  await project.up();
  expect((await deployment())?.["status"]).toMatchObject({ availableReplicas: 1, replicas: 1 });
  await project.up("--expect-no-changes");
});

test("an object removed by hand is noticed by a refresh, and made again", async () => {
  await byHand.remove({ apiVersion: "v1", kind: "Service", metadata: { name: "web", namespace } });
  expect(await project.up("--refresh")).toMatch(/\+ 1 created/);
  expect(await byHand.get("v1", "Service", "web", namespace)).toBeDefined();
});

test("destroy leaves nothing", async () => {
  await project.pulumi("destroy", "--yes", "--skip-preview");
  expect(await byHand.get("v1", "Namespace", namespace)).toBeUndefined();
});
