import { createHmac } from "node:crypto";
import { basename } from "node:path/posix";
import * as kubernetes from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { liveFolders, type Program, type RenderedFile } from "../../workload";
import type { Labels } from "./names";

type PodSpec = kubernetes.types.input.core.v1.PodSpec;
type Volume = kubernetes.types.input.core.v1.Volume;
type VolumeMount = kubernetes.types.input.core.v1.VolumeMount;

/** A Secret that others keep in the namespace, for example a certificate of cert-manager's, as a folder of files. */
export interface MountedSecret {
  /** Absolute path of the folder inside the container. What changes in the Secret changes there, without a new pod. */
  folder: string;
  secretName: pulumi.Input<string>;
}

/** A program's files, as pods take them. */
export interface MountedFiles {
  volumes: Volume[];
  mounts: VolumeMount[];
  /** Another content is another value, and so another pod. Says nothing of the content. */
  checksum: pulumi.Output<string>;
}

export interface FilesArgs {
  labels: Labels;
  namespace: pulumi.Input<string>;
  /** Key of the checksums, so that nobody finds a short password by trying. */
  checksumKey: pulumi.Input<string>;
  mounted: MountedSecret[];
}

/** What the API server takes as one ConfigMap or Secret. */
const mostBytes = 1024 * 1024;

/**
 * Keeps a program's rendered files in a ConfigMap, those that may be secret in a Secret.
 *
 * Each file is mounted alone, at its own path: the image's files beside it stay, and no folder of links takes their
 * place, in which Airflow would see each DAG twice. Such a mount never changes under a running program: a new content
 * comes with a new pod. Live files are for a program that looks again: their folders are mounted whole, and change under
 * it, about a minute later.
 */
export function mountFiles(
  program: Pick<Program, "name" | "files">,
  args: FilesArgs,
  options: pulumi.CustomResourceOptions,
): MountedFiles {
  const files = (program.files ?? []).filter((file) => file.live !== true);
  assertDistinctKeys(program.name, files);
  const plain = files.filter((file): file is RenderedFile & { content: string } => isPlain(file));
  const secret = files.filter((file) => !isPlain(file));
  assertSize(program.name, plain);

  const result: MountedFiles = { volumes: [], mounts: [], checksum: checksum(files, args.checksumKey) };
  const metadata = { namespace: args.namespace, labels: args.labels };
  const add = (volume: Volume, of: RenderedFile[]) => {
    result.volumes.push(volume);
    for (const { path } of of)
      result.mounts.push({ name: volume.name, mountPath: path, subPath: fileKey(path), readOnly: true });
  };

  if (plain.length > 0) {
    const map = new kubernetes.core.v1.ConfigMap(
      `${program.name}-files`,
      { metadata, data: Object.fromEntries(plain.map(({ path, content }) => [fileKey(path), content])) },
      options,
    );
    add({ name: "files", configMap: { name: map.metadata.name, ...modes(plain) } }, plain);
  }
  if (secret.length > 0) {
    const kept = new kubernetes.core.v1.Secret(
      `${program.name}-secrets`,
      {
        metadata,
        stringData: Object.fromEntries(secret.map(({ path, content }) => [fileKey(path), content])),
      },
      options,
    );
    add({ name: "secrets", secret: { secretName: kept.metadata.name, ...modes(secret) } }, secret);
  }
  [...liveFolders(program.files)].forEach(([folder, inside], index) => {
    const name = index === 0 ? "live" : `live-${index + 1}`;
    const kept = new kubernetes.core.v1.Secret(
      `${program.name}-${name}`,
      {
        metadata,
        stringData: Object.fromEntries(inside.map(({ path, content }) => [basename(path), content])),
      },
      options,
    );
    result.volumes.push({ name, secret: { secretName: kept.metadata.name, ...modes(inside, basename) } });
    result.mounts.push({ name, mountPath: folder, readOnly: true });
  });
  args.mounted.forEach(({ folder, secretName }, index) => {
    const name = `mounted-${index}`;
    result.volumes.push({ name, secret: { secretName, defaultMode: readable } });
    result.mounts.push({ name, mountPath: folder, readOnly: true });
  });
  return result;
}

/** Folders that the program may write to, and that go with the pod. */
export function scratchFolders(
  folders: string[],
): Pick<MountedFiles, "mounts"> & Required<Pick<PodSpec, "volumes">> {
  const named = folders.map((path, index) => ({ name: `scratch-${index}`, path }));
  return {
    volumes: named.map(({ name }) => ({ name, emptyDir: {} })),
    mounts: named.map(({ name, path }) => ({ name, mountPath: path })),
  };
}

/** A path as a key: letters, digits and ._- are all that it may have. */
export function fileKey(path: string): string {
  return path
    .replace(/^\/+/, "")
    .replaceAll("/", ".")
    .replaceAll(/[^-._a-zA-Z0-9]/g, "-");
}

const readable = 0o444;
const executableMode = 0o555;

/** The process inside is no root, and may not change what it was given. */
function modes(files: RenderedFile[], keyOf: (path: string) => string = fileKey) {
  if (!files.some(({ executable }) => executable === true)) return { defaultMode: readable };
  const items = files.map(({ path, executable }) => ({
    key: keyOf(path),
    path: keyOf(path),
    mode: executable === true ? executableMode : readable,
  }));
  return { items };
}

const isPlain = ({ content }: RenderedFile) => typeof content === "string";

function checksum(files: RenderedFile[], key: pulumi.Input<string>): pulumi.Output<string> {
  const content = pulumi.all(files.map(({ path, content, executable }) => ({ path, content, executable })));
  const digest = pulumi
    .all([key, content])
    .apply(([secret, all]) =>
      createHmac("sha256", secret).update(JSON.stringify(all)).digest("hex").slice(0, 24),
    );
  return pulumi.unsecret(digest);
}

function assertDistinctKeys(name: string, files: RenderedFile[]): void {
  const paths = new Map<string, string>();
  for (const { path } of files) {
    const other = paths.get(fileKey(path));
    if (other !== undefined)
      throw new Error(
        `${name}: the files ${other} and ${path} would share the key ${fileKey(path)}; rename one`,
      );
    paths.set(fileKey(path), path);
  }
}

function assertSize(name: string, files: { path: string; content: string }[]): void {
  const sizes = files.map(({ path, content }) => ({ path, bytes: Buffer.byteLength(content) }));
  const all = sizes.reduce((sum, { bytes }) => sum + bytes, 0);
  if (all <= mostBytes) return;
  const largest = sizes.toSorted((a, b) => b.bytes - a.bytes)[0];
  throw new pulumi.RunError(
    `The files of ${name} have ${all} bytes together, expected at most ${mostBytes}: Kubernetes takes no more in one ` +
      `ConfigMap. The largest is ${largest?.path ?? "?"} (${largest?.bytes ?? 0} bytes): put it into the image.`,
  );
}
