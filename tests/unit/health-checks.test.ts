import * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { describe, expect, it } from "vitest";
import { DockerPlatform } from "../../infra/platforms/docker";
import { KubernetesPlatform } from "../../infra/platforms/kubernetes";
import type { HealthCheck } from "../../infra/workload";
import { recordResources, settle } from "./registered";

const onDocker = () => new DockerPlatform("platform", { stack: "health" });
const onKubernetes = () =>
  new KubernetesPlatform("platform", {
    stack: "health",
    namespace: "health",
    checksumKey: "key",
    provider: new kubernetes.Provider("cluster", {}),
  });

/** What a platform registers of a type for a workload with this check. */
async function made(platform: typeof onDocker | typeof onKubernetes, health: HealthCheck, type: string) {
  const registered = await recordResources("health");
  platform().deploy(
    { name: "service", image: "image:1", command: ["run"], health, resources: { memoryMiB: 100 } },
    new pulumi.ComponentResource("test:index:Service", "parent"),
  );
  await settle();
  return registered.find((each) => each.type === type)?.inputs;
}

async function command(health: HealthCheck) {
  const inputs = await made(onDocker, health, "docker:index/container:Container");
  return (inputs as { healthcheck: { tests: string[] } }).healthcheck.tests;
}

type Container = kubernetes.types.input.core.v1.Container;
type Probe = kubernetes.types.input.core.v1.Probe;

/** The three of them: has it started, is it ready, is it alive. */
async function probes(health: HealthCheck): Promise<(Probe | undefined)[]> {
  const inputs = (await made(onKubernetes, health, "kubernetes:apps/v1:Deployment")) as {
    spec: { template: { spec: { containers: [Container] } } };
  };
  const [{ startupProbe, readinessProbe, livenessProbe }] = inputs.spec.template.spec.containers;
  return [startupProbe, readinessProbe, livenessProbe] as (Probe | undefined)[];
}

const page = { port: 8080, path: "/ready" };

describe("a page", () => {
  it("is asked for by curl inside a container", async () => {
    expect(await command({ ready: page })).toEqual([
      "CMD",
      "curl",
      "-fsS",
      "-o",
      "/dev/null",
      "http://127.0.0.1:8080/ready",
    ]);
    expect((await command({ ready: { ...page, tls: true } })).slice(-4)).toEqual([
      "--insecure",
      "-o",
      "/dev/null",
      "https://127.0.0.1:8080/ready",
    ]);
  });

  it("is asked for by the kubelet, which starts no process for it", async () => {
    for (const probe of await probes({ ready: page })) {
      expect(probe).toMatchObject({ httpGet: { ...page, scheme: "HTTP" } });
      expect(probe).not.toHaveProperty("exec");
    }
    const [, ready] = await probes({ ready: { ...page, tls: true } });
    expect(ready).toMatchObject({ httpGet: { ...page, scheme: "HTTPS" } });
  });
});

describe("a command", () => {
  it("runs inside on both", async () => {
    expect(await command({ ready: ["ask"] })).toEqual(["CMD", "ask"]);
    const [started, ready, alive] = await probes({ ready: ["ask"], alive: page });
    expect(started).toMatchObject({ exec: { command: ["ask"] } });
    expect(ready).toMatchObject({ exec: { command: ["ask"] } });
    expect(alive).toMatchObject({ httpGet: page });
  });

  it("is not asked more often than it wants", async () => {
    const asked = await probes({ ready: ["ask"], intervalSeconds: 60, startSeconds: 300 });
    expect(asked.map((probe) => probe?.periodSeconds)).toEqual([60, 60, 60]);
    expect(asked[0]?.failureThreshold).toBe(10);
  });
});
