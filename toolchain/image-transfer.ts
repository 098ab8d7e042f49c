import { createReadStream, createWriteStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import type Docker from "dockerode";
import { engineMessages, reason } from "./docker-plugin/engine-messages";
import type { Task } from "./progress";

/** How long a registry may take to begin a download, in milliseconds. */
const answerLimit = 15_000;

/**
 * Tries to pull. Gives up if no download has begun in time, but waits for one that has.
 *
 * @returns why it could not be pulled, or undefined if it was.
 */
export async function pullImage(
  docker: Docker,
  image: string,
  task: Task,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  const silence = new AbortController();
  const limit = setTimeout(() => {
    silence.abort();
  }, answerLimit);
  const abortSignal = AbortSignal.any([silence.signal, ...(signal ? [signal] : [])]);
  try {
    for await (const message of engineMessages(await docker.pull(image, { abortSignal }))) {
      clearTimeout(limit);
      if (message.error !== undefined) return message.error;
      task.update(`pulling: ${message.status ?? ""}`);
    }
    return undefined;
  } catch (error) {
    return silence.signal.aborted ? `no answer within ${answerLimit / 1000} seconds` : reason(error);
  } finally {
    clearTimeout(limit);
  }
}

/** In the form of `docker save`, so that the image keeps its ID wherever it is loaded. */
export async function saveImage(docker: Docker, tag: string, file: string): Promise<void> {
  await pipeline(await docker.getImage(tag).get(), createWriteStream(file));
}

export async function loadImage(docker: Docker, file: string): Promise<void> {
  await untilFinished(await docker.loadImage(createReadStream(file)));
}

/** Reads what the engine says about a transfer to its end. */
export async function untilFinished(stream: NodeJS.ReadableStream): Promise<void> {
  for await (const message of engineMessages(stream)) {
    if (message.error !== undefined) throw new Error(message.error);
  }
}
