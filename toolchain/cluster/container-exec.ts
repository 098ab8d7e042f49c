import { PassThrough, type Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type Docker from "dockerode";

/** What a program in a container wrote, and how it ended. */
export interface ExecResult {
  code: number;
  stdout: string;
  stderr: string;
}

export interface ExecOptions {
  /** Given to the program as its input. */
  input?: Readable;
  signal?: AbortSignal;
}

/** Runs a program in a running container, to its end. */
export async function execIn(
  container: Docker.Container,
  command: readonly string[],
  { input, signal }: ExecOptions = {},
): Promise<ExecResult> {
  signal?.throwIfAborted();
  const exec = await container.exec({
    Cmd: [...command],
    AttachStdin: input !== undefined,
    AttachStdout: true,
    AttachStderr: true,
    abortSignal: signal,
  });
  const stream = await exec.start({
    hijack: true,
    stdin: input !== undefined,
    abortSignal: signal,
  });
  const output = [new PassThrough({ encoding: "utf8" }), new PassThrough({ encoding: "utf8" })] as const;
  const texts = output.map(collect);
  (container.modem as Demultiplexer).demuxStream(stream, ...output);

  const ended = new Promise<void>((resolve, reject) => {
    stream.on("end", resolve).on("close", resolve).on("error", reject);
  });
  const stop = () => stream.destroy(signal?.reason as Error);
  signal?.addEventListener("abort", stop);
  try {
    // A program that ends before it has read all says why in its output: that counts, not the broken pipe.
    if (input !== undefined)
      await Promise.race([pipeline(input, stream, { end: true }), ended]).catch(() => ended);
    await ended;
  } finally {
    signal?.removeEventListener("abort", stop);
    for (const part of output) part.end();
  }
  signal?.throwIfAborted();
  const [stdout = "", stderr = ""] = await Promise.all(texts);
  const { ExitCode } = await exec.inspect();
  return { code: ExitCode ?? -1, stdout, stderr };
}

interface Demultiplexer {
  demuxStream(from: NodeJS.ReadableStream, out: PassThrough, err: PassThrough): void;
}

async function collect(stream: PassThrough): Promise<string> {
  let text = "";
  for await (const piece of stream) text += String(piece);
  return text;
}
