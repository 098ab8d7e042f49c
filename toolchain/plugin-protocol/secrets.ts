import type { Values } from "./provider";

/** The keys and marks of the protocol that say that an object stands for a secret. */
const SIGNATURE = "4dabf18193072939515e22adb298388d";
const SECRET = "1b47061264138c4ac30d75fd1eb44270";

/** Parts of a secret text that are worth hiding on their own: long, with letters and digits, as generated passwords are. */
const LIKE_A_PASSWORD = /[A-Za-z0-9+/=_~-]{12,}/g;
const BASE64 = /^(?:[A-Za-z0-9+/]{4}){2,}(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

type Path = readonly string[];

/** The step of a path into any item of a list; no property is called so. */
const ITEM = "\0item";

/** What was secret in the values that came in, so that it stays secret on the way out. */
export class Secrets {
  private readonly paths: Path[] = [];
  private readonly texts = new SecretTexts();

  /**
   * @param known the secret texts of all requests: what one resource keeps secret, another one may have in its log
   * @param by whether a whole property is marked for a secret inside it, or as little as holds it. A list is always
   *   marked whole: its items move.
   */
  constructor(
    private readonly known: SecretTexts,
    private readonly by: "property" | "part" = "property",
  ) {}

  /** The values without their marks; what the marks said is remembered. */
  reveal(values: Values | undefined): Values {
    return this.strip(values ?? {}, []) as Values;
  }

  /** Treats properties as secret, whether they are marked or not. */
  protect(values: Values, properties: readonly string[]): void {
    for (const property of properties) {
      this.remember(values[property]);
      this.paths.push([property]);
    }
  }

  /** Marks what was secret: the engine encrypts it. */
  conceal(values: Values): Values {
    return this.paths.reduce<unknown>((marked, path) => markAt(marked, path), values) as Values;
  }

  /** A text in which no secret is left to read. */
  redact(text: string): string {
    return this.known.redact(this.texts.redact(text));
  }

  private remember(secret: unknown): void {
    this.texts.remember(secret);
    this.known.remember(secret);
  }

  private strip(value: unknown, path: Path): unknown {
    if (Array.isArray(value)) {
      // One path for the whole list, however deep inside it the secret is.
      return value.map((item) => this.strip(item, [...path, ITEM]));
    }
    if (typeof value !== "object" || value === null) return value;
    const entries = value as Values;
    if (entries[SIGNATURE] === SECRET) {
      const secret = this.strip(entries["value"], path);
      this.remember(secret);
      this.paths.push(this.markedPath(path));
      return secret;
    }
    return Object.fromEntries(
      Object.entries(entries).map(([name, item]) => [name, this.strip(item, [...path, name])]),
    );
  }

  private markedPath(path: Path): Path {
    if (this.by === "property") return path.slice(0, 1);
    const list = path.indexOf(ITEM);
    return list === -1 ? path : path.slice(0, list);
  }
}

/** Texts that must not reach a message. */
export class SecretTexts {
  private readonly texts = new Set<string>();

  /** @param isKept which of the texts are worth hiding; all that are long enough, if nothing is given */
  constructor(private readonly isKept: (text: string) => boolean = () => true) {}

  remember(secret: unknown): void {
    if (Array.isArray(secret)) for (const item of secret) this.remember(item);
    else if (typeof secret === "object" && secret !== null) this.remember(Object.values(secret));
    else if (typeof secret === "string") {
      this.rememberText(secret);
      if (BASE64.test(secret)) this.rememberText(Buffer.from(secret, "base64").toString("utf8"));
    }
  }

  redact(text: string): string {
    const longestFirst = [...this.texts].sort((a, b) => b.length - a.length);
    return longestFirst.reduce((rest, secret) => rest.replaceAll(secret, "[secret]"), text);
  }

  private rememberText(secret: string): void {
    // The value alone of an environment variable `NAME=value`, and of what else is written so.
    const value = secret.slice(secret.indexOf("=") + 1);
    for (const text of [secret, value]) if (text.length >= 6 && this.isKept(text)) this.texts.add(text);
    for (const [part] of secret.matchAll(LIKE_A_PASSWORD)) {
      for (const piece of [part, part.slice(part.indexOf("=") + 1)]) {
        if (piece.length >= 12 && /\d/.test(piece) && /[A-Za-z]/.test(piece)) this.texts.add(piece);
      }
    }
  }
}

/**
 * A user or a database has a plain word for its name, which may well be kept beside the password, and which messages about
 * everything else are full of.
 */
export function isNoPlainWord(text: string): boolean {
  return !/^[a-z]+([._-][a-z]+)*$/.test(text);
}

/** Marks the value at the path, or what stands in its way where it would be inside something that is no object. */
function markAt(value: unknown, [name, ...rest]: Path): unknown {
  if (isMarked(value) || value === undefined) return value;
  if (name === undefined) return { [SIGNATURE]: SECRET, value: withoutMarks(value) };
  if (typeof value !== "object" || value === null || Array.isArray(value)) return markAt(value, []);
  const values = value as Values;
  return name in values ? { ...values, [name]: markAt(values[name], rest) } : values;
}

/** A mark around everything makes those inside it needless. */
function withoutMarks(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (isMarked(value)) return value["value"];
  if (Array.isArray(value)) return value.map(withoutMarks);
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, withoutMarks(item)]));
}

function isMarked(value: unknown): value is Values {
  return typeof value === "object" && value !== null && (value as Values)[SIGNATURE] === SECRET;
}
