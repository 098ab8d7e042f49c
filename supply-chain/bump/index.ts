import { writeFileSync } from "node:fs";
import * as path from "node:path";
import type { Task } from "../../toolchain/progress";
import { UserError } from "../../toolchain/user-error";
import { mavenPins } from "../maven-pins";
import { bumpArtifacts, bumpSparkJars, sparkProperties } from "./maven";
import { bumpPython } from "./python";
import { type Changes, readVersions, versionsFile, withValues } from "./versions-file";

/** What is pinned elsewhere, too, and changed by hand: how. */
const byHand: Readonly<Record<string, string>> = {
  baseImage:
    "Ask a registry for the tag's digest (docker buildx imagetools inspect debian:TAG) and put both in versions.json.",
  pulumi:
    "Change versions.json, npm install --save-exact @pulumi/pulumi@VERSION, and in toolchain/engine: go get github.com/pulumi/pulumi/pkg/v3@vVERSION && go mod tidy.",
  "github.com/minio/minio":
    'In images/minio: go get -tool github.com/minio/minio@VERSION && go mod tidy; then "locked", MINIO_RELEASE_TIME and MINIO_RELEASE_TAG in versions.json.',
  "k8s.io/kubernetes":
    "In toolchain/cluster/programs/kubernetes and toolchain/cluster/node/agent: go get, for all of Kubernetes' modules, && go mod tidy; then versions.json.",
  "github.com/coredns/coredns":
    "In toolchain/cluster/programs/coredns: go get github.com/coredns/coredns@VERSION && go mod tidy; then versions.json.",
  "github.com/rancher/local-path-provisioner":
    "In toolchain/cluster: follow what the provisioner's release notes change, then versions.json.",
};

/** Names that can be given, and the key of versions.json that each stands for. */
export function names(folder: string): Map<string, { section: "locked" | "buildArgs"; key: string }> {
  const { locked, buildArgs } = readVersions(folder);
  const known = new Map<string, { section: "locked" | "buildArgs"; key: string }>();
  for (const key of Object.keys(buildArgs)) {
    const name = /^([A-Z_]+)_(?:VERSION|LINE)$/.exec(key)?.[1]?.toLowerCase().replaceAll("_", "-");
    if (name !== undefined) known.set(name, { section: "buildArgs", key });
  }
  for (const key of Object.keys(locked)) if (!(key in byHand)) known.set(key, { section: "locked", key });
  return known;
}

/**
 * Finds the hashes that belong to another version, and what changes with it. Writes nothing.
 *
 * @throws UserError if there is no such name, or the version can't be had.
 */
export async function planBump(folder: string, name: string, version: string, task: Task): Promise<Changes> {
  const manual = byHand[name];
  if (manual !== undefined)
    throw new UserError(`${name} has more to it than one version and its hash.`, manual);
  const known = names(folder);
  const entry = known.get(name);
  if (entry === undefined)
    throw new UserError(
      `There is no ${name} in versions.json.`,
      `Expected one of ${[...known.keys()].join(", ")}; by hand: ${Object.keys(byHand).join(", ")}.`,
    );
  // It becomes part of a command and of a URL.
  if (!/^[0-9A-Za-z][\w.+-]*$/.test(version))
    throw new UserError(
      `"${version}" is no version, expected one like 1.2.3.`,
      "npm run bump -- NAME VERSION",
    );
  const { section, key } = entry;
  if (section === "locked") return bumpPython(folder, key, version, task);
  if (key in sparkProperties) return bumpSparkJars(folder, key, version, task);
  if (mavenPins.some((pin) => pin.version === key)) return bumpArtifacts(folder, key, version, task);
  // Debian's packages have their hashes from Debian.
  return new Map([[versionsFile, withValues(folder, "buildArgs", { [key]: version })]]);
}

/** Writes what was planned. */
export function apply(folder: string, changes: Changes): void {
  for (const [file, text] of changes) writeFileSync(path.join(folder, file), text);
}
