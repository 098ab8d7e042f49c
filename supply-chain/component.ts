import { PackageURL } from "packageurl-js";

/** Where a package comes from, in the words of package URLs. `generic` is a file that does not say it. */
export type Ecosystem = "npm" | "pypi" | "maven" | "golang" | "deb" | "generic";

/** One package in one version, as a lock file pins it or as an image holds it. */
export interface Component {
  ecosystem: Ecosystem;
  /** npm's scope with its @, Maven's group. Go modules and Debian packages have their whole name in `name`. */
  namespace?: string;
  name: string;
  /** As the ecosystem writes it: Go's with a v, Debian's with epoch and revision. */
  version: string;
  /** What a package URL adds: Maven's `type` and `classifier`, Debian's `arch` and `distro`. */
  qualifiers?: Record<string, string>;
  /** The file's hash in hexadecimal digits, where exactly one file is meant. */
  hash?: { algorithm: "SHA-256" | "SHA-512"; content: string };
  /** As the package declares it. */
  licence?: string;
  /** Debian's source package and its version, where the binary's name or version differs: advisories are about sources. */
  source?: { name: string; version: string };
  /** Where it was read: a file of the project, or a path inside an image. */
  foundIn: string;
}

/** The name that a person would search for: `@aws-sdk/client-s3`, `io.trino:trino-server`. */
export function packageName({ ecosystem, namespace, name }: Component): string {
  if (namespace === undefined) return name;
  return `${namespace}${ecosystem === "maven" ? ":" : "/"}${name}`;
}

/** The package URL, encoded and normalised as the specification asks for each type. */
export function purl(component: Component): string {
  const { ecosystem, version, qualifiers } = component;
  const [namespace, name] = purlName(component);
  // The library leaves a + in versions as it is, which readers of forms take for a space.
  return new PackageURL(ecosystem, namespace, name, version, qualifiers).toString().replaceAll("+", "%2B");
}

function purlName({ ecosystem, namespace, name }: Component): [string | undefined, string] {
  if (ecosystem === "deb") return ["debian", name];
  if (ecosystem !== "golang") return [namespace, name];
  // The specification has Go's paths in small letters; the component keeps them as Go writes them.
  const path = name.toLowerCase();
  const slash = path.lastIndexOf("/");
  return slash < 0 ? [undefined, path] : [path.slice(0, slash), path.slice(slash + 1)];
}

/** Each package once, by its package URL, in order. The first of several stays. */
export function withoutRepeats(components: readonly Component[]): Component[] {
  const byUrl = new Map<string, Component>();
  for (const component of components) {
    const url = purl(component);
    if (!byUrl.has(url)) byUrl.set(url, component);
  }
  return [...byUrl].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, component]) => component);
}
