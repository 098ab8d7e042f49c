import "reflect-metadata";
import { generateKeyPairSync, webcrypto, X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import * as os from "node:os";
import * as path from "node:path";
import { createServer } from "node:tls";
import * as x509 from "@peculiar/x509";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { shownAt } from "../../commands/certificate-facts";
import { ConfigError, readConfig } from "../../infra/config";
import { readOwnCertificate } from "../../infra/own-certificate";
import { calledNames } from "../../infra/services/trino";
import { createAuthority, createCertificate, type KeyPair } from "../../infra/tls";
import { configure } from "./registered";

const folder = mkdtempSync(path.join(os.tmpdir(), "lakestack-own-certificate-"));
let authority: KeyPair;
let server: KeyPair;

/** Puts a text into a file. */
function file(name: string, text: string): string {
  const target = path.join(folder, name);
  writeFileSync(target, text);
  return target;
}

const names = [...calledNames];
const read = (pem: string, root = authority.certificate) =>
  readOwnCertificate(
    { trinoCertificateFile: file("tls.pem", pem), trinoAuthorityFile: file("root.pem", root) },
    names,
  );

beforeAll(async () => {
  authority = await createAuthority("A company's authority");
  server = await createCertificate(authority, names);
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

describe("a certificate of one's own", () => {
  it("is taken with its key and its authority, in whatever order the file has them", () => {
    for (const pem of [server.key + server.certificate, server.certificate + server.key]) {
      const own = read(pem);
      expect(own?.certificate).toBe(server.certificate);
      expect(own?.key).toBe(server.key);
      expect(own?.authority).toBe(authority.certificate);
    }
  });

  it("is not looked for where none is declared", () => {
    expect(readOwnCertificate({ trinoCertificateFile: "", trinoAuthorityFile: "" }, names)).toBeUndefined();
  });

  it("may be signed by an authority between it and the root, which then goes with it", async () => {
    const { root, between } = await authorities();
    const leaf = await createCertificate(between, names);
    const own = read(leaf.key + leaf.certificate + between.certificate, root.certificate);
    expect(own?.certificate).toBe(leaf.certificate + between.certificate);
    // What clients that know the root alone say of it.
    const listener = createServer({ key: own?.key, cert: own?.certificate });
    await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
    const shown = await shownAt(
      `https://localhost:${(listener.address() as AddressInfo).port}`,
      own?.authority,
    );
    listener.close();
    expect(shown?.distrust).toBeUndefined();
    expect(shown?.certificate.serial).toBe(new X509Certificate(leaf.certificate).serialNumber);
    expect(() => read(leaf.key + leaf.certificate, root.certificate)).toThrow(/the root authority of/);
    expect(() => read(leaf.key + leaf.certificate, between.certificate)).toThrow(/the root authority of/);
  });

  it("is refused with what is wrong with it", async () => {
    const another = await createCertificate(authority, names);
    const ended = await createCertificate(authority, names, -0.5);
    const narrow = await createCertificate(authority, ["localhost"]);
    const stranger = await createAuthority("A company's authority");
    const locked = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({
      ...{ type: "pkcs8", format: "pem" },
      ...{ cipher: "aes-256-cbc", passphrase: "hush" },
    });
    const faults: [pem: string, expected: RegExp][] = [
      [server.certificate, /trinoCertificateFile is ".*tls\.pem", expected .*private key.* no passphrase/],
      [String(locked) + server.certificate, /private key.* no passphrase/],
      [server.key, /the key and its certificate/],
      [server.key + server.certificate.replace(/\n.*\n/, "\nAAAA\n"), /the key and its certificate/],
      [server.key + another.certificate, /to be that of its private key/],
      [ended.key + ended.certificate, /has not ended/],
      [narrow.key + narrow.certificate, /a certificate for trino, too/],
    ];
    for (const [pem, expected] of faults) {
      expect(() => read(pem)).toThrow(ConfigError);
      expect(() => read(pem)).toThrow(expected);
    }
    expect(() => read(server.key + server.certificate, stranger.certificate)).toThrow(
      /trinoAuthorityFile is ".*root\.pem", expected the root authority of .*tls\.pem/,
    );
    const nowhere = { trinoCertificateFile: path.join(folder, "none"), trinoAuthorityFile: "" };
    expect(() => readOwnCertificate(nowhere, names)).toThrow(/a PEM file that can be read/);
  });

  it("needs its authority, and no issuer of cert-manager's beside it", () => {
    configure({ trinoCertificateFile: "tls.pem" });
    expect(() => readConfig()).toThrow(/trinoAuthorityFile is .*\(trinoCertificateFile\)/);
    configure({ trinoCertificateFile: "tls.pem", trinoAuthorityFile: "root.pem", trinoIssuer: "private" });
    expect(() => readConfig()).toThrow(/nothing beside trinoIssuer/);
  });
});

/** A root, and an authority that it has signed. */
async function authorities(): Promise<{ root: { certificate: string }; between: KeyPair }> {
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const pair = () => webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const [rootKeys, keys] = [await pair(), await pair()];
  const of = async (publicKey: webcrypto.CryptoKey) => ({
    signingAlgorithm: algorithm,
    notBefore: new Date(Date.now() - 3_600_000),
    notAfter: new Date(Date.now() + 24 * 3_600_000),
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
      await x509.SubjectKeyIdentifierExtension.create(publicKey),
    ],
  });
  const root = await x509.X509CertificateGenerator.createSelfSigned({
    ...(await of(rootKeys.publicKey)),
    name: "CN=A root",
    keys: rootKeys,
  });
  const between = await x509.X509CertificateGenerator.create({
    ...(await of(keys.publicKey)),
    subject: "CN=Between",
    issuer: root.subject,
    publicKey: keys.publicKey,
    signingKey: rootKeys.privateKey,
  });
  const pem = (certificate: x509.X509Certificate) => `${certificate.toString("pem")}\n`;
  const key = x509.PemConverter.encode(
    await webcrypto.subtle.exportKey("pkcs8", keys.privateKey),
    "PRIVATE KEY",
  );
  return { root: { certificate: pem(root) }, between: { certificate: pem(between), key: `${key}\n` } };
}
