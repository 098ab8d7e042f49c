import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import * as path from "node:path";
import { createInterface } from "node:readline";
import { credentials } from "@grpc/grpc-js";
import { AnalyzerClient } from "@pulumi/pulumi/proto/analyzer_grpc_pb";
import {
  AnalyzeRequest,
  AnalyzerResourceOptions,
  ConfigureAnalyzerRequest,
  EnforcementLevel,
  PolicyConfig,
} from "@pulumi/pulumi/proto/analyzer_pb";
import type { AnalyzerInfo, AnalyzeResponse } from "@pulumi/pulumi/proto/analyzer_pb";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";
import { Struct } from "google-protobuf/google/protobuf/struct_pb";
import type { JavaScriptValue } from "google-protobuf/google/protobuf/struct_pb";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { rules } from "../../policy/rules";
import { stackRules } from "../../policy/stack-rules";
import { startPolicyPack } from "../../toolchain/language-host/policy-pack";
import { projectFolder } from "../../toolchain/project";

/** The pack in a process of its own, asked as the engine asks it at `pulumi preview --policy-pack policy`. */
let pack: ChildProcess;
let client: AnalyzerClient;

beforeAll(async () => {
  pack = startPolicyPack({
    ...{ directory: path.join(projectFolder, "policy"), workingDirectory: projectFolder },
    ...{ arguments: ["127.0.0.1:1"], environment: [], options: {} },
  });
  let complaint = "";
  pack.stderr?.on("data", (data: Buffer) => (complaint += data.toString()));
  if (pack.stdout === null) throw new Error("The pack has no standard output");
  const ended = once(pack, "exit").then(() => {
    throw new Error(`The pack ended before it listened: ${complaint}`);
  });
  const [port] = (await Promise.race([once(createInterface(pack.stdout), "line"), ended])) as [string];
  client = new AnalyzerClient(`127.0.0.1:${port}`, credentials.createInsecure());
  // The pack's TypeScript is checked first.
}, 120_000);

afterAll(() => {
  client.close();
  pack.kill();
});

/** What a call is answered with. */
function answer<T>(call: (callback: (error: Error | null, answer: T) => void) => unknown): Promise<T> {
  return new Promise((resolve, reject) => {
    call((error, value) => {
      if (error === null) resolve(value);
      else reject(error);
    });
  });
}

/** Marks of the protocol: a value that is a secret, and one that a preview doesn't know. */
const secret = (value: JavaScriptValue) => ({
  "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270",
  value,
});
const notKnownYet = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

const container: Record<string, JavaScriptValue> = {
  image: notKnownYet,
  envs: ["PASSWORD_FILE=/run/secrets/password"],
  ports: [{ internal: 8443, external: 8443, ip: "127.0.0.1" }],
  capabilities: { drops: ["ALL"] },
  securityOpts: ["no-new-privileges"],
  networksAdvanced: [{ name: notKnownYet }],
  memory: 128,
  memorySwap: 128,
};

/** What the pack says of a container, as `policy: message`. */
async function findings(changes: Record<string, JavaScriptValue> = {}): Promise<string[]> {
  const request = new AnalyzeRequest()
    .setType("docker:index/container:Container")
    .setName("trino")
    .setUrn("urn:pulumi:test::lakestack::docker:index/container:Container::trino")
    .setProperties(Struct.fromJavaScript({ ...container, ...changes }))
    .setOptions(new AnalyzerResourceOptions());
  const response = await answer<AnalyzeResponse>((callback) => client.analyze(request, callback));
  return response.getDiagnosticsList().map((each) => `${each.getPolicyname()}: ${each.getMessage()}`);
}

describe("the policy pack as the engine runs it", () => {
  it("has every rule, each under its name", async () => {
    const info = await answer<AnalyzerInfo>((callback) => client.getAnalyzerInfo(new Empty(), callback));
    expect(info.getName()).toBe("lakestack");
    const names = info.getPoliciesList().map((policy) => policy.getName());
    expect(names.sort()).toEqual([...rules, ...stackRules].map(({ name }) => name).sort());
  });

  it("has nothing against a container that breaks no rule", async () => {
    expect(await findings()).toEqual([]);
  });

  it("refuses a container whose port the network reaches", async () => {
    const found = await findings({ ports: [{ internal: 8443, external: 8443, ip: "0.0.0.0" }] });
    expect(found.join("\n")).toMatch(/^loopback-only: .*port 8443 is published on 0\.0\.0\.0/s);
    expect(found).toHaveLength(1);
  });

  it("refuses a secret that `docker inspect` would show, even one that the state keeps encrypted", async () => {
    const found = await findings({ envs: [secret("PASSWORD=letmein")] });
    expect(found.join("\n")).toMatch(/^no-plain-secret: .*envs\.PASSWORD looks like a secret/s);
    expect(found.join("\n")).not.toContain("letmein");
  });

  it("heeds an option that the operator gives", async () => {
    const config = new PolicyConfig()
      .setProperties(Struct.fromJavaScript({ openHost: true }))
      .setEnforcementlevel(EnforcementLevel.MANDATORY);
    const request = new ConfigureAnalyzerRequest();
    request.getPolicyconfigMap().set("loopback-only", config);
    await answer((callback) => client.configure(request, callback));
    expect(await findings({ ports: [{ internal: 8443, external: 8443, ip: "0.0.0.0" }] })).toEqual([]);
  });
});
