import type { Values } from "./property-table";

/** The keys and marks of the protocol that say that an object stands for a secret. */
const SIGNATURE = "4dabf18193072939515e22adb298388d";
const SECRET = "1b47061264138c4ac30d75fd1eb44270";

/** Parts of a secret text that are worth hiding on their own: long, with letters and digits, as generated passwords are. */
const LIKE_A_PASSWORD = /[A-Za-z0-9+/=_~-]{12,}/g;

/** What was secret in the values that came in, so that it stays secret on the way out. */
export class Secrets {
  private readonly properties = new Set<string>();
  private readonly texts = new Set<string>();

  /** The values without their marks; what the marks said is remembered. */
  reveal(values: Values | undefined): Values {
    const plain = Object.entries(values ?? {}).map(([name, value]) => {
      const onSecret = (secret: unknown) => {
        this.properties.add(name);
        this.remember(secret);
      };
      return [name, strip(value, onSecret)] as const;
    });
    return Object.fromEntries(plain);
  }

  /** Marks each property that held a secret: the engine encrypts it. */
  conceal(values: Values): Values {
    const marked = Object.entries(values).map(([name, value]) =>
      this.properties.has(name) ? [name, { [SIGNATURE]: SECRET, value }] : [name, value],
    );
    return Object.fromEntries(marked) as Values;
  }

  /** A text in which no secret is left to read. */
  redact(text: string): string {
    const longestFirst = [...this.texts].sort((a, b) => b.length - a.length);
    return longestFirst.reduce((rest, secret) => rest.replaceAll(secret, "[secret]"), text);
  }

  private remember(secret: unknown): void {
    if (Array.isArray(secret)) for (const item of secret) this.remember(item);
    else if (typeof secret === "object" && secret !== null) this.remember(Object.values(secret));
    else if (typeof secret === "string") this.rememberText(secret);
  }

  private rememberText(secret: string): void {
    // The value alone of an environment variable `NAME=value`, and of what else is written so.
    const value = secret.slice(secret.indexOf("=") + 1);
    for (const text of [secret, value]) if (text.length >= 6) this.texts.add(text);
    for (const [part] of secret.matchAll(LIKE_A_PASSWORD)) {
      for (const piece of [part, part.slice(part.indexOf("=") + 1)]) {
        if (piece.length >= 12 && /\d/.test(piece) && /[A-Za-z]/.test(piece)) this.texts.add(piece);
      }
    }
  }
}

function strip(value: unknown, onSecret: (secret: unknown) => void): unknown {
  if (Array.isArray(value)) return value.map((item) => strip(item, onSecret));
  if (typeof value !== "object" || value === null) return value;
  const entries = value as Values;
  if (entries[SIGNATURE] === SECRET) {
    const secret = strip(entries["value"], onSecret);
    onSecret(secret);
    return secret;
  }
  return Object.fromEntries(Object.entries(entries).map(([name, item]) => [name, strip(item, onSecret)]));
}
