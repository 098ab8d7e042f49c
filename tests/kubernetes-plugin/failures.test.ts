import { afterAll, beforeAll, expect, test } from "vitest";
import { IncompleteError, type Values } from "../../toolchain/plugin-protocol/provider";
import { byHand, image, makeNamespace, prefix, readyLater, removeAll } from "./cluster";
import { Harness } from "./provider-subject";

const DEPLOYMENT = "kubernetes:apps/v1:Deployment";
const STATEFUL_SET = "kubernetes:apps/v1:StatefulSet";
const JOB = "kubernetes:batch/v1:Job";
const POD = "kubernetes:core/v1:Pod";
const SERVICE = "kubernetes:core/v1:Service";
const CLAIM = "kubernetes:core/v1:PersistentVolumeClaim";

let namespace: string;
let harness: Harness;

beforeAll(async () => {
  namespace = await makeNamespace(`${prefix}-failures`);
  harness = new Harness(namespace);
});
afterAll(removeAll);

const container = (script: string, more: Values = {}) => ({
  name: "main",
  image,
  imagePullPolicy: "IfNotPresent",
  command: ["sh", "-c", script],
  ...more,
});

const template = (name: string, containers: Values[], spec: Values = {}) => ({
  metadata: { labels: { app: name } },
  spec: { terminationGracePeriodSeconds: 0, containers, ...spec },
});

const workload = (name: string, containers: Values[], spec: Values = {}) => ({
  metadata: { name },
  spec: { selector: { matchLabels: { app: name } }, template: template(name, containers, spec) },
});

async function failure(type: string, news: Values, timeout: number): Promise<IncompleteError> {
  const found = await harness.create(type, news, timeout).catch((reason: unknown) => reason);
  if (!(found instanceof IncompleteError))
    throw new Error(`Expected it to be there, but not ready: ${String(found)}`);
  return found;
}

test("an image that cannot be had is named", async () => {
  const missing = { image: "lakestack-none:1", imagePullPolicy: "Never" };
  const error = await failure(DEPLOYMENT, workload("image", [container("", missing)]), 8);
  expect(error.message).toMatch(
    /Deployment .*\/image: not ready after 8 s: still waiting for 0 of 1 replicas available/,
  );
  expect(error.message).toMatch(/pod .*image-.* container main: ErrImageNeverPull: .*lakestack-none:1/);
  expect(error.id).toBe(`${namespace}/image`);
  expect(error.outputs).toMatchObject({ kind: "Deployment", metadata: { name: "image" } });
  expect(harness.messages.join("\n")).toMatch(/Waiting for 0 of 1 replicas.*ErrImageNeverPull/);
});

test("a container that ends again and again is told with its last words, and mended by an update", async () => {
  const script = "echo cannot find the answer; exit 3";
  const crashing = workload("crash", [container(script, { readinessProbe: readyLater })]);
  const error = await failure(DEPLOYMENT, crashing, 15);
  expect(error.message).toMatch(/container main exited with code 3 \(Error/);
  expect(error.message).toMatch(/its last words:\n\s+cannot find the answer/);

  const inputs = await harness.inputs(DEPLOYMENT, crashing);
  const kept = { id: error.id, outputs: error.outputs, inputs };
  // A refresh says that it still does not work.
  await expect(harness.refresh(DEPLOYMENT, kept)).rejects.toThrow(/not ready: still waiting/);
  const mended = await harness.update(DEPLOYMENT, kept, workload("crash", [container("exec sleep 600")]));
  expect(mended.outputs["status"]).toMatchObject({ availableReplicas: 1 });
});

test("a failing probe is told with what it said", async () => {
  const probe = { exec: { command: ["sh", "-c", "echo no answer yet; exit 1"] }, periodSeconds: 1 };
  const error = await failure(
    STATEFUL_SET,
    workload("probe", [container("exec sleep 600", { readinessProbe: probe })]),
    12,
  );
  expect(error.message).toMatch(
    /StatefulSet .*: not ready after 12 s: still waiting for 0 of 1 replicas ready/,
  );
  expect(error.message).toMatch(
    /runs, but is not ready\n\s+Unhealthy: Readiness probe failed: no answer yet/,
  );
});

test("a pod for which there is no room is told with the scheduler's words", async () => {
  const greedy = container("exec sleep 600", { resources: { requests: { memory: "4Ti" } } });
  const error = await failure(DEPLOYMENT, workload("room", [greedy]), 6);
  expect(error.message).toMatch(
    /pod .*room-.* cannot be scheduled: 0\/\d+ nodes are available.*[Ii]nsufficient memory/,
  );
});

test("a Job that fails ends the wait at once, with its pod's last words", async () => {
  const news = {
    metadata: { name: "job" },
    spec: {
      backoffLimit: 0,
      template: template("job", [container("echo no table; exit 4")], { restartPolicy: "Never" }),
    },
  };
  const error = await failure(JOB, news, 0);
  expect(error.message).toMatch(/Job .*\/job: BackoffLimitExceeded/);
  expect(error.message).toMatch(/exited with code 4/);
  expect(error.message).toMatch(/no table/);

  // It does not mend by itself: the program may say that it is to be made again.
  const inputs = await harness.inputs(JOB, news);
  const kept = { id: error.id, outputs: error.outputs, inputs };
  expect(await harness.diff(JOB, kept, news)).toMatchObject({ replace: false });
  const annotated = {
    ...news,
    metadata: { name: "job", annotations: { "pulumi.com/replaceUnready": "true" } },
  };
  expect(await harness.diff(JOB, kept, annotated)).toMatchObject({
    replace: true,
    deleteBeforeReplace: true,
  });
});

test("a Job is done when it has completed, and is made again for another template", async () => {
  const news = (text: string) => ({
    metadata: { name: "done" },
    spec: { template: template("done", [container(`echo ${text}`)], { restartPolicy: "Never" }) },
  });
  const kept = await harness.create(JOB, news("a"));
  expect(kept.outputs["status"]).toMatchObject({ succeeded: 1 });
  expect((await harness.refresh(JOB, kept))?.inputs).toEqual(kept.inputs);
  expect(await harness.diff(JOB, kept, news("b"))).toMatchObject({
    replace: true,
    deleteBeforeReplace: true,
  });
});

test("a Pod that ends without success ends the wait", async () => {
  const news = {
    metadata: { name: "pod" },
    spec: template("pod", [container("exit 5", { readinessProbe: readyLater })], { restartPolicy: "Never" })
      .spec,
  };
  const error = await failure(POD, news, 0);
  expect(error.message).toMatch(/the pod has failed[^]*exited with code 5/);
});

test("a Service without pods says so, and one that is not to be waited for is done at once", async () => {
  const news = (name: string, annotations: Values) => ({
    metadata: { name, annotations },
    spec: { selector: { app: "nobody" }, ports: [{ port: 80 }] },
  });
  const error = await failure(SERVICE, news("idle", { "pulumi.com/timeoutSeconds": "3" }), 0);
  expect(error.message).toMatch(/not ready after 3 s: still waiting for a ready pod to send traffic to/);
  await harness.create(SERVICE, news("skipped", { "pulumi.com/skipAwait": "true" }));
  const headless = {
    metadata: { name: "headless" },
    spec: { clusterIP: "None", selector: { app: "nobody" } },
  };
  await harness.create(SERVICE, headless);
});

test("a volume claim of a class that binds at first use is not waited for", async () => {
  const kept = await harness.create(CLAIM, {
    metadata: { name: "claim" },
    spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Mi" } } },
  });
  expect(kept.outputs["status"]).toMatchObject({ phase: "Pending" });
  expect((await harness.refresh(CLAIM, kept))?.inputs).toEqual(kept.inputs);
  await harness.delete(CLAIM, kept);

  const none = {
    accessModes: ["ReadWriteOnce"],
    storageClassName: "none",
    resources: { requests: { storage: "1Mi" } },
  };
  const error = await failure(CLAIM, { metadata: { name: "none" }, spec: none }, 3);
  expect(error.message).toMatch(/still waiting for a volume \(Pending\)/);
});

test("what an annotation waits for takes the place of the kind's own condition", async () => {
  const annotations = {
    "pulumi.com/waitFor": "jsonpath={.data.done}=yes",
    "pulumi.com/timeoutSeconds": "20",
  };
  const creating = harness.create("kubernetes:core/v1:ConfigMap", {
    metadata: { name: "awaited", annotations },
  });
  setTimeout(() => {
    void byHand.apply({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "awaited", namespace },
      data: { done: "yes" },
    });
  }, 1500);
  expect((await creating).outputs["data"]).toEqual({ done: "yes" });
  const wrong = { metadata: { name: "w", annotations: { "pulumi.com/waitFor": "jsonpath={.items[*]}" } } };
  expect(await harness.faults("kubernetes:core/v1:ConfigMap", wrong)).toEqual([
    expect.stringMatching(/^metadata\.annotations\["pulumi\.com\/waitFor"\]: .*not supported/),
  ]);
});

test("pods that may not be made at all are told of by their controller", async () => {
  await byHand.apply({
    apiVersion: "v1",
    kind: "ResourceQuota",
    metadata: { name: "none", namespace },
    spec: { hard: { "count/pods": "0" } },
  });
  const error = await failure(DEPLOYMENT, workload("quota", [container("exec sleep 600")]), 6);
  expect(error.message).toMatch(/exceeded quota: none/);
  await byHand.remove({ apiVersion: "v1", kind: "ResourceQuota", metadata: { name: "none", namespace } });
});

test("a cluster that cannot be reached is said so, with its address", async () => {
  const config = {
    clusters: [{ name: "c", cluster: { server: "https://127.0.0.1:1" } }],
    users: [{ name: "u", user: {} }],
    contexts: [{ name: "gone", context: { cluster: "c", user: "u" } }],
    "current-context": "gone",
  };
  const lost = new Harness(namespace, { kubeconfig: JSON.stringify(config) });
  await expect(lost.check("kubernetes:core/v1:ConfigMap", {})).rejects.toThrow(
    /cluster of context "gone" cannot be reached at https:\/\/127\.0\.0\.1:1: .*ECONNREFUSED/,
  );
  const kept = { id: `${namespace}/x`, inputs: {}, outputs: {} };
  await expect(lost.delete("kubernetes:core/v1:ConfigMap", kept)).rejects.toThrow(
    /PULUMI_K8S_DELETE_UNREACHABLE/,
  );
  const resigned = new Harness(namespace, { kubeconfig: JSON.stringify(config), deleteUnreachable: "true" });
  await resigned.delete("kubernetes:core/v1:ConfigMap", kept);
});
