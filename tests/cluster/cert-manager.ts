/**
 * What of cert-manager the stack speaks with. Its controller cannot be had where only package mirrors answer: the tests
 * have the API server judge what it would be asked for, and issue the certificate themselves as it would.
 */
import { createCertificate, type KeyPair } from "../../infra/tls";
import type { Manifest } from "./cluster";
import { kubectl } from "./cluster";
import { namespace } from "./lakehouse";

const text = { type: "string", minLength: 1 };
const object = (properties: Manifest, ...required: string[]) => ({ type: "object", properties, required });
const list = (items: Manifest) => ({ type: "array", items });
const one = (...of: string[]) => ({ type: "string", enum: of });

/** https://cert-manager.io/docs/reference/api-docs/#cert-manager.io/v1.CertificateSpec, as far as the stack uses it. */
const certificateSpec = object(
  {
    secretName: text,
    dnsNames: list(text),
    ipAddresses: list(text),
    issuerRef: object({ group: text, kind: text, name: text }, "name"),
    additionalOutputFormats: list(object({ type: one("DER", "CombinedPEM") }, "type")),
    privateKey: object({
      algorithm: one("RSA", "ECDSA", "Ed25519"),
      encoding: one("PKCS1", "PKCS8"),
      size: { type: "integer" },
    }),
  },
  "issuerRef",
  "secretName",
);

/** The definition of cert-manager's Certificate. */
export const certificateDefinition: Manifest = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: "certificates.cert-manager.io" },
  spec: {
    group: "cert-manager.io",
    scope: "Namespaced",
    names: {
      kind: "Certificate",
      listKind: "CertificateList",
      plural: "certificates",
      singular: "certificate",
    },
    versions: [
      {
        name: "v1",
        served: true,
        storage: true,
        schema: { openAPIV3Schema: object({ spec: certificateSpec }, "spec") },
      },
    ],
  },
};

/** A Certificate, as the API server has taken it. */
export interface Certificate {
  spec: {
    secretName: string;
    dnsNames: string[];
    ipAddresses?: string[];
    issuerRef: { kind: string; name: string };
    additionalOutputFormats: { type: string }[];
  };
}

/** Issues what a Certificate asks for, and puts it where cert-manager would. */
export async function issue(authority: KeyPair, { spec }: Certificate): Promise<void> {
  const { certificate, key } = await createCertificate(authority, [
    ...spec.dnsNames,
    ...(spec.ipAddresses ?? []),
  ]);
  const combined = spec.additionalOutputFormats.some(({ type }) => type === "CombinedPEM");
  const secret = {
    apiVersion: "v1",
    kind: "Secret",
    type: "kubernetes.io/tls",
    metadata: { name: spec.secretName, namespace },
    stringData: {
      "tls.crt": certificate,
      "tls.key": key,
      "ca.crt": authority.certificate,
      ...(combined ? { "tls-combined.pem": `${key}${certificate}` } : {}),
    },
  };
  await kubectl(["apply", "--server-side", "-f", "-"], JSON.stringify(secret));
}
