import { describe, expect, test } from "vitest";
import type { KubeObject } from "../../toolchain/kubernetes-plugin/kube-object";
import {
  backends,
  customResourceDefinition,
  ingress,
  needsEndpoints,
  readyEndpoints,
  service,
  storageClassOf,
  volumeClaim,
} from "../../toolchain/kubernetes-plugin/readiness/access";
import { troubleOf, warningsOf } from "../../toolchain/kubernetes-plugin/readiness/trouble";
import type { Verdict } from "../../toolchain/kubernetes-plugin/readiness/verdict";
import {
  daemonSet,
  deployment,
  job,
  pod,
  podSelector,
  replicaSet,
  statefulSet,
} from "../../toolchain/kubernetes-plugin/readiness/workloads";
import { parseWaitFor } from "../../toolchain/kubernetes-plugin/wait-for";

const object = (spec: object, status: object): KubeObject => ({
  metadata: { name: "x", namespace: "a", generation: 2 },
  spec,
  status: { observedGeneration: 2, ...status },
});

/** `ready`, or the state and what it says. */
const said = (verdict: Verdict) =>
  verdict.state === "ready" ? "ready" : `${verdict.state}: ${verdict.what}`;

describe("a Deployment", () => {
  const full = { replicas: 2, updatedReplicas: 2, availableReplicas: 2 };
  const conditions = (type: string, status: string, reason: string, message: string) => ({
    conditions: [{ type, status, reason, message }],
  });

  test.each([
    ["ready", { replicas: 2 }, full],
    ["waiting: the change to be noticed", { replicas: 2 }, { ...full, observedGeneration: 1 }],
    ["waiting: 1 of 2 replicas to be of the new template", { replicas: 2 }, { ...full, updatedReplicas: 1 }],
    ["waiting: 1 old replicas to end", { replicas: 2 }, { ...full, replicas: 3 }],
    ["waiting: 1 of 2 replicas available", { replicas: 2 }, { ...full, availableReplicas: 1 }],
    ["waiting: 0 of 1 replicas to be of the new template", {}, {}],
    ["ready", { replicas: 0 }, {}],
    ["ready", { replicas: 2, paused: true }, {}],
    [
      "failed: ReplicaSet x has timed out",
      { replicas: 2 },
      conditions("Progressing", "False", "ProgressDeadlineExceeded", "ReplicaSet x has timed out"),
    ],
    [
      "waiting: 0 of 2 replicas to be of the new template (exceeded quota)",
      { replicas: 2 },
      conditions("ReplicaFailure", "True", "FailedCreate", "exceeded quota"),
    ],
  ])("is %s", (expected, spec, status) => {
    expect(said(deployment(object(spec, status)))).toBe(expected);
  });
});

test("a ReplicaSet is ready when its replicas are available", () => {
  expect(said(replicaSet(object({ replicas: 1 }, {})))).toBe("waiting: 0 of 1 replicas available");
  expect(said(replicaSet(object({ replicas: 1 }, { availableReplicas: 1 })))).toBe("ready");
});

test.each([
  ["ready", { replicas: 2 }, { readyReplicas: 2, currentRevision: "b", updateRevision: "b" }],
  ["waiting: 1 of 2 replicas ready", { replicas: 2 }, { readyReplicas: 1 }],
  [
    "waiting: 1 of 2 replicas of the new revision",
    { replicas: 2 },
    { readyReplicas: 2, updatedReplicas: 1, currentRevision: "a", updateRevision: "b" },
  ],
  [
    "ready",
    { replicas: 2, updateStrategy: { rollingUpdate: { partition: 1 } } },
    { readyReplicas: 2, updatedReplicas: 1, currentRevision: "a", updateRevision: "b" },
  ],
  [
    "ready",
    { replicas: 2, updateStrategy: { type: "OnDelete" } },
    { readyReplicas: 2, currentRevision: "a", updateRevision: "b" },
  ],
])("a StatefulSet is %s", (expected, spec, status) => {
  expect(said(statefulSet(object(spec, status)))).toBe(expected);
});

test.each([
  ["ready", {}, { desiredNumberScheduled: 1, updatedNumberScheduled: 1, numberAvailable: 1 }],
  ["waiting: 0 of 1 nodes to have the new template", {}, { desiredNumberScheduled: 1, numberAvailable: 1 }],
  ["waiting: 0 of 1 nodes available", {}, { desiredNumberScheduled: 1, updatedNumberScheduled: 1 }],
  ["ready", { updateStrategy: { type: "OnDelete" } }, { desiredNumberScheduled: 1, numberAvailable: 1 }],
])("a DaemonSet is %s", (expected, spec, status) => {
  expect(said(daemonSet(object(spec, status)))).toBe(expected);
});

test.each([
  ["ready", {}, { conditions: [{ type: "Complete", status: "True" }] }],
  [
    "failed: BackoffLimitExceeded: Job has reached the specified backoff limit",
    {},
    {
      conditions: [
        {
          type: "Failed",
          status: "True",
          reason: "BackoffLimitExceeded",
          message: "Job has reached the specified backoff limit",
        },
      ],
    },
  ],
  [
    "waiting: 1 of 3 completions (1 active, 2 failed)",
    { completions: 3 },
    { succeeded: 1, active: 1, failed: 2 },
  ],
  ["ready", { suspend: true }, {}],
])("a Job is %s", (expected, spec, status) => {
  expect(said(job(object(spec, status)))).toBe(expected);
});

test.each([
  ["ready", { phase: "Running", conditions: [{ type: "Ready", status: "True" }] }],
  ["ready", { phase: "Succeeded" }],
  ["waiting: the pod to be ready (Pending)", { phase: "Pending" }],
  [
    "failed: the pod has failed: Evicted: low on memory",
    { phase: "Failed", reason: "Evicted", message: "low on memory" },
  ],
])("a Pod is %s", (expected, status) => {
  expect(said(pod(object({}, status)))).toBe(expected);
});

describe("a Service", () => {
  const selector = { app: "web" };
  test.each([
    ["ready", { selector }, 1, {}],
    [
      "waiting: a ready pod to send traffic to; do the labels of one fulfil spec.selector?",
      { selector },
      0,
      {},
    ],
    ["ready", {}, 0, {}],
    ["ready", { selector, clusterIP: "None" }, 0, {}],
    ["ready", { type: "ExternalName" }, 0, {}],
    [
      "waiting: an address of a load balancer; does this cluster have any?",
      { selector, type: "LoadBalancer" },
      1,
      {},
    ],
    ["ready", { selector, type: "LoadBalancer" }, 1, { loadBalancer: { ingress: [{ ip: "1.2.3.4" }] } }],
  ])("is %s", (expected, spec, endpoints, status) => {
    expect(said(service(object(spec, status), endpoints))).toBe(expected);
  });

  test("counts the endpoints that take traffic", () => {
    const slices = [
      { endpoints: [{ conditions: { ready: true } }, { conditions: { ready: false } }, { conditions: {} }] },
      {},
    ];
    expect(readyEndpoints(slices)).toBe(2);
    expect(needsEndpoints(object({ selector: {} }, {}))).toBe(false);
  });
});

test("an Ingress needs its services and an address", () => {
  const rules = [
    { http: { paths: [{ backend: { service: { name: "web" } } }, { backend: { resource: {} } }] } },
  ];
  const found = object({ rules, defaultBackend: { service: { name: "other" } } }, {});
  expect(backends(found)).toEqual(["other", "web"]);
  expect(said(ingress(found, ["web"]))).toBe("waiting: service web to have a ready pod");
  expect(said(ingress(found, []))).toMatch(/^waiting: an address/);
  expect(said(ingress(object({}, { loadBalancer: { ingress: [{ ip: "1.2.3.4" }] } }), []))).toBe("ready");
});

test("a volume claim is bound, or its class waits for a pod", () => {
  expect(said(volumeClaim(object({}, { phase: "Bound" }), undefined))).toBe("ready");
  expect(said(volumeClaim(object({}, { phase: "Pending" }), "Immediate"))).toBe(
    "waiting: a volume (Pending)",
  );
  expect(said(volumeClaim(object({}, { phase: "Pending" }), "WaitForFirstConsumer"))).toBe("ready");
  expect(said(volumeClaim(object({}, { phase: "Lost" }), undefined))).toMatch(/^failed/);
  const standard = {
    metadata: { name: "standard", annotations: { "storageclass.kubernetes.io/is-default-class": "true" } },
  };
  const fast = { metadata: { name: "fast" } };
  expect(storageClassOf(object({}, {}), [fast, standard])).toBe(standard);
  expect(storageClassOf(object({ storageClassName: "fast" }, {}), [fast, standard])).toBe(fast);
  expect(storageClassOf(object({ storageClassName: "" }, {}), [fast, standard])).toBeUndefined();
});

test("a custom resource's definition is served, or its names are taken", () => {
  expect(said(customResourceDefinition(object({}, {})))).toBe("waiting: the API server to serve it");
  const conditions = [{ type: "Established", status: "True" }];
  expect(said(customResourceDefinition(object({}, { conditions })))).toBe("ready");
  const taken = [{ type: "NamesAccepted", status: "False", message: "names are taken" }];
  expect(said(customResourceDefinition(object({}, { conditions: taken })))).toBe("failed: names are taken");
});

describe("what keeps a pod from being ready", () => {
  const container = (state: object, more: object = {}) => ({
    phase: "Running",
    containerStatuses: [{ name: "web", ready: false, state, ...more }],
  });
  const texts = (status: object) => troubleOf(object({}, status)).map(({ text }) => text);

  test.each([
    [
      "the scheduler",
      {
        phase: "Pending",
        conditions: [{ type: "PodScheduled", status: "False", message: "0/1 nodes are available" }],
      },
      ["cannot be scheduled: 0/1 nodes are available"],
    ],
    [
      "an image",
      container({ waiting: { reason: "ErrImagePull", message: "not found" } }),
      ["container web: ErrImagePull: not found"],
    ],
    [
      "a container that ends again and again",
      container(
        { waiting: { reason: "CrashLoopBackOff" } },
        {
          restartCount: 2,
          lastState: { terminated: { exitCode: 3, reason: "Error" } },
        },
      ),
      ["container web exited with code 3 (Error, 2 restarts)"],
    ],
    ["a probe", container({ running: {} }), ["runs, but is not ready"]],
    ["nothing unusual", { ...container({ waiting: { reason: "ContainerCreating" } }), phase: "Pending" }, []],
    ["nothing", { phase: "Running", conditions: [{ type: "Ready", status: "True" }] }, []],
  ])("is %s", (_, status, expected) => {
    expect(texts(status)).toEqual(expected);
  });

  test("is told by the log of the container that has ended", () => {
    const [ended] = troubleOf(object({}, container({ terminated: { exitCode: 1, reason: "Error" } })));
    expect(ended?.log).toEqual({ container: "web", previous: false });
    const again = container({ running: {} }, { restartCount: 1, lastState: { terminated: { exitCode: 1 } } });
    expect(troubleOf(object({}, again))[0]?.log).toEqual({ container: "web", previous: true });
  });
});

test("warnings are told once each, the latest last", () => {
  const event = (type: string, reason: string, lastTimestamp: string) => ({
    type,
    reason,
    message: "m",
    lastTimestamp,
  });
  expect(
    warningsOf([
      event("Warning", "BackOff", "2026-01-01T00:00:03Z"),
      event("Warning", "Failed", "2026-01-01T00:00:01Z"),
      event("Warning", "Failed", "2026-01-01T00:00:02Z"),
      event("Normal", "Pulled", "2026-01-01T00:00:04Z"),
    ]),
  ).toEqual(["Failed: m", "BackOff: m"]);
});

test("pods are found by the labels that the workload selects", () => {
  expect(podSelector(object({ selector: { matchLabels: { a: "1", b: "2" } } }, {}))).toBe("a=1,b=2");
  expect(podSelector(object({}, {}))).toBeUndefined();
});

describe("the annotation waitFor", () => {
  const ready = {
    status: { phase: "Done", list: [{ a: 1 }], conditions: [{ type: "Ready", status: "True" }] },
  };
  test.each([
    ["condition=Ready", true],
    ["condition=Ready=false", false],
    ["condition=Other", false],
    ["jsonpath={.status.phase}=Done", true],
    ["jsonpath={.status.phase}=Open", false],
    ["jsonpath='{.status.list[0].a}'=1", true],
    ["jsonpath={.status.other}", false],
    ['["condition=Ready", "jsonpath={.status.phase}"]', true],
  ])("%s is met: %s", (text, expected) => {
    expect(parseWaitFor(text).every((condition) => condition.isMet(ready))).toBe(expected);
  });

  test.each(["Ready", "jsonpath={.items[*].a}", "jsonpath={.items[?(@.a)]}", "delete"])(
    "%s is refused",
    (text) => {
      expect(() => parseWaitFor(text)).toThrow(/not supported|expected condition/);
    },
  );
});
