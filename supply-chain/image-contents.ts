import { buffer } from "node:stream/consumers";
import * as tar from "tar-stream";
import type { Component } from "./component";
import { withoutRepeats } from "./component";
import { debianPackages, distribution } from "./debian-packages";
import { goBinaryModules } from "./go-binaries";
import { jarComponents } from "./jars";
import { describesPythonPackage, pythonPackage } from "./python-packages";

/** No program is larger; what is, is data. Bytes. */
const largestProgram = 512 * 1024 * 1024;

/**
 * What is really in an image: its Debian packages, Python packages, jars and Go programs.
 *
 * @param archive the root file system as a tar, as Docker exports a container's.
 * @param pinned what its lock files pin: names jars by their hash.
 */
export async function imageContents(
  archive: NodeJS.ReadableStream,
  pinned: readonly Component[],
): Promise<Component[]> {
  const known = new Map(
    pinned.flatMap((component) => (component.hash ? [[component.hash.content, component]] : [])),
  );
  const found: Component[] = [];
  let status = "";
  let osRelease = "";
  const entries = archive.pipe(tar.extract());
  archive.on("error", (error: Error) => {
    entries.destroy(error);
  });
  for await (const entry of entries) {
    const path = `/${entry.header.name.replace(/^\.?\//, "")}`;
    const { type, size, mode } = entry.header;
    if (type !== "file") entry.resume();
    else if (path === "/var/lib/dpkg/status") status = (await buffer(entry)).toString();
    else if (path === "/usr/lib/os-release") osRelease = (await buffer(entry)).toString();
    else if (describesPythonPackage(path))
      found.push(...one(pythonPackage((await buffer(entry)).toString(), path)));
    else if (path.endsWith(".jar")) found.push(...jarComponents(await buffer(entry), path, known));
    else if ((mode & 0o111) !== 0 && size > 0 && size <= largestProgram)
      found.push(...goBinaryModules(await buffer(entry), path));
    else entry.resume();
  }
  return withoutRepeats([...debianPackages(status, distribution(osRelease)), ...found]);
}

/**
 * What an image holds, and what is pinned for it and does not describe itself there: PySpark's folder, say. Of Go's modules only
 * those count that were found in a program: a go.mod lists more than gets linked.
 */
export function withPinned(contents: readonly Component[], pinned: readonly Component[]): Component[] {
  const hasPrograms = contents.some(({ ecosystem }) => ecosystem === "golang");
  return withoutRepeats([
    ...contents,
    ...pinned.filter(({ ecosystem }) => ecosystem !== "golang" || !hasPrograms),
  ]);
}

function one(component: Component | undefined): Component[] {
  return component === undefined ? [] : [component];
}
