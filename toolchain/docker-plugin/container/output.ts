import type Docker from "dockerode";
import type { Found } from "./engine-types";

/** Lines of output shown with a failure. */
const SHOWN_LINES = 20;

/** What the container has printed, both streams in order. Empty if its log driver keeps nothing. */
export async function containerLogs(container: Docker.Container, tail?: number): Promise<string> {
  const request = { stdout: true, stderr: true, follow: false as const, ...(tail ? { tail } : {}) };
  const { Config } = await container.inspect();
  const raw = await container.logs(request).catch(() => Buffer.alloc(0));
  return Config.Tty ? raw.toString() : withoutHeaders(raw);
}

/** The last of what the container printed and of what its health check said, for an error message. */
export async function lastWords(container: Docker.Container, found: Found): Promise<string> {
  const parts: string[] = [];
  const check = found.State.Health?.Log.at(-1);
  if (check) parts.push(block(`Last health check, exit code ${check.ExitCode}:`, check.Output));
  const logs = await containerLogs(container, SHOWN_LINES).catch(() => "");
  parts.push(block("Last lines of its output:", logs));
  return parts.join("\n");
}

function block(title: string, text: string): string {
  const lines = text.trimEnd() === "" ? ["(nothing)"] : text.trimEnd().split(/\r?\n/).slice(-SHOWN_LINES);
  return [`  ${title}`, ...lines.map((line) => `    ${line}`)].join("\n");
}

/** Without a terminal, each piece of output comes with 8 bytes before it: the stream, three zeros, the length. */
function withoutHeaders(raw: Buffer): string {
  const pieces: Buffer[] = [];
  for (let at = 0; at + 8 <= raw.length;) {
    const end = at + 8 + raw.readUInt32BE(at + 4);
    pieces.push(raw.subarray(at + 8, end));
    at = end;
  }
  return Buffer.concat(pieces).toString();
}
