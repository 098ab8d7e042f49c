import { readFile } from "node:fs/promises";
import * as path from "node:path";
import { version } from "@pulumi/kubernetes/package.json";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { projectFolder } from "../../toolchain/project";
import { until } from "../e2e/until";
import { ScratchProject } from "../plugin-harness/scratch-project";
import { byHand, image, kubeconfig, prefix, removeAll } from "./cluster";

/** The stack's own platform, by the real engine and the plugin from its sources. One story, as in pulumi.test.ts. */
vi.setConfig({ testTimeout: 300_000, hookTimeout: 600_000 });

const namespace = `${prefix}-scaling`;
let project: ScratchProject;

const program = `
require("tsx/cjs");
const kubernetes = require("@pulumi/kubernetes");
const pulumi = require("@pulumi/pulumi");
const { KubernetesPlatform } = require(${JSON.stringify(path.join(projectFolder, "infra/platforms/kubernetes.ts"))});
const config = new pulumi.Config();
const provider = new kubernetes.Provider("cluster", { kubeconfig: config.requireSecret("kubeconfig") });
const platform = new KubernetesPlatform("platform", {
  stack: "scaling", namespace: ${JSON.stringify(namespace)}, checksumKey: pulumi.secret("key"), provider,
});
const replicas = config.requireNumber("replicas");
const most = Math.max(replicas, config.getNumber("most") || 0);
platform.deploy({
  name: "worker",
  image: ${JSON.stringify(image)},
  command: ["sh", "-c", "exec sleep 3600"],
  environment: { STEP: config.get("step") || "one" },
  health: { ready: ["true"] },
  resources: { memoryMiB: 16 },
  stopGraceSeconds: 1,
  replicas,
  scale: { most, busyCores: 0.5, idleSeconds: 600 },
}, platform);
`;

interface Deployment {
  metadata: { generation: number };
  spec: { replicas: number };
  status: { availableReplicas: number };
}

const deployment = async () =>
  (await byHand.get("apps/v1", "Deployment", "worker", namespace)) as unknown as Deployment;

/** Of the autoscaler. */
const bounds = async () => {
  const found = await byHand.get("autoscaling/v2", "HorizontalPodAutoscaler", "worker", namespace);
  return (found as { spec?: unknown } | undefined)?.spec;
};

beforeAll(async () => {
  project = await ScratchProject.make({ plugin: { name: "kubernetes", version }, program });
  await project.pulumi("config", "set", "--secret", "kubeconfig", await readFile(kubeconfig, "utf8"));
  await project.pulumi("config", "set", "replicas", "2");
  await project.up();
});

afterAll(async () => {
  await project.pulumi("destroy", "--yes", "--skip-preview");
  await removeAll();
  await project.remove();
});

test("scaling that is switched on leaves the instances as they are", async () => {
  const before = await deployment();
  expect(before.spec.replicas).toBe(2);
  await project.pulumi("config", "set", "most", "4");
  await project.up();
  const after = await deployment();
  expect(after.spec.replicas).toBe(2);
  // The API server counts every change.
  expect(after.metadata.generation).toBe(before.metadata.generation);
  expect(await bounds()).toMatchObject({ minReplicas: 2, maxReplicas: 4 });
  await project.up("--expect-no-changes");
});

test("the autoscaler's number stays through later changes, a refresh among them", async () => {
  // More at least: the autoscaler raises the number, which is its own from then on.
  await project.pulumi("config", "set", "replicas", "3");
  await project.up();
  await until("three instances", 120, async () => (await deployment()).status.availableReplicas === 3);
  await project.pulumi("config", "set", "step", "two");
  await project.up();
  expect(await deployment()).toMatchObject({ spec: { replicas: 3 }, status: { availableReplicas: 3 } });
  await project.refresh();
  await project.up("--expect-no-changes");
  expect((await deployment()).spec.replicas).toBe(3);
});

test("a number that is fixed is the program's again, and nobody takes it back", async () => {
  await project.pulumi("config", "rm", "most");
  await project.pulumi("config", "set", "replicas", "2");
  await project.up();
  await until("two instances", 120, async () => (await deployment()).status.availableReplicas === 2);
  expect(await bounds()).toMatchObject({ minReplicas: 2, maxReplicas: 2 });
  await project.refresh();
  await project.up("--expect-no-changes");
  expect((await deployment()).spec.replicas).toBe(2);
});
