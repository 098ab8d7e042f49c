import { createHash } from "node:crypto";
import * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { describe, expect, it } from "vitest";
import { KubernetesPlatform } from "../../infra/platforms/kubernetes";
import { fileKey } from "../../infra/platforms/kubernetes/files";
import type { RenderedFile, Workload } from "../../infra/workload";
import { recordResources, settle } from "./registered";
import type { Registered } from "./registered";

const workload = (files: RenderedFile[]): Workload => ({
  name: "service",
  image: "image:1",
  command: ["run"],
  files,
  health: { ready: ["check"] },
  resources: { memoryMiB: 100 },
});

async function deployed(files: RenderedFile[], checksumKey = "key"): Promise<Registered[]> {
  const registered = await recordResources("files");
  const provider = new kubernetes.Provider("cluster", {});
  const platform = new KubernetesPlatform("platform", {
    stack: "files",
    namespace: "files",
    checksumKey,
    provider,
  });
  platform.deploy(workload(files), new pulumi.ComponentResource("test:index:Service", "parent"));
  await settle();
  return registered;
}

function checksum(registered: Registered[]): string {
  const deployment = registered.find(({ type }) => type === "kubernetes:apps/v1:Deployment");
  const inputs = deployment?.inputs as {
    spec: { template: { metadata: { annotations: Record<string, string> } } };
  };
  return inputs.spec.template.metadata.annotations["lakestack.io/files"] ?? "";
}

describe("a workload's files on Kubernetes", () => {
  const secret = { path: "/run/secrets/password", content: pulumi.secret("short") };

  it("lie in a ConfigMap if they are plain, in a Secret if they may hold one", async () => {
    const registered = await deployed([{ path: "/etc/a.conf", content: "plain" }, secret]);
    const data = (type: string) => registered.find((each) => each.type === type)?.inputs;
    expect(data("kubernetes:core/v1:ConfigMap")).toMatchObject({ data: { "etc.a.conf": "plain" } });
    expect(data("kubernetes:core/v1:Secret")).toMatchObject({
      stringData: { "run.secrets.password": "short" },
    });
    const kept = registered.find(({ type }) => type === "kubernetes:core/v1:Secret");
    expect(kept?.secretInputs).toContain("stringData");
  });

  it("replace the pods when they change, by a checksum from which no secret can be found", async () => {
    const first = checksum(await deployed([secret]));
    expect(checksum(await deployed([secret]))).toBe(first);
    expect(checksum(await deployed([{ ...secret, content: pulumi.secret("other") }]))).not.toBe(first);
    expect(checksum(await deployed([secret], "another key"))).not.toBe(first);
    expect(createHash("sha256").update("short").digest("hex")).not.toContain(first);
  });

  it("that are live change in their folder, under the same pods", async () => {
    const live = (content: string) => [
      { path: "/etc/service/access/users", content: pulumi.secret(content), live: true },
      { path: "/etc/service/access/rules.json", content: "{}", live: true },
      secret,
    ];
    const before = await deployed(live("ann"));
    expect(checksum(await deployed(live("ben")))).toBe(checksum(before));
    const kept = before.find(({ name }) => name === "service-live");
    expect(kept?.inputs).toMatchObject({ stringData: { users: "ann", "rules.json": "{}" } });
    expect(kept?.secretInputs).toContain("stringData");
    const deployment = before.find(({ type }) => type === "kubernetes:apps/v1:Deployment");
    const { volumeMounts } = (
      deployment?.inputs as { spec: { template: { spec: { containers: { volumeMounts: object[] }[] } } } }
    ).spec.template.spec.containers[0] ?? { volumeMounts: [] };
    // As a whole: a file that is mounted alone never changes.
    expect(volumeMounts).toContainEqual({ name: "live", mountPath: "/etc/service/access", readOnly: true });
  });

  it("leave the pod's description in the clear", async () => {
    const registered = await deployed([secret]);
    const deployment = registered.find(({ type }) => type === "kubernetes:apps/v1:Deployment");
    expect(deployment?.secretInputs).toEqual([]);
  });

  it("have keys that Kubernetes takes", () => {
    expect(fileKey("/opt/jobs/lakestack_jobs/__init__.py")).toBe("opt.jobs.lakestack_jobs.__init__.py");
    expect(fileKey("/etc/with space")).toBe("etc.with-space");
  });

  it("can't be two of one key", async () => {
    const files = [
      { path: "/etc/a.b", content: "1" },
      { path: "/etc/a/b", content: "2" },
    ];
    await expect(deployed(files)).rejects.toThrow("/etc/a.b and /etc/a/b would share the key etc.a.b");
    await settle();
  });

  it("can't be more than Kubernetes takes; the error names the largest", async () => {
    const files = [
      { path: "/etc/small", content: "1" },
      { path: "/etc/large", content: "x".repeat(1024 * 1024) },
    ];
    await expect(deployed(files)).rejects.toThrow(/1048577 bytes.*at most 1048576.*\/etc\/large/);
    await settle();
  });
});
