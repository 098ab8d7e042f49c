import { X509Certificate } from "node:crypto";
import { beforeAll, describe, expect, it } from "vitest";
import { completeSecrets, withNewCertificate } from "../../infra/secrets";
import type { SecretValues } from "../../infra/secrets";
import { createAuthority, createCertificate, remainingDays } from "../../infra/tls";

describe("the stack's secrets", () => {
  let first: SecretValues;

  beforeAll(async () => {
    first = await completeSecrets({}, ["localhost", "127.0.0.1", "trino"]);
  });

  it("are all generated at first use, none of them twice the same", () => {
    const { databaseAuthority, ...others } = first;
    expect(databaseAuthority).toBe(first.caCertificate);
    const values = Object.values<string>({ ...others });
    expect(values.every((value) => value.length >= 24)).toBe(true);
    expect(new Set(values).size).toBe(values.length);
  });

  it("stay as they are at the next use", async () => {
    expect(await completeSecrets(first, ["localhost"])).toEqual(first);
  });

  it("fill in what a newer version of the program asks for, and keep the rest", async () => {
    const { airflowJwtSecret, ...older } = first;
    const completed = await completeSecrets(older, ["localhost"]);
    expect(completed.airflowJwtSecret).not.toBe(airflowJwtSecret);
    expect(completed).toMatchObject(older);
  });

  it("can stand unescaped in URLs, SQL, shells and property files", () => {
    expect(first.catalogDatabasePassword).toMatch(/^[A-Za-z0-9]{24}$/);
    expect(first.sparkAuthenticationSecret).toMatch(/^[A-Za-z0-9]{48}$/);
  });

  it("hold a Fernet key of 32 bytes", () => {
    expect(Buffer.from(first.airflowFernetKey, "base64url")).toHaveLength(32);
  });

  it("hold a certificate that the authority signed, for each name that clients use", () => {
    const authority = new X509Certificate(first.caCertificate);
    const server = new X509Certificate(first.trinoCertificate);
    expect(server.verify(authority.publicKey)).toBe(true);
    expect(authority.ca).toBe(true);
    expect(server.ca).toBe(false);
    expect(server.checkHost("localhost")).toBe("localhost");
    expect(server.checkHost("trino")).toBe("trino");
    expect(server.checkIP("127.0.0.1")).toBe("127.0.0.1");
    expect(server.checkHost("example.org")).toBeUndefined();
  });

  it("renew a server certificate that is about to expire, and keep the authority that clients trust", async () => {
    const authority = { certificate: first.caCertificate, key: first.caKey };
    const old = await createCertificate(authority, ["localhost"], 20);
    const renewed = await completeSecrets(
      { ...first, trinoCertificate: old.certificate, trinoKey: old.key },
      ["localhost"],
    );
    expect(remainingDays(old.certificate)).toBeLessThan(30);
    expect(remainingDays(renewed.trinoCertificate)).toBeGreaterThan(365);
    expect(renewed.caCertificate).toBe(first.caCertificate);
  });

  it("make a certificate anew when clients call the server by another name, too", async () => {
    const named = await completeSecrets(first, ["localhost", "trino.example.org"]);
    expect(new X509Certificate(named.trinoCertificate).checkHost("trino.example.org")).toBe(
      "trino.example.org",
    );
    expect(named.caCertificate).toBe(first.caCertificate);
  });

  it("keep an authority that is near its end, for each client would have to learn of another", async () => {
    const authority = await createAuthority("near its end", 10);
    const server = await createCertificate(authority, ["localhost"]);
    const database = await createCertificate(authority, ["database"]);
    const known = {
      ...first,
      ...{ caCertificate: authority.certificate, caKey: authority.key },
      ...{ trinoCertificate: server.certificate, trinoKey: server.key },
      ...{ databaseCertificate: database.certificate, databaseKey: database.key },
      databaseAuthority: authority.certificate,
    };
    expect(await completeSecrets(known, ["localhost"])).toEqual(known);
  });

  it("have a new authority when the old one has ended, and a server certificate that it has signed", async () => {
    const authority = await createAuthority("ended", -0.5);
    const renewed = await completeSecrets(
      { ...first, caCertificate: authority.certificate, caKey: authority.key },
      ["localhost"],
    );
    const server = new X509Certificate(renewed.trinoCertificate);
    expect(renewed.caCertificate).not.toBe(authority.certificate);
    expect(server.verify(new X509Certificate(renewed.caCertificate).publicKey)).toBe(true);
  });

  it("hold a certificate for the database, of the stack's authority and for the name that services call it by", () => {
    const server = new X509Certificate(first.databaseCertificate);
    expect(first.databaseAuthority).toBe(first.caCertificate);
    expect(server.verify(new X509Certificate(first.databaseAuthority).publicKey)).toBe(true);
    expect(server.checkHost("database")).toBe("database");
    expect(server.checkHost("localhost")).toBeUndefined();
  });

  it("renew the database's certificate when it is about to expire or the authority is another", async () => {
    const authority = { certificate: first.caCertificate, key: first.caKey };
    const old = await createCertificate(authority, ["database"], 20);
    const ending = { ...first, databaseCertificate: old.certificate, databaseKey: old.key };
    const renewed = await completeSecrets(ending, ["localhost"]);
    expect(remainingDays(renewed.databaseCertificate)).toBeGreaterThan(365);
    expect(renewed.databaseKey).not.toBe(old.key);
    expect(renewed.trinoCertificate).toBe(first.trinoCertificate);

    const other = await withNewCertificate(first, true);
    expect(other.databaseAuthority).toBe(other.caCertificate);
    const server = new X509Certificate(other.databaseCertificate);
    expect(server.verify(new X509Certificate(other.caCertificate).publicKey)).toBe(true);
    expect((await withNewCertificate(first, false)).databaseCertificate).toBe(first.databaseCertificate);
  });

  it("hold a certificate for gateways only where there are doors for them, by the names of these", async () => {
    expect(first).not.toHaveProperty("gatewayCertificate");
    const hosts = ["airflow.example.org", "10.0.0.7"];
    const opened = await completeSecrets(first, ["localhost"], hosts);
    const server = new X509Certificate(opened.gatewayCertificate ?? "");
    expect(server.verify(new X509Certificate(first.caCertificate).publicKey)).toBe(true);
    expect(server.checkHost("airflow.example.org")).toBe("airflow.example.org");
    expect(server.checkIP("10.0.0.7")).toBe("10.0.0.7");
    expect(server.checkHost("localhost")).toBeUndefined();
    expect(opened.gatewayAuthority).toBe(first.caCertificate);
    expect(opened.trinoCertificate).toBe(first.trinoCertificate);
    expect(await completeSecrets(opened, ["localhost"], hosts)).toEqual(opened);
    expect(await completeSecrets(opened, ["localhost"])).toEqual(opened);
  });

  it("renew a gateway's certificate when it is about to expire, has other names or another authority", async () => {
    const hosts = ["airflow.example.org"];
    const opened = await completeSecrets(first, ["localhost"], hosts);
    const old = await createCertificate({ certificate: first.caCertificate, key: first.caKey }, hosts, 20);
    const ending = { ...opened, gatewayCertificate: old.certificate, gatewayKey: old.key };
    const renewed = await completeSecrets(ending, ["localhost"], hosts);
    expect(remainingDays(renewed.gatewayCertificate ?? "")).toBeGreaterThan(365);
    expect(renewed.gatewayKey).not.toBe(old.key);

    const further = await completeSecrets(opened, ["localhost"], [...hosts, "s3.example.org"]);
    expect(new X509Certificate(further.gatewayCertificate ?? "").checkHost("s3.example.org")).toBe(
      "s3.example.org",
    );
    const other = await withNewCertificate(opened, true);
    expect(other.gatewayAuthority).toBe(other.caCertificate);
    const server = new X509Certificate(other.gatewayCertificate ?? "");
    expect(server.verify(new X509Certificate(other.caCertificate).publicKey)).toBe(true);
    expect(server.checkHost("airflow.example.org")).toBe("airflow.example.org");
    expect((await withNewCertificate(opened, false)).gatewayCertificate).toBe(opened.gatewayCertificate);
  });
});
