import { createDecipheriv, pbkdf2 } from "node:crypto";
import { readFile } from "node:fs/promises";
import * as path from "node:path";
import { promisify } from "node:util";
import { parseDocument } from "yaml";
import { toolFolder } from "../toolchain/index";

/**
 * - `unused`: the stack has no secrets yet, any passphrase will do.
 * - `fits`: the stack's secrets can be read with it.
 * - `missing`, `wrong`: they can't.
 */
export type PassphraseState = "unused" | "fits" | "missing" | "wrong";

/** The passphrase that pulumi would use. */
export async function currentPassphrase(): Promise<string | undefined> {
  const { PULUMI_CONFIG_PASSPHRASE, PULUMI_CONFIG_PASSPHRASE_FILE } = process.env;
  if (PULUMI_CONFIG_PASSPHRASE !== undefined) return PULUMI_CONFIG_PASSPHRASE;
  const file = PULUMI_CONFIG_PASSPHRASE_FILE ?? path.join(toolFolder, "passphrase");
  return (await readFile(file, "utf8").catch(() => undefined))?.trim();
}

/** Tries the passphrase on the salt that pulumi keeps in the configuration file. */
export async function passphraseState(
  configuration: string,
  passphrase: string | undefined,
): Promise<PassphraseState> {
  const salt = parseDocument(configuration).get("encryptionsalt");
  if (typeof salt !== "string") return "unused";
  if (passphrase === undefined) return "missing";
  return (await opens(salt, passphrase)) ? "fits" : "wrong";
}

/** Pulumi encrypts the word "pulumi" with the key derived from passphrase and salt: `v1:SALT:v1:NONCE:TEXT`. */
async function opens(state: string, passphrase: string): Promise<boolean> {
  const [, salt = "", , nonce = "", text = ""] = state.split(":");
  const key = await promisify(pbkdf2)(passphrase, Buffer.from(salt, "base64"), 1_000_000, 32, "sha256");
  const sealed = Buffer.from(text, "base64");
  const tagBytes = 16;
  try {
    const decipher = createDecipheriv("aes-256-gcm", key, Buffer.from(nonce, "base64"));
    decipher.setAuthTag(sealed.subarray(-tagBytes));
    return Buffer.concat([decipher.update(sealed.subarray(0, -tagBytes)), decipher.final()]).length > 0;
  } catch {
    return false;
  }
}

/**
 * The configuration without what only the passphrase opens. Everything else, comments too, stays.
 *
 * @param keep secret values that stay, by key; the salt stays with them.
 */
export function withoutSecrets(
  configuration: string,
  keep: (key: string) => boolean = () => false,
): { text: string; removed: string[] } {
  const document = parseDocument(configuration);
  const { config = {} } = (document.toJS() ?? {}) as { config?: Record<string, unknown> };
  const secrets = Object.keys(config).filter((key) => holdsSecret(config[key]));
  const removed = secrets.filter((key) => !keep(key));
  for (const key of removed) document.deleteIn(["config", key]);
  if (removed.length === secrets.length) document.delete("encryptionsalt");
  return { text: document.toString({ lineWidth: 0 }), removed };
}

/** Pulumi writes an encrypted value as `secure: …`, at any depth. */
function holdsSecret(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  return Object.entries(value).some(([key, inner]) => key === "secure" || holdsSecret(inner));
}
