import { PassThrough } from "node:stream";
import type Docker from "dockerode";
import { ifExists } from "../docker-plugin/engine-messages";
import type { Reporter } from "../progress";
import { UserError } from "../user-error";
import { execIn } from "./container-exec";

const ctr = ["ctr", "--namespace", "k8s.io", "images"];

/** What loading did. */
export interface LoadedImages {
  /** References that were brought in. */
  loaded: string[];
  /** References that were there already, with the same content. */
  present: string[];
}

/**
 * Brings images of the Docker engine into the node's containerd, under the same names. Those that are there already, by
 * their IDs, cost nothing; layers that several share are sent once.
 */
export async function loadIntoNode(
  docker: Docker,
  container: Docker.Container,
  references: readonly string[],
  { reporter, signal }: { reporter: Reporter; signal?: AbortSignal },
): Promise<LoadedImages> {
  const images = await Promise.all(references.map((reference) => localImage(docker, reference)));
  const inNode = await imagesInNode(container, signal);
  const isPresent = ({ reference, id }: LocalImage) => {
    const target = inNode.get(nodeName(reference));
    return target !== undefined && target === inNode.get(id);
  };
  const wanted = images.filter((image) => !isPresent(image));
  const present = images.filter(isPresent).map(({ reference }) => reference);
  if (wanted.length === 0) return { loaded: [], present };

  const names = wanted.map(({ reference }) => reference);
  const task = reporter.task("Images into the cluster");
  try {
    const total = wanted.reduce((sum, { size }) => sum + size, 0);
    let sent = 0;
    const counted = new PassThrough();
    counted.on("data", (piece: Buffer) => {
      sent += piece.length;
      task.update(`${mebibytes(sent)} of at most ${mebibytes(total)} MiB`);
    });
    const archive = await docker.getImages({ names });
    archive.on("error", (error) => counted.destroy(error));
    archive.pipe(counted);
    const { code, stdout, stderr } = await execIn(container, [...ctr, "import", "-"], { input: counted, signal });
    if (code !== 0) throw importFailure(names, `${stdout}${stderr}`.trim());
    task.done(names.length === 1 ? names[0] : `${names.length} images`);
    return { loaded: names, present };
  } catch (error) {
    task.fail(signal?.aborted ? "stopped" : "failed");
    throw error;
  }
}

interface LocalImage {
  reference: string;
  id: string;
  size: number;
}

async function localImage(docker: Docker, reference: string): Promise<LocalImage> {
  const found = await ifExists(docker.getImage(reference).inspect());
  if (found !== undefined) return { reference, id: found.Id, size: found.Size };
  throw new UserError(
    `The image ${reference} is to be brought into the cluster, but the Docker engine does not have it.`,
    "Build or pull it first: npm run up builds the stack's images.",
  );
}

/**
 * Digests by name. The kubelet's side of containerd adds a name `sha256:ID` for each image, where ID is Docker's: an
 * image is there if both names are and mean the same.
 */
async function imagesInNode(container: Docker.Container, signal?: AbortSignal): Promise<Map<string, string>> {
  const { code, stdout, stderr } = await execIn(container, [...ctr, "list"], { signal });
  if (code !== 0) throw new Error(`the node's containerd does not list its images: ${stderr.trim()}`);
  const lines = stdout.trim().split("\n").slice(1);
  return new Map(
    lines.map((line) => {
      const [name = "", , digest = ""] = line.split(/\s+/);
      return [name, digest];
    }),
  );
}

/** A reference in full, as containerd writes it: `trino:1` becomes `docker.io/library/trino:1`. */
export function nodeName(reference: string): string {
  const [first = "", ...rest] = reference.split("/");
  const named = /:[^/]+$/.test(reference) ? reference : `${reference}:latest`;
  if (rest.length === 0) return `docker.io/library/${named}`;
  return /[.:]/.test(first) || first === "localhost" ? named : `docker.io/${named}`;
}

function importFailure(names: readonly string[], output: string): UserError {
  const full = /no space left on device/i.test(output);
  return new UserError(
    `${names.join(", ")} could not be brought into the cluster: ${output || "containerd gave no reason"}`,
    full
      ? "The disk of the Docker engine is full: see docker system df, free some space and run the same command again."
      : "Run the same command again; see also npm run cluster:status.",
  );
}

const mebibytes = (bytes: number) => Math.round(bytes / 1024 ** 2);
