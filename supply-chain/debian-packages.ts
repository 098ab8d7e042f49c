import type { Component } from "./component";

/** The installed packages of a dpkg status file. */
export function debianPackages(status: string, distro: string): Component[] {
  return status.split(/\n\s*\n/).flatMap((paragraph) => {
    const field = (name: string) => new RegExp(`^${name}: *(.+)$`, "m").exec(paragraph)?.[1]?.trim();
    const [name, version, arch] = [field("Package"), field("Version"), field("Architecture")];
    if (name === undefined || version === undefined || field("Status") !== "install ok installed") return [];
    // `Source: gcc-14 (14.2.0-19)`: the version only where it is another.
    const [, source = name, sourceVersion = version] =
      /^(\S+)(?: \((\S+)\))?$/.exec(field("Source") ?? "") ?? [];
    return {
      ecosystem: "deb" as const,
      name,
      version,
      qualifiers: { ...(arch === undefined ? {} : { arch }), distro },
      source: { name: source, version: sourceVersion },
      foundIn: "/var/lib/dpkg/status",
    };
  });
}

/** `debian-13` from an os-release file, as package URLs name a distribution. */
export function distribution(osRelease: string): string {
  const field = (name: string) => new RegExp(`^${name}="?([^"\n]+)"?$`, "m").exec(osRelease)?.[1];
  const version = field("VERSION_ID");
  return `${field("ID") ?? "debian"}${version === undefined ? "" : `-${version}`}`;
}
