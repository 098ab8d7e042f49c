import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import type * as pulumi from "@pulumi/pulumi";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ConfigError, readConfig } from "../../infra/config";
import { completeSecrets } from "../../infra/secrets";
import { kubernetesStack } from "../../stacks/kubernetes";
import { configure, recordResources, settle } from "./registered";
import type { Registered } from "./registered";

const folder = mkdtempSync(path.join(os.tmpdir(), "lakestack-authority-"));
const authorityFile = path.join(folder, "authority.pem");
const hosts = [
  ...["localhost", "127.0.0.1", "trino", "lakestack-test-trino"],
  ...["trino.lakestack", "trino.lakestack.svc", "trino.lakestack.svc.cluster.local"],
];

let registered: Registered[];
let outputs: Record<string, pulumi.Output<string> | string>;

beforeAll(async () => {
  writeFileSync(authorityFile, "the authority\n");
  const secrets = JSON.stringify(await completeSecrets({}, hosts));
  configure({ platform: "kubernetes", trinoIssuer: "private", trinoAuthorityFile: authorityFile, secrets }, [
    "secrets",
  ]);
  registered = await recordResources("test");
  outputs = await kubernetesStack(readConfig());
  await settle();
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

const inputsOf = (type: string, name: string) =>
  registered.find((each) => each.type === type && each.name === name)?.inputs;

describe("with an issuer of cert-manager's", () => {
  it("Trino's certificate is asked for by all names that clients use", () => {
    expect(inputsOf("kubernetes:cert-manager.io/v1:Certificate", "trino-certificate")).toMatchObject({
      spec: {
        secretName: "trino-certificate",
        dnsNames: hosts.filter((host) => host !== "127.0.0.1"),
        ipAddresses: ["127.0.0.1"],
        issuerRef: { kind: "ClusterIssuer", name: "private" },
      },
    });
  });

  it("Trino reads it where it is renewed, and the stack's own key is nowhere", () => {
    const trino = JSON.stringify(inputsOf("kubernetes:apps/v1:Deployment", "trino"));
    expect(trino).toContain('"mountPath":"/etc/lakestack/trino-certificate"');
    const live = JSON.stringify(inputsOf("kubernetes:core/v1:Secret", "trino-live"));
    expect(live).not.toContain("PRIVATE KEY");
    const secrets = JSON.stringify(inputsOf("kubernetes:core/v1:Secret", "trino-secrets"));
    expect(secrets).toContain("keystore.path=/etc/lakestack/trino-certificate/tls-combined.pem");
    expect(secrets).not.toContain("PRIVATE KEY");
  });

  it("clients, Airflow among them, are told to trust its authority", async () => {
    const told = await new Promise((resolve) => {
      (outputs["caCertificate"] as pulumi.Output<string>).apply(resolve);
    });
    expect(told).toBe("the authority\n");
    expect(JSON.stringify(inputsOf("kubernetes:core/v1:ConfigMap", "airflow-scheduler-files"))).toContain(
      "the authority",
    );
  });

  it("the authority has to be known", () => {
    configure({ trinoIssuer: "private" });
    expect(() => readConfig()).toThrow(ConfigError);
    expect(() => readConfig()).toThrow("trinoAuthorityFile");
  });
});
