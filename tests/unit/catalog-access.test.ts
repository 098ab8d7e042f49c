import { createHmac, createPublicKey, verify } from "node:crypto";
import { beforeAll, describe, expect, it } from "vitest";
import { catalogAccess, catalogCallers, catalogRules } from "../../infra/catalog-access";
import { generateTokenKey, isTokenGood, signToken, tokenPublicKey } from "../../infra/catalog-tokens";
import { catalogTokens, completeSecrets, type SecretValues } from "../../infra/secrets";

const partsOf = (token: string) =>
  token
    .split(".")
    .slice(0, 2)
    .map((part) => JSON.parse(Buffer.from(part, "base64url").toString()) as Record<string, unknown>);

describe("a token for the catalog", () => {
  let key: string;
  beforeAll(() => {
    key = generateTokenKey();
  });

  it("says who calls, who says so and until when, and anybody with the public key can check it", () => {
    const token = signToken(key, "trino", 10);
    const [header, claims] = partsOf(token);
    expect(header).toEqual({ alg: "RS256", typ: "JWT" });
    expect(claims).toMatchObject({ iss: "lakestack", aud: "catalog", sub: "trino" });
    expect(Number(claims?.["exp"]) - Number(claims?.["iat"])).toBe(10 * 86_400);
    const publicKey = createPublicKey({
      key: Buffer.from(tokenPublicKey(key), "base64"),
      format: "der",
      type: "spki",
    });
    const [signed, signature] = [token.slice(0, token.lastIndexOf(".")), token.split(".")[2] ?? ""];
    expect(verify("sha256", Buffer.from(signed), publicKey, Buffer.from(signature, "base64url"))).toBe(true);
  });

  it("is good for its caller, while it is valid for another month, if this key has signed it", () => {
    expect(isTokenGood(signToken(key, "spark"), key, "spark")).toBe(true);
    expect(isTokenGood(signToken(key, "spark"), key, "trino")).toBe(false);
    expect(isTokenGood(signToken(key, "spark", 29), key, "spark")).toBe(false);
    expect(isTokenGood(signToken(generateTokenKey(), "spark"), key, "spark")).toBe(false);
    expect(isTokenGood("", key, "spark")).toBe(false);
    const [header = "", payload = ""] = signToken(key, "spark").split(".");
    const forged = createHmac("sha256", tokenPublicKey(key))
      .update(`${header}.${payload}`)
      .digest("base64url");
    expect(isTokenGood(`${header}.${payload}.${forged}`, key, "spark")).toBe(false);
  });
});

describe("the stack's tokens", () => {
  let first: SecretValues;
  beforeAll(async () => {
    first = await completeSecrets({}, ["localhost"]);
  });

  it("are one a caller, and stay as they are", async () => {
    for (const caller of catalogCallers)
      expect(isTokenGood(first[catalogTokens[caller]], first.catalogTokenKey, caller), caller).toBe(true);
    expect(await completeSecrets(first, ["localhost"])).toEqual(first);
  });

  it("are renewed one by one before they end, with the same key", async () => {
    const old = signToken(first.catalogTokenKey, "spark", 20);
    const renewed = await completeSecrets({ ...first, sparkCatalogToken: old }, ["localhost"]);
    expect(renewed.sparkCatalogToken).not.toBe(old);
    expect({ ...renewed, sparkCatalogToken: "" }).toEqual({ ...first, sparkCatalogToken: "" });
  });

  it("are all made anew where the key is another", async () => {
    const { catalogTokenKey, ...others } = first;
    const renewed = await completeSecrets(others, ["localhost"]);
    expect(renewed.catalogTokenKey).not.toBe(catalogTokenKey);
    for (const caller of catalogCallers)
      expect(isTokenGood(renewed[catalogTokens[caller]], renewed.catalogTokenKey, caller), caller).toBe(true);
    expect(renewed.caCertificate).toBe(first.caCertificate);
  });
});

describe("the catalog's rules", () => {
  it("are one a right, each for one caller, with the branches that it is for", () => {
    expect(Object.keys(catalogRules())).toHaveLength(Object.values(catalogAccess).flat().length);
    expect(catalogRules()).toMatchObject({
      trino_2:
        "role == 'trino' && op in ['COMMIT_CHANGE_AGAINST_REFERENCE', 'CREATE_ENTITY', 'UPDATE_ENTITY', " +
        "'DELETE_ENTITY'] && (ref == 'main')",
      spark_2:
        "role == 'spark' && op in ['COMMIT_CHANGE_AGAINST_REFERENCE', 'CREATE_ENTITY', 'UPDATE_ENTITY'] && " +
        "(ref == 'main' || ref.startsWith('audit_'))",
      spark_3:
        "role == 'spark' && op in ['CREATE_REFERENCE', 'DELETE_REFERENCE'] && (ref.startsWith('audit_'))",
    });
  });

  it("let nobody set a branch back, nor touch the catalog's own configuration", () => {
    expect(Object.values(catalogRules()).join("\n")).not.toMatch(/ASSIGN_REFERENCE|REPOSITORY_CONFIG/);
  });
});
