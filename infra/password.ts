import { pbkdf2Sync, randomBytes } from "node:crypto";

/** Rounds of PBKDF2: what a guess costs. */
const iterations = 120_000;

/** Characters that a password must have at least, where a person chooses it. */
export const leastPasswordLength = 8;

/** Letters and digits only: safe in URLs, property files and shells. 24 of them hold 142 bits. */
export function generatePassword(length = 24): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  let result = "";
  while (result.length < length) {
    // Bytes from 248 on would make the first letters likelier than the rest.
    for (const byte of randomBytes(length)) if (byte < 248) result += alphabet.charAt(byte % 62);
  }
  return result.slice(0, length);
}

/** A salt for `hashPassword`, 16 bytes in hex. */
export const generateSalt = () => randomBytes(16).toString("hex");

/** What Trino's password file keeps of a password: PBKDF2 with HMAC-SHA1, the only form of it that Trino matches. */
export function hashPassword(password: string, saltHex: string): string {
  const hash = pbkdf2Sync(password, Buffer.from(saltHex, "hex"), iterations, 32, "sha1").toString("hex");
  return `${iterations}:${saltHex}:${hash}`;
}

/** Whether this is what `hashPassword` makes. Anything else in Trino's file would shut everybody out. */
export const isPasswordHash = (text: unknown): text is string =>
  typeof text === "string" && /^[1-9]\d{3,6}:([0-9a-f]{2}){8,64}:[0-9a-f]{64}$/.test(text);
