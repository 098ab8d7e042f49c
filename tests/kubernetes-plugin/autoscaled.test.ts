import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { KubeObject } from "../../toolchain/kubernetes-plugin/kube-object";
import { byHand, cluster, image, makeNamespace, prefix, removeAll } from "./cluster";
import { Harness } from "./provider-subject";

const DEPLOYMENT = "kubernetes:apps/v1:Deployment";
const ignored = ["spec.replicas"];

let namespace: string;
let harness: Harness;

beforeAll(async () => {
  namespace = await makeNamespace(`${prefix}-scaled`);
  harness = new Harness(namespace);
});
afterAll(removeAll);

/** Nothing has to start for this: no node has such an architecture. */
const deployment = (name: string, replicas: number, labels = {}, annotations = {}) => ({
  metadata: { name, labels, annotations: { "pulumi.com/skipAwait": "true", ...annotations } },
  spec: {
    replicas,
    selector: { matchLabels: { app: name } },
    template: {
      metadata: { labels: { app: name } },
      spec: {
        nodeSelector: { "kubernetes.io/arch": "none" },
        containers: [{ name: "main", image, imagePullPolicy: "IfNotPresent", command: ["true"] }],
      },
    },
  },
});

/** Sets the number as an autoscaler does: by the subresource that is for it. */
async function scale(name: string, replicas: number): Promise<void> {
  await cluster.json(`/apis/apps/v1/namespaces/${namespace}/deployments/${name}/scale`, {
    method: "PATCH",
    contentType: "application/merge-patch+json",
    query: { fieldManager: "an-autoscaler" },
    body: { spec: { replicas } },
    signal: new AbortController().signal,
  });
}

const found = async (name: string): Promise<KubeObject> =>
  (await byHand.get("apps/v1", "Deployment", name, namespace)) ?? {};

describe("a number of replicas that the program leaves to an autoscaler", () => {
  test("stays as it was when it is left to it, and belongs to it from its first change on", async () => {
    const fixed = await harness.create(DEPLOYMENT, deployment("switched-on", 3));
    // The engine gives an ignored property the value that it had.
    const left = deployment("switched-on", 3, { step: "left" });
    const first = await harness.update(DEPLOYMENT, fixed, left, ignored);
    expect(first.outputs).toMatchObject({ spec: { replicas: 3 }, metadata: { labels: { step: "left" } } });

    await scale("switched-on", 5);
    const later = deployment("switched-on", 3, { step: "later" });
    const second = await harness.update(DEPLOYMENT, first, later, ignored);
    expect(second.outputs).toMatchObject({ spec: { replicas: 5 }, metadata: { labels: { step: "later" } } });
    const owners = ((await found("switched-on")).metadata?.managedFields ?? [])
      .filter(({ fieldsV1 }) => JSON.stringify(fieldsV1).includes('"f:replicas":{}'))
      .filter(({ subresource }) => subresource !== "status")
      .map(({ manager }) => manager);
    expect(owners).toEqual(["an-autoscaler"]);
  });

  test("is not undone by a preview either", async () => {
    const kept = await harness.create(DEPLOYMENT, deployment("previewed", 2));
    await scale("previewed", 4);
    const inputs = await harness.inputs(
      DEPLOYMENT,
      deployment("previewed", 2, { step: "later" }),
      kept.inputs,
    );
    const subject = harness.subject(DEPLOYMENT);
    expect(await harness.provider.previewUpdate(subject, kept.id, kept, inputs, ignored)).toMatchObject({
      spec: { replicas: 4 },
    });
  });

  test("is the program's again when it says so by force, and refused without", async () => {
    const kept = await harness.create(DEPLOYMENT, deployment("switched-off", 2));
    await scale("switched-off", 4);
    const fixed = deployment("switched-off", 2, { step: "fixed" });
    await expect(harness.update(DEPLOYMENT, kept, fixed)).rejects.toThrow(
      /spec\.replicas: conflict with "an-autoscaler"/,
    );
    const forced = deployment("switched-off", 2, { step: "fixed" }, { "pulumi.com/patchForce": "true" });
    const after = await harness.update(DEPLOYMENT, kept, forced);
    expect(after.outputs).toMatchObject({ spec: { replicas: 2 } });
  });
});
