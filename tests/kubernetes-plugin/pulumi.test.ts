import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import * as os from "node:os";
import * as path from "node:path";
import { promisify } from "node:util";
import { version } from "@pulumi/kubernetes/package.json";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { ensurePulumi, projectFolder, terminalReporter } from "../../toolchain/index";
import { byHand, image, kubeconfig, prefix, removeAll } from "./cluster";

/** The plugin from its sources, driven by the real Pulumi engine. One story: each test goes on where the last ended. */
vi.setConfig({ testTimeout: 180_000, hookTimeout: 600_000 });

const run = promisify(execFile);
const password = "Pa55wordOfTheStack";
const namespace = `${prefix}-pulumi`;
let folder: string;
let env: NodeJS.ProcessEnv;

beforeAll(async () => {
  const tools = await ensurePulumi(terminalReporter());
  folder = await mkdtemp(path.join(os.tmpdir(), "lakestack-kubernetes-"));
  env = {
    ...process.env,
    ...tools.env,
    PULUMI_HOME: path.join(folder, "home"),
    PULUMI_BACKEND_URL: `file://${folder}`,
    PULUMI_CONFIG_PASSPHRASE: "test",
    PULUMI_CONFIG_PASSPHRASE_FILE: undefined,
  };
  await installPlugin(path.join(folder, `home/plugins/resource-kubernetes-v${version}`));
  await symlink(path.join(projectFolder, "node_modules"), path.join(folder, "node_modules"));
  await writeFile(path.join(folder, "package.json"), JSON.stringify({ name: "scratch", private: true }));
  await writeFile(
    path.join(folder, "Pulumi.yaml"),
    "name: scratch\nruntime: { name: nodejs, options: { typescript: false } }\n",
  );
  await writeFile(path.join(folder, "index.js"), program);
  await pulumi("stack", "init", "test");
  await pulumi("config", "set", "--secret", "password", password);
  await pulumi("config", "set", "--secret", "kubeconfig", await readFile(kubeconfig, "utf8"));
});

afterAll(async () => {
  await removeAll();
  await rm(folder, { recursive: true, force: true });
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

/** As the toolchain does it, but straight from the sources. */
async function installPlugin(plugin: string): Promise<void> {
  const executable = path.join(plugin, "pulumi-resource-kubernetes");
  const main = path.join(projectFolder, "toolchain/kubernetes-plugin/main.ts");
  const tsx = path.join(projectFolder, "node_modules/tsx/dist/loader.mjs");
  await mkdir(plugin, { recursive: true });
  await writeFile(executable, `#!/bin/sh\nexec "${process.execPath}" --import "${tsx}" "${main}" "$@"\n`);
  await chmod(executable, 0o755);
  await writeFile(`${plugin}.lock`, "");
}

async function pulumi(...args: string[]): Promise<string> {
  try {
    const { stdout, stderr } = await run("pulumi", ["--non-interactive", ...args], { cwd: folder, env });
    return stdout + stderr;
  } catch (error) {
    const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
    throw new Error(`pulumi ${args.join(" ")}\n${stdout}${stderr}`, { cause: error });
  }
}

const up = (...args: string[]) => pulumi("up", "--yes", "--skip-preview", ...args);
const refresh = (...args: string[]) => pulumi("refresh", "--yes", "--skip-preview", ...args);
const deployment = () => byHand.get("apps/v1", "Deployment", "web", namespace);
const outputs = async () => JSON.parse(await pulumi("stack", "output", "--json")) as Record<string, string>;

test("a preview tells what will be made, and makes nothing", async () => {
  expect(await pulumi("preview")).toMatch(/\+ 8 to create/);
  expect(await byHand.get("v1", "Namespace", namespace)).toBeUndefined();
});

test("up makes everything and waits for it, with outputs to go on with", async () => {
  await up();
  expect((await deployment())?.["status"]).toMatchObject({ availableReplicas: 1 });
  expect(await outputs()).toMatchObject({
    address: expect.stringMatching(/^\d+\.\d+\.\d+\.\d+$/) as string,
    settings: expect.stringMatching(/^settings-[0-9a-f]{8}$/) as string,
  });
});

test("a refresh right after it finds no change, and a second up makes none", async () => {
  await refresh("--expect-no-changes");
  await up("--expect-no-changes");
});

test("no secret is in the state in the clear", async () => {
  const state = await pulumi("stack", "export");
  expect(state).toContain("Deployment");
  expect(state).not.toContain(password);
  expect(state).not.toContain(Buffer.from(password).toString("base64"));
});

test("a change of the replicas is made in place", async () => {
  const before = (await deployment())?.metadata?.uid;
  await pulumi("config", "set", "replicas", "2");
  expect(await pulumi("preview", "--diff")).toMatch(/replicas *: 1 => 2/);
  expect(await up()).toMatch(/~ 1 updated/);
  expect(await deployment()).toMatchObject({ metadata: { uid: before }, status: { availableReplicas: 2 } });
});

test("what the API server would refuse is said in the preview, by property", async () => {
  await pulumi("config", "set", "replicas", "--", "-1");
  await expect(pulumi("preview")).rejects.toThrow(/spec\.replicas[^]*must be greater than or equal to 0/);
  await pulumi("config", "set", "replicas", "2");
});

test("a manual change is seen by a refresh, and its owner named by the next up", async () => {
  const spec = { replicas: 1 };
  await byHand.apply(
    { apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "web", namespace }, spec },
    "operator",
  );
  expect(await refresh()).toMatch(/~ 1 updated/);
  await expect(up()).rejects.toThrow(/spec\.replicas: conflict with "operator"/);
  await pulumi("config", "set", "replicas", "1");
  await up();
  await up("--expect-no-changes");
});

test("changed data makes another ConfigMap, and rolls the pods that read it", async () => {
  const before = (await outputs())["settings"];
  await pulumi("config", "set", "level", "debug");
  expect(await up()).toMatch(/1 replaced/);
  const after = (await outputs())["settings"];
  expect(after).not.toBe(before);
  expect(await byHand.get("v1", "ConfigMap", String(before), namespace)).toBeUndefined();
  expect(JSON.stringify(await deployment())).toContain(String(after));
});

test("another step of the Job replaces it, the old one first, as it holds the name", async () => {
  const before = (await byHand.get("batch/v1", "Job", "load", namespace))?.metadata?.uid;
  await pulumi("config", "set", "step", "two");
  expect(await up()).toMatch(/1 replaced/);
  const after = await byHand.get("batch/v1", "Job", "load", namespace);
  expect(after).toMatchObject({ status: { succeeded: 1 } });
  expect(after?.metadata?.uid).not.toBe(before);
});

test("a rollout that fails says why, without the secret, and is mended by the next up", async () => {
  await pulumi("config", "set", "script", "cat /secret/password; echo; exit 7");
  const failure = (await up().catch((error: unknown) => error)) as Error;
  expect(failure.message).toMatch(/exited with code 7[^]*\[secret\]/);
  expect(failure.message).not.toContain(password);
  await pulumi("config", "rm", "script");
  await up();
  expect((await deployment())?.["status"]).toMatchObject({ availableReplicas: 1, replicas: 1 });
  await up("--expect-no-changes");
});

test("an object removed by hand is noticed by a refresh, and made again", async () => {
  await byHand.remove({ apiVersion: "v1", kind: "Service", metadata: { name: "web", namespace } });
  expect(await up("--refresh")).toMatch(/\+ 1 created/);
  expect(await byHand.get("v1", "Service", "web", namespace)).toBeDefined();
});

test("destroy leaves nothing", async () => {
  await pulumi("destroy", "--yes", "--skip-preview");
  expect(await byHand.get("v1", "Namespace", namespace)).toBeUndefined();
});
