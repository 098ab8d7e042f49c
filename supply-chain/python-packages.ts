import type { Component } from "./component";

/** Whether a file describes an installed Python package. */
export function describesPythonPackage(path: string): boolean {
  return /\.dist-info\/METADATA$|\.egg-info\/PKG-INFO$/.test(path);
}

/** The package that a METADATA or PKG-INFO file describes: headers as in a mail, ended by an empty line. */
export function pythonPackage(metadata: string, foundIn: string): Component | undefined {
  const [headers = ""] = metadata.split(/\r?\n\r?\n/, 1);
  const header = (name: string) => new RegExp(`^${name}: *(.+?)\r?$`, "mi").exec(headers)?.[1];
  const [name, version] = [header("Name"), header("Version")];
  if (name === undefined || version === undefined) return undefined;
  return { ecosystem: "pypi", name, version, licence: header("License-Expression"), foundIn };
}
