import "reflect-metadata";
import { webcrypto } from "node:crypto";
import * as x509 from "@peculiar/x509";

const ecdsa = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const day = 24 * 60 * 60 * 1000;

/** A server's certificate is renewed when it has fewer days left than this. */
export const renewalDays = 30;

/** Everybody is told that the authority ends when it has fewer days left than this: each client has to be given another. */
export const authorityWarningDays = 90;

/** What to do about an authority that ends. */
export const authorityWarning = (days: number) =>
  `The authority that signs Trino's certificate ends in ${days} days; then no client gets in. Replace it when it suits ` +
  "(npm run certificates -- --renew-authority), and give every client the new ca.pem: docs/access.md.";

/** A certificate and its private key, both PEM (PKCS #8). */
export interface KeyPair {
  certificate: string;
  key: string;
}

/** Makes a certificate authority of the stack's own, valid for ten years unless told otherwise. */
export async function createAuthority(name: string, days = 3650): Promise<KeyPair> {
  const keys = await webcrypto.subtle.generateKey(ecdsa, true, ["sign", "verify"]);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: `CN=${name}`,
    keys,
    signingAlgorithm: ecdsa,
    notBefore: new Date(Date.now() - day),
    notAfter: new Date(Date.now() + days * day),
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate: pem(certificate), key: await pemKey(keys.privateKey) };
}

/**
 * Makes a server's certificate.
 *
 * @param hosts DNS names and IPv4 addresses that clients may call the server by; the first is its subject.
 * @param days how long it is valid from now on; with the day before now, 397 days are the most that browsers accept.
 */
export async function createCertificate(authority: KeyPair, hosts: string[], days = 396): Promise<KeyPair> {
  const keys = await webcrypto.subtle.generateKey(ecdsa, true, ["sign", "verify"]);
  const issuer = new x509.X509Certificate(authority.certificate);
  const certificate = await x509.X509CertificateGenerator.create({
    subject: `CN=${hosts[0] ?? "localhost"}`,
    issuer: issuer.subject,
    publicKey: keys.publicKey,
    signingKey: await importKey(authority.key),
    signingAlgorithm: ecdsa,
    notBefore: new Date(Date.now() - day),
    notAfter: new Date(Date.now() + days * day),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(
        hosts.map((host) => ({ type: /^[\d.]+$/.test(host) ? "ip" : "dns", value: host })),
      ),
      await x509.AuthorityKeyIdentifierExtension.create(issuer),
    ],
  });
  return { certificate: pem(certificate), key: await pemKey(keys.privateKey) };
}

/** Whole days until a PEM certificate expires; negative if it has. */
export function remainingDays(certificate: string): number {
  return Math.floor((new x509.X509Certificate(certificate).notAfter.getTime() - Date.now()) / day);
}

/** The certificates of a PEM file, each by itself. */
export const certificatesIn = (pem: string) =>
  pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];

/** The DNS names and addresses that a PEM certificate is valid for. */
export function hostsOf(certificate: string): string[] {
  const names = new x509.X509Certificate(certificate).getExtension(x509.SubjectAlternativeNameExtension);
  return (names?.names.items ?? []).map(({ value }) => value);
}

/** Whether a PEM certificate is valid for all of these DNS names and addresses. */
export function covers(certificate: string, hosts: string[]): boolean {
  const covered = new Set(hostsOf(certificate));
  return hosts.every((host) => covered.has(host));
}

const pem = (certificate: x509.X509Certificate) => `${certificate.toString("pem")}\n`;

async function pemKey(key: webcrypto.CryptoKey): Promise<string> {
  return `${x509.PemConverter.encode(await webcrypto.subtle.exportKey("pkcs8", key), "PRIVATE KEY")}\n`;
}

async function importKey(key: string): Promise<webcrypto.CryptoKey> {
  const [der] = x509.PemConverter.decode(key);
  if (der === undefined) throw new Error("The authority's private key is not PEM");
  return webcrypto.subtle.importKey("pkcs8", der, ecdsa, true, ["sign"]);
}
