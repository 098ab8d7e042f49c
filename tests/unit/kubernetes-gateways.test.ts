import { X509Certificate } from "node:crypto";
import type * as pulumi from "@pulumi/pulumi";
import { beforeAll, describe, expect, it } from "vitest";
import { readConfig } from "../../infra/config";
import { completeSecrets } from "../../infra/secrets";
import type { SecretValues } from "../../infra/secrets";
import { renderGateway } from "../../infra/services/gateway";
import { kubernetesStack } from "../../stacks/kubernetes";
import { hosts } from "../programs/variants";
import { configure, recordResources, settle } from "./registered";
import type { Registered } from "./registered";

const airflowHost = "airflow.example.org";
const objectStoreHost = "10.0.0.7";
const open = {
  ...{ platform: "kubernetes", airflowDoor: "load-balancer", airflowHost },
  ...{ objectStoreDoor: "node-port", objectStoreHost },
};

let known: SecretValues;
let registered: Registered[];
let outputs: Record<string, pulumi.Output<string> | string>;

const inputsOf = (type: string, name: string) =>
  registered.find((each) => each.type === `kubernetes:${type}` && each.name === name)?.inputs;
const names = (type: string) =>
  registered
    .filter((each) => each.type === `kubernetes:${type}`)
    .map(({ name }) => name)
    .sort();

/** Workloads that anybody may call, from wherever. */
const openToAll = () =>
  registered
    .filter(({ type }) => type === "kubernetes:networking.k8s.io/v1:NetworkPolicy")
    .filter(({ inputs }) =>
      (inputs as { spec: { ingress?: { from?: unknown }[] } }).spec.ingress?.some(
        ({ from }) => from === undefined,
      ),
    )
    .map(({ name }) => name)
    .sort();

const doorServices = () => names("core/v1:Service").filter((name) => name.endsWith("-door"));

async function run(values: Record<string, string>): Promise<void> {
  configure({ ...values, secrets: JSON.stringify(known) }, ["secrets"]);
  registered = await recordResources("test");
  outputs = await kubernetesStack(readConfig());
  await settle();
}

const told = (output: string) =>
  new Promise((resolve) => {
    (outputs[output] as pulumi.Output<string>).apply(resolve);
  });

beforeAll(async () => {
  known = await completeSecrets({}, hosts, [airflowHost, objectStoreHost]);
});

describe("doors of services without TLS of their own", () => {
  beforeAll(() => run(open));

  it("are gateways' doors, and nobody from outside may call the services themselves", () => {
    expect(doorServices()).toEqual(["airflow-gateway-door", "object-store-gateway-door"]);
    expect(openToAll()).toEqual(["airflow-gateway-connections", "object-store-gateway-connections"]);
    expect(inputsOf("core/v1:Service", "airflow-gateway-door")).toMatchObject({
      spec: { type: "LoadBalancer", ports: [{ name: "https", port: 8081, targetPort: "https" }] },
    });
    expect(inputsOf("core/v1:Service", "object-store-gateway-door")).toMatchObject({
      spec: { type: "NodePort", ports: [{ name: "https" }] },
    });
  });

  it("let a gateway call its service and no other", () => {
    const connected = (name: string) => inputsOf("networking.k8s.io/v1:NetworkPolicy", `${name}-connections`);
    const callees = (name: string) =>
      JSON.stringify((connected(name) as { spec: { egress: unknown } }).spec.egress).match(
        /"app.kubernetes.io\/name":"[^"]+"/g,
      );
    expect(callees("airflow-gateway")).toEqual(['"app.kubernetes.io/name":"airflow-api"']);
    expect(callees("object-store-gateway")).toEqual(['"app.kubernetes.io/name":"object-store"']);
    for (const service of ["airflow", "object-store"])
      expect(JSON.stringify(connected(service === "airflow" ? "airflow-api" : service))).toContain(
        `"app.kubernetes.io/name":"${service}-gateway"`,
      );
  });

  it("show a certificate of the stack's authority, renewed under the running gateway", () => {
    const live = inputsOf("core/v1:Secret", "airflow-gateway-live")?.["stringData"] as Record<string, string>;
    expect(Object.keys(live)).toEqual(["tls-combined.pem"]);
    const certificate = new X509Certificate(live["tls-combined.pem"] ?? "");
    expect(certificate.checkHost(airflowHost)).toBe(airflowHost);
    expect(certificate.checkIP(objectStoreHost)).toBe(objectStoreHost);
    expect(live["tls-combined.pem"]).toContain("PRIVATE KEY");
    expect(JSON.stringify(inputsOf("apps/v1:Deployment", "airflow-gateway"))).toContain(
      '"mountPath":"/etc/lakestack/gateway"',
    );
  });

  it("are told to users, with the authority to trust", async () => {
    expect(outputs["airflowUrl"]).toBe(`https://${airflowHost}:8081`);
    expect(outputs["objectStoreUrl"]).toBe(`https://${objectStoreHost}:9000`);
    expect(await told("gatewayAuthority")).toBe(known.caCertificate);
  });
});

describe("with cert-manager", () => {
  beforeAll(() => run({ ...open, certificateIssuer: "public" }));

  it("each door has a certificate of the issuer's, for the one name that clients use", () => {
    const name = "airflow-gateway-certificate";
    expect(inputsOf("cert-manager.io/v1:Certificate", name)).toMatchObject({
      spec: {
        ...{ secretName: name, dnsNames: [airflowHost], ipAddresses: [] },
        issuerRef: { kind: "ClusterIssuer", name: "public" },
        additionalOutputFormats: [{ type: "CombinedPEM" }],
      },
    });
    expect(inputsOf("cert-manager.io/v1:Certificate", "object-store-gateway-certificate")).toMatchObject({
      spec: { dnsNames: [], ipAddresses: [objectStoreHost] },
    });
  });

  it("gateways read it where it is renewed, and the stack's own key is nowhere", () => {
    const gateway = JSON.stringify(inputsOf("apps/v1:Deployment", "airflow-gateway"));
    expect(gateway).toContain('"secretName":"airflow-gateway-certificate"');
    expect(gateway).toContain('"mountPath":"/etc/lakestack/gateway"');
    expect(inputsOf("core/v1:Secret", "airflow-gateway-live")).toBeUndefined();
    expect(JSON.stringify(registered)).not.toContain(JSON.stringify(known.gatewayKey).slice(1, -1));
    expect(outputs).not.toHaveProperty("gatewayAuthority");
  });
});

describe("on a trusted network", () => {
  it("the doors are the services' own, without TLS", async () => {
    await run({ ...open, trustedNetwork: "true" });
    expect(doorServices()).toEqual(["airflow-api-door", "object-store-door"]);
    expect(openToAll()).toEqual(["airflow-api-connections", "object-store-connections"]);
    expect(names("apps/v1:Deployment").filter((name) => name.includes("gateway"))).toEqual([]);
    expect(outputs["airflowUrl"]).toBe(`http://${airflowHost}:8081`);
  });
});

describe("a store of others", () => {
  it("has no gateway of ours", async () => {
    await run({ ...open, objectStoreEndpoint: "https://s3.example.org" });
    expect(doorServices()).toEqual(["airflow-gateway-door"]);
    expect(outputs["objectStoreUrl"]).toBe("https://s3.example.org");
  });
});

describe("a gateway's configuration", () => {
  it("ends TLS of version 1.2 at least, and keeps sessions to it", () => {
    const text = renderGateway({ host: "airflow-api", port: 8080 });
    expect(text).toContain("bind :8443 ssl crt /etc/lakestack/gateway/tls-combined.pem");
    expect(text).toContain("ssl-min-ver TLSv1.2");
    expect(text).toContain("server service airflow-api:8080");
    expect(text).toContain(String.raw`)*)$ "\1; Secure"`);
    expect(text.match(/^ +bind /gm)).toHaveLength(1);
  });
});
