import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";
import { ConfigError, type StackConfig } from "./config";
import { readPemFile } from "./pem-file";
import { certificatesIn, remainingDays, renewalDays } from "./tls";

/** A certificate for Trino that people bring with them, all PEM. */
export interface OwnCertificate {
  /** With those of the authorities between it and the root. */
  certificate: string;
  /** PKCS #8. */
  key: string;
  /** What clients have to trust. */
  authority: string;
}

const key = "trinoCertificateFile";

/**
 * Reads the certificate that the configuration names, and checks that clients will take it.
 *
 * @param names by which it will be called.
 * @returns nothing if the configuration names none: then the stack's own authority makes one.
 * @throws ConfigError that says what is wrong with it.
 */
export function readOwnCertificate(
  settings: Pick<StackConfig, "trinoCertificateFile" | "trinoAuthorityFile">,
  names: string[],
): OwnCertificate | undefined {
  const { trinoCertificateFile: file, trinoAuthorityFile: authorityFile } = settings;
  if (file === "") return undefined;
  const fault = (expected: string) => new ConfigError([{ key, value: file, expected }]);

  const pem = readPemFile(key, file);
  const privateKey = keyIn(pem);
  if (privateKey === undefined) throw fault("a PEM file with a private key that has no passphrase");
  const [leaf, ...chain] = certificates(pem);
  if (leaf === undefined) throw fault("a PEM file with the key and its certificate");
  if (!leaf.checkPrivateKey(privateKey)) throw fault("its first certificate to be that of its private key");
  const days = remainingDays(leaf.toString());
  if (days < 0) throw fault(`a certificate that has not ended (${leaf.validTo})`);
  const missing = names.filter((name) => !isFor(leaf, name));
  if (missing.length > 0) throw fault(`a certificate for ${missing.join(", ")}, too`);

  const authority = readPemFile("trinoAuthorityFile", authorityFile);
  if (!isTrusted(leaf, chain, certificates(authority)))
    throw new ConfigError([
      { key: "trinoAuthorityFile", value: authorityFile, expected: `the root authority of ${file}` },
    ]);
  if (days < renewalDays)
    void pulumi.log.warn(`The certificate in ${file} ends in ${days} days: put another one there.`);
  return {
    certificate: [leaf, ...chain].map(String).join(""),
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    authority,
  };
}

function keyIn(pem: string): KeyObject | undefined {
  try {
    return createPrivateKey(pem);
  } catch {
    return undefined;
  }
}

/** None if one of them can't be read. */
function certificates(pem: string): X509Certificate[] {
  try {
    return certificatesIn(pem).map((each) => new X509Certificate(each));
  } catch {
    return [];
  }
}

const isFor = (certificate: X509Certificate, name: string) =>
  (/^[\d.]+$/.test(name) ? certificate.checkIP(name) : certificate.checkHost(name)) !== undefined;

const signs = (issuer: X509Certificate, certificate: X509Certificate) =>
  certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);

/** Whether a client that trusts only these roots finds its way to one of them. */
function isTrusted(leaf: X509Certificate, chain: X509Certificate[], roots: X509Certificate[]): boolean {
  let current = leaf;
  for (const next of [...chain, undefined]) {
    if (roots.some((root) => signs(root, root) && signs(root, current))) return true;
    if (next === undefined || !signs(next, current)) return false;
    current = next;
  }
  return false;
}
