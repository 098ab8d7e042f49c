/** One line of what the engine says while it builds, pulls or loads. */
export interface EngineMessage {
  /** Output of a build, as it comes: a piece of a line, a line, or several. */
  stream?: string;
  /** State of a pull. */
  status?: string;
  /** Which layer a status is about. */
  id?: string;
  error?: string;
  /** Results, for example the ID of the image built. */
  aux?: { ID?: string };
}

/** Reads the engine's stream of JSON lines. */
export async function* engineMessages(stream: NodeJS.ReadableStream): AsyncGenerator<EngineMessage> {
  stream.setEncoding("utf8");
  let rest = "";
  for await (const chunk of stream) {
    const lines = (rest + String(chunk)).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line.trim() !== "") yield JSON.parse(line) as EngineMessage;
  }
  if (rest.trim() !== "") yield JSON.parse(rest) as EngineMessage;
}

/** The status code of an engine's refusal, undefined if the engine did not answer at all. */
export function statusCode(error: unknown): number | undefined {
  const code = error instanceof Error && "statusCode" in error ? error.statusCode : undefined;
  return typeof code === "number" ? code : undefined;
}

/** Passes the answer on, or undefined where the engine says that there is no such thing. */
export async function ifExists<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (statusCode(error) === 404) return undefined;
    throw error;
  }
}

/** What the engine says went wrong, without the client's wrapping. */
export function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const json = "json" in error ? (error.json as { message?: unknown } | undefined) : undefined;
  return typeof json?.message === "string" ? json.message : error.message;
}
