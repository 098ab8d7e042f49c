import { createPrivateKey, X509Certificate } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import * as os from "node:os";
import * as path from "node:path";
import { createServer, type Server } from "node:tls";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  authorityFacts,
  certificateReport,
  certificateTable,
  serverFacts,
  shownAt,
  warnings,
} from "../../commands/certificate-facts";
import { completeSecrets, type SecretValues, withNewCertificate } from "../../infra/secrets";
import { ownCertificateFile, renderKeystore, renderServer } from "../../infra/services/trino-files";
import { createAuthority, createCertificate, type KeyPair } from "../../infra/tls";

let folder: string;
let caFile: string;
let authority: KeyPair;
const servers: Server[] = [];

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), "lakestack-certificates-"));
  caFile = path.join(folder, "ca.pem");
  authority = await createAuthority("The tests' authority");
  await writeFile(caFile, authority.certificate);
});

afterAll(async () => {
  for (const server of servers) server.close();
  await rm(folder, { recursive: true });
});

/** A TLS server with a certificate as the stack makes them. */
async function serve(certificate: KeyPair): Promise<string> {
  const server = createServer({ key: certificate.key, cert: certificate.certificate });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `https://localhost:${(server.address() as AddressInfo).port}`;
}

const issue = (days: number) => createCertificate(authority, ["localhost", "127.0.0.1", "trino"], days);

describe("npm run status", () => {
  it("shows for whom the certificate is that Trino shows, by whom, and the days that remain", async () => {
    const [report, ...more] = await certificateReport(await serve(await issue(200)), caFile);
    expect(report).toMatch(/^Trino +localhost, 127\.0\.0\.1, trino +The tests' authority +\d+ /m);
    // Some milliseconds of the 200 days have gone.
    expect(report).toMatch(/^Trino .* 199 +\d{4}-\d\d-\d\d$/m);
    expect(report).toMatch(/^authority +The tests' authority +The tests' authority +3649 /m);
    expect(more).toEqual([]);
  });

  it("warns when fewer than 30 days remain, and says what renews it", async () => {
    const [report, ...more] = await certificateReport(await serve(await issue(30)), caFile);
    expect(report).toMatch(/^Trino .* 29 /m);
    expect(more).toEqual([expect.stringMatching(/ends in 29 days.*npm run up.*--renew/)]);
    expect(await certificateReport(await serve(await issue(31)), caFile)).toHaveLength(1);
  });

  it("says of a certificate that it has ended, and that clients do not trust it", async () => {
    const [report, ...more] = await certificateReport(await serve(await issue(-0.5)), caFile);
    expect(report).toMatch(/^Trino .* ended /m);
    expect(more[0]).toContain("has ended");
    expect(more[1]).toContain("CERT_HAS_EXPIRED");
  });

  it("says when the file that clients are given is another authority's", async () => {
    const stranger = await createAuthority("Somebody else's authority");
    const file = path.join(folder, "other.pem");
    await writeFile(file, stranger.certificate);
    const [, ...more] = await certificateReport(await serve(await issue(200)), file);
    expect(more).toEqual([expect.stringMatching(/other\.pem do not trust Trino: \w+\. npm run up writes/)]);
  });

  it("shows Trino's certificate alone where that file is not there, and nothing where nobody answers", async () => {
    const nowhere = path.join(folder, "none.pem");
    const [report, ...more] = await certificateReport(await serve(await issue(200)), nowhere);
    expect(report).toMatch(/^Trino /m);
    expect(report).not.toMatch(/^authority /m);
    expect(more).toEqual([]);
    expect(await certificateReport("https://localhost:1", caFile)).toEqual([]);
  });
});

describe("warnings", () => {
  it("of the authority come 90 days ahead, with what clients must do", async () => {
    const near = authorityFacts((await createAuthority("near", 90)).certificate);
    expect(warnings(near)).toEqual([
      expect.stringMatching(/89 days.*--renew-authority.*every client.*ca\.pem/),
    ]);
    expect(warnings(authorityFacts((await createAuthority("far", 91)).certificate))).toEqual([]);
  });

  it("are given for each authority of a file", async () => {
    const near = await createAuthority("near", 10);
    const both = authorityFacts(authority.certificate + near.certificate);
    expect(both.map(({ holder }) => holder)).toEqual(["The tests' authority", "near"]);
    expect(warnings(both)).toHaveLength(1);
  });
});

describe("a renewed certificate", () => {
  const hosts = ["localhost", "127.0.0.1", "trino"];
  let first: SecretValues;

  beforeAll(async () => {
    first = await completeSecrets({}, hosts);
  });

  it("is another one of the same authority, and all other secrets stay", async () => {
    const renewed = await withNewCertificate(first, false);
    const changed = Object.keys(first).filter(
      (name) => first[name as keyof SecretValues] !== renewed[name as keyof SecretValues],
    );
    expect(changed.sort()).toEqual(["trinoCertificate", "trinoKey"]);
    const certificate = new X509Certificate(renewed.trinoCertificate);
    expect(certificate.serialNumber).not.toBe(new X509Certificate(first.trinoCertificate).serialNumber);
    expect(certificate.verify(new X509Certificate(first.caCertificate).publicKey)).toBe(true);
    expect(certificate.checkPrivateKey(createPrivateKey(renewed.trinoKey))).toBe(true);
    // The program finds nothing left to do, not even another order of the same.
    expect(JSON.stringify(await completeSecrets(renewed, hosts))).toBe(JSON.stringify(renewed));
  });

  it("is taken by clients that have the authority's certificate already", async () => {
    const renewed = await withNewCertificate(first, false);
    const url = await serve({ certificate: renewed.trinoCertificate, key: renewed.trinoKey });
    const shown = await shownAt(url, first.caCertificate);
    expect(shown).toEqual({ certificate: serverFacts(renewed.trinoCertificate), distrust: undefined });
  });

  it("of a new authority is not taken by clients that have the old one, only with the new one", async () => {
    const renewed = await withNewCertificate(first, true);
    expect(renewed.caCertificate).not.toBe(first.caCertificate);
    const url = await serve({ certificate: renewed.trinoCertificate, key: renewed.trinoKey });
    expect((await shownAt(url, first.caCertificate))?.distrust).toBeDefined();
    expect((await shownAt(url, renewed.caCertificate))?.distrust).toBeUndefined();
  });

  it("makes Trino's file another length, for Trino looks no further than length and time", async () => {
    const files = await Promise.all(
      Array.from({ length: 8 }, async () => {
        const { key, certificate } = await issue(200);
        return { key, certificate, file: renderKeystore(key, certificate) };
      }),
    );
    expect(new Set(files.map(({ file }) => file.length)).size).toBeGreaterThan(6);
    for (const { key, certificate, file } of files) {
      expect(file.trimEnd()).toBe((key + certificate).trimEnd());
      expect(new X509Certificate(file).checkPrivateKey(createPrivateKey(file))).toBe(true);
      expect(renderKeystore(key, certificate)).toBe(file);
    }
  });

  it("is looked for as often as passwords are", () => {
    const lines = renderServer("secret").split("\n");
    expect(lines).toContain(`http-server.https.keystore.path=${ownCertificateFile}`);
    expect(lines).toContain("http-server.https.ssl-context.refresh-time=2s");
  });

  it("is in the table as one line, with the day of its end", async () => {
    const { certificate } = await issue(10);
    const end = new Date(new X509Certificate(certificate).validTo).toISOString().slice(0, 10);
    expect(certificateTable([serverFacts(certificate)])).toMatch(new RegExp(`^Trino .* 9 +${end}$`, "m"));
  });
});
