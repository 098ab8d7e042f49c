import { createHash } from "node:crypto";
import { basename } from "node:path";
import { unzipSync } from "fflate";
import type { Component } from "./component";

const properties = /(^|\/)META-INF\/maven\/[^/]+\/[^/]+\/pom\.properties$/;
const manifest = "META-INF/MANIFEST.MF";

/**
 * What a jar is, and what is inside it: what each pom.properties says (a jar that swallowed others has several), and jars in
 * the jar.
 *
 * @param known components by the SHA-256 of their file, which win: many jars do not say their group.
 */
export function jarComponents(
  content: Buffer | Uint8Array,
  foundIn: string,
  known: ReadonlyMap<string, Component> = new Map(),
): Component[] {
  let files: Record<string, Uint8Array>;
  try {
    files = unzipSync(content, {
      filter: ({ name }) => properties.test(name) || name === manifest || name.endsWith(".jar"),
    });
  } catch {
    // No zip, whatever its name says.
    return [];
  }
  const sha256 = createHash("sha256").update(content).digest("hex");
  const inside = Object.entries(files).flatMap(([name, file]) => {
    if (name.endsWith(".jar")) return jarComponents(file, `${foundIn}!/${name}`, known);
    return properties.test(name) ? fromProperties(Buffer.from(file).toString(), foundIn) : [];
  });
  const pinned = known.get(sha256);
  const file = basename(foundIn, ".jar");
  // The jar's own description among those of what it swallowed is the one that its file is named after.
  const own = pinned ?? inside.find(({ name, version }) => file.endsWith(`${name}-${version}`));
  const hash = { algorithm: "SHA-256" as const, content: sha256 };
  const whole = own ?? (inside.length > 0 ? [] : fromName(file, files[manifest]));
  return [
    ...(Array.isArray(whole) ? whole : [whole]).map((component) => ({ ...component, hash, foundIn })),
    ...inside.filter((component) => component !== own),
  ];
}

function fromProperties(text: string, foundIn: string): Component[] {
  const value = (key: string) => new RegExp(`^${key}\\s*=\\s*(\\S+)\\s*$`, "m").exec(text)?.[1];
  const [namespace, name, version] = [value("groupId"), value("artifactId"), value("version")];
  if (namespace === undefined || name === undefined || version === undefined) return [];
  return [{ ecosystem: "maven", namespace, name, version, foundIn }];
}

/** `group_artifact-version.jar` is how Trino names its jars. Others have no group, and then no package of Maven is claimed. */
function fromName(file: string, manifestFile: Uint8Array | undefined): Component[] {
  const text = manifestFile === undefined ? "" : Buffer.from(manifestFile).toString();
  const declared = /^Implementation-Version: *(\S+)\s*$/m.exec(text)?.[1];
  const [, stem = file, version = declared ?? "unknown"] = /^(.+?)-(\d[^/]*)$/.exec(file) ?? [];
  const [, namespace, name] = /^([a-z][\w-]*(?:\.[\w-]+)+)_([^_].*)$/.exec(stem) ?? [];
  return namespace !== undefined && name !== undefined
    ? [{ ecosystem: "maven", namespace, name, version, foundIn: file }]
    : [{ ecosystem: "generic", name: stem, version, foundIn: file }];
}
