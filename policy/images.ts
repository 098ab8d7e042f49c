/** References that mean one image for ever: an image's ID, a digest, or a tag that this project makes of the content. */
const pinned = [/^sha256:[0-9a-f]{64}$/, /@sha256:[0-9a-f]{64}$/, /^lakestack-[\w.-]+:[0-9a-f]{12}$/];

/** Faults of a reference to an image. What is not known yet has none. */
export function unpinned(path: string, reference: unknown): string[] {
  if (typeof reference === "string" && pinned.some((form) => form.test(reference))) return [];
  if (typeof reference === "symbol") return [];
  const found = typeof reference === "string" ? reference : "not set";
  return [
    `${path} is ${found}, expected a digest (NAME@sha256:…), an image's ID, or a tag of the content (lakestack-…:12 hex digits)`,
  ];
}
