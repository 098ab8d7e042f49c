import { mkdtemp, rm, writeFile } from "node:fs/promises";
import * as os from "node:os";
import * as path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createAuthority } from "../../infra/tls";
import { expectSuccess } from "../e2e/processes";
import { until } from "../e2e/until";
import { type Certificate, certificateDefinition, issue } from "./cert-manager";
import { kubectl } from "./cluster";
import { inNamespace, Lakehouse } from "./lakehouse";

let lakehouse: Lakehouse;
let scratch: string;

beforeAll(async () => {
  lakehouse = await Lakehouse.prepare();
  scratch = await mkdtemp(path.join(os.tmpdir(), "lakestack-doors-"));
  await kubectl(["apply", "--server-side", "-f", "-"], JSON.stringify(certificateDefinition));
});

afterAll(async () => {
  await rm(scratch, { recursive: true, force: true });
});

const host = "airflow.example.org";

interface Ingress {
  metadata: { annotations: Record<string, string> };
  spec: {
    tls: { hosts: string[]; secretName: string }[];
    rules: { host: string; http: { paths: { backend: { service: unknown } }[] } }[];
  };
}

const found = async <T>(...what: string[]) =>
  JSON.parse(await inNamespace("get", ...what, "-o", "json")) as T;

/** As a controller does that serves it. */
async function serve(ingress: string): Promise<void> {
  const status = { status: { loadBalancer: { ingress: [{ ip: "10.95.0.1" }] } } };
  await inNamespace(
    ...["patch", "ingress", ingress, "--subresource", "status"],
    ...["--type", "merge", "-p", JSON.stringify(status)],
  );
}

describe("with cert-manager and an ingress controller", () => {
  it("Trino takes the certificate that is issued, and Airflow's page is behind an Ingress", async () => {
    const authority = await createAuthority("The tests' private authority");
    const authorityFile = path.join(scratch, "authority.pem");
    await writeFile(authorityFile, authority.certificate);
    const before = await lakehouse.outputs();
    const settings = {
      trinoIssuer: "private",
      trinoAuthorityFile: authorityFile,
      airflowDoor: "ingress",
      airflowHost: host,
      certificateIssuer: "public",
      // A gateway before the object store would ask for a certificate as well.
      objectStoreDoor: "none",
    };
    for (const [key, value] of Object.entries(settings)) await lakehouse.pulumi("config", "set", key, value);

    const up = lakehouse.startPulumi("up", "--yes", "--skip-preview");
    // Whatever is asked of the controllers that are not here, the test does in their place.
    const asked = await until("the Certificate", 300, () =>
      found<Certificate>("certificates.cert-manager.io", "trino-certificate"),
    );
    expect(asked.spec.issuerRef).toMatchObject({ kind: "ClusterIssuer", name: "private" });
    await issue(authority, asked);
    await until("the Ingress", 600, () => serve("airflow-api-door").then(() => true));
    expectSuccess("pulumi up", await up.finished);

    const outputs = await lakehouse.outputs();
    expect(outputs.caCertificate.trim()).toBe(authority.certificate.trim());
    expect(outputs.caCertificate).not.toBe(before.caCertificate);
    // The client trusts that authority and no other.
    expect(await until("an answer", 120, () => lakehouse.query("SELECT 1"))).toEqual([[1]]);

    expect(outputs.airflowUrl).toBe(`https://${host}`);
    const { metadata, spec } = await found<Ingress>("ingress", "airflow-api-door");
    expect(metadata.annotations["cert-manager.io/cluster-issuer"]).toBe("public");
    expect(spec.tls).toEqual([{ hosts: [host], secretName: "airflow-api-door-tls" }]);
    expect(spec.rules[0]?.host).toBe(host);
    expect(spec.rules[0]?.http.paths[0]?.backend.service).toEqual({
      name: "airflow-api",
      port: { name: "http" },
    });
  });
});
