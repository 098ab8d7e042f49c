/** Why something looks like a secret: said in place of the thing itself, which no message may show. */
export type Look = string;

/** Names of what nobody else may know, written as `words_with_underscores`. */
const secretName =
  /(password|passwd|passphrase|secret|credentials?|token|apikey|(^|_)(pass|pwd|jwt|(private|secret|access|api|fernet|encryption|signing|session|master|shared|auth)_key))s?$/;

/** In `PASSWORD_FILE` and `PASSWORD_CMD` the value says where the secret is. */
const whereabouts = /_?(file|cmd|command)$/;

/** Values that are not the secret but say where it is: a path, `cat` of a path, a variable. */
const references = [
  /^(file:(\/\/)?)?(\/[\w.-]+){2,}$/,
  /^(\$\()?cat (\/[\w.-]+){2,}\)?$/,
  /^\$\{?[\w:.@-]+\}?$/,
];

/** Settings that go by the name of a secret and are none. */
const noValue = /^(true|false|yes|no|null|none)?$/i;

const shapes: [look: Look, form: RegExp][] = [
  ["a private key", /-----BEGIN [A-Z ]*PRIVATE KEY-----/],
  ["a URL with a password in it", /\b[a-z][\w+.-]*:\/\/[^\s/:@"']*:[^\s/@"'${}]+@/i],
  ["an AWS access key", /\b(AKIA|ASIA)[0-9A-Z]{16}\b/],
  ["a token (JWT)", /\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]+/],
  ["a password's hash", /\$2[aby]\$\d\d\$[./\w]{53}|\b\d{4,7}:[0-9a-f]{16,}:[0-9a-f]{40,}\b/],
];

/** Everybody may see these, and their lines look like keys. */
const certificates = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/** How a value looks that somebody has given a name to; undefined if like no secret. */
export function lookOfSetting(name: string, value: string): Look | undefined {
  const words = name
    .replaceAll(/([a-z\d])([A-Z])/g, "$1_$2")
    .replaceAll(/\W+/g, "_")
    .toLowerCase();
  const bare = unquoted(value);
  const counts = words.endsWith("tokens") && /^\d+$/.test(bare);
  const named = secretName.test(words) || secretName.test(words.replace(whereabouts, ""));
  if (named && !counts && !noValue.test(bare) && !references.some((form) => form.test(bare)))
    return "a secret, by its name";
  return lookOfText(value);
}

/** How a text looks by its shape alone. */
export function lookOfText(text: string): Look | undefined {
  const read = text.replaceAll(certificates, "");
  const known = shapes.find(([, form]) => form.test(read));
  if (known !== undefined) return known[0];
  return (read.match(/[A-Za-z0-9_+-]{20,}/g) ?? []).some(isRandom) ? "a generated secret" : undefined;
}

/**
 * Whether capital and small letters and digits follow each other as in what a machine has drawn. In names that people
 * make, those of one kind stand together. Numbers in hex are not told from digests, which are everywhere.
 */
function isRandom(word: string): boolean {
  const letters = word.match(/[A-Za-z\d]/g) ?? [];
  const kinds = letters.map((letter) => [/[a-z]/, /[A-Z]/, /\d/].findIndex((kind) => kind.test(letter)));
  const changes = kinds.filter((kind, index) => index > 0 && kind !== kinds[index - 1]).length;
  return (
    kinds.length >= 20 && [0, 1, 2].every((kind) => kinds.includes(kind)) && changes / kinds.length >= 0.36
  );
}

/** The arguments of a command: flags with their values, and what a shell would be told to set. */
export function lookOfArguments(words: string[]): { place: string; look: Look }[] {
  return words.flatMap((word, index) => {
    const next = words[index + 1];
    const flag = /^--?([A-Za-z][\w.-]+)$/.exec(word)?.[1];
    const given =
      flag === undefined || next === undefined || next.startsWith("-") ? [] : [[flag, next] as const];
    const set = [
      ...word.matchAll(/(?:^|[\s"';&(])(?:--?D?)?([A-Za-z_][\w.-]*)=("[^"]*"|'[^']*'|\$\([^)]*\)|[^\s;&]*)/g),
    ];
    const pairs = [...given, ...set.map(([, name = "", value = ""]) => [name, value] as const)];
    const named = pairs.flatMap(([name, value]) => {
      const look = lookOfSetting(name, value);
      return look === undefined ? [] : [{ place: `${index} (${name})`, look }];
    });
    const look = lookOfText(word);
    return named.length > 0 || look === undefined ? named : [{ place: String(index), look }];
  });
}

/** A file of settings or of Python, by its name. In a program only what is written out counts, not what is computed. */
export function lookOfFile(file: string, content: string): { place: string; look: Look }[] {
  const isProgram = file.endsWith(".py");
  const found = content.split("\n").flatMap((line, index) => {
    const pairs = [
      ...line.matchAll(/"([\w.-]+)"\s*:\s*("[^"]*")/g),
      ...line.matchAll(/^\s*["']?([A-Za-z_][\w.-]*)["']?\s*[:=]\s*(.*?)[,;]?\s*$/g),
    ].map(([, name = "", value = ""]) => ({ name, value }));
    const written = isProgram ? pairs.filter(({ value }) => /^(["'])[^"']*\1$/.test(value)) : pairs;
    return written.flatMap(({ name, value }) => {
      const look = lookOfSetting(name, value);
      return look === undefined ? [] : [{ place: `${file}, line ${index + 1} (${name})`, look }];
    });
  });
  const look = lookOfText(content);
  return found.length > 0 || look === undefined ? found : [{ place: file, look }];
}

const unquoted = (value: string) => /^(["'])(.*)\1$/s.exec(value.trim())?.[2] ?? value.trim();
