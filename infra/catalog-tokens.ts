import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify } from "node:crypto";
import type { CatalogCaller } from "./catalog-access";

/** Who has signed the tokens, and for whom they are. The key is another in each stack. */
export const tokenIssuer = "lakestack";
export const tokenAudience = "catalog";

const daySeconds = 24 * 60 * 60;
/** As Trino's certificate: whoever runs `up` once a year never sees one end. */
const validDays = 396;
const renewalDays = 30;

/** What a token says (RFC 7519). Times are in seconds since 1970. */
interface Claims {
  iss: string;
  aud: string;
  /** The caller: Nessie calls it a role. */
  sub: string;
  iat: number;
  exp: number;
}

/** A key to sign the tokens with: RSA, the one kind that Nessie's library reads from its settings. PEM (PKCS #8). */
export const generateTokenKey = (): string =>
  generateKeyPairSync("rsa", {
    modulusLength: 2048,
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  }).privateKey;

/** What tokens are checked with: the public half of the key, base64 of its DER form (SPKI). */
export const tokenPublicKey = (key: string): string =>
  createPublicKey(key).export({ type: "spki", format: "der" }).toString("base64");

/**
 * A token by which the catalog knows a caller: a JWT, signed with RS256.
 *
 * @param key of the stack, PEM.
 * @param days how long it is valid from now on.
 */
export function signToken(key: string, caller: CatalogCaller, days = validDays): string {
  const now = Math.floor(Date.now() / 1000);
  const claims: Claims = {
    iss: tokenIssuer,
    aud: tokenAudience,
    sub: caller,
    iat: now,
    exp: now + days * daySeconds,
  };
  const signed = [{ alg: "RS256", typ: "JWT" }, claims].map(encoded).join(".");
  return `${signed}.${sign("sha256", Buffer.from(signed), createPrivateKey(key)).toString("base64url")}`;
}

/** Whether a token is this key's, for this caller, and will be for some time: else it needs another. */
export function isTokenGood(token: string, key: string, caller: CatalogCaller): boolean {
  const [header = "", payload = "", signature = ""] = token.split(".");
  if (
    !verify(
      "sha256",
      Buffer.from(`${header}.${payload}`),
      createPublicKey(key),
      Buffer.from(signature, "base64url"),
    )
  )
    return false;
  const { sub, exp } = JSON.parse(Buffer.from(payload, "base64url").toString()) as Claims;
  return sub === caller && exp - Date.now() / 1000 > renewalDays * daySeconds;
}

const encoded = (part: object) => Buffer.from(JSON.stringify(part)).toString("base64url");
