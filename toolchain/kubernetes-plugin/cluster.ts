import * as http from "node:http";
import * as https from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import { ApiError, type Refusal, UnreachableError } from "./api-error";
import { type Credentials, CredentialsError, credentialsOf } from "./credentials";
import type { Access } from "./kubeconfig";

const CONNECT_MS = 15_000;
const ANSWER_MS = 60_000;
const ATTEMPTS = 5;
const PAUSE_MS = 500;

export interface Request {
  method?: "GET" | "PATCH" | "POST" | "DELETE";
  query?: Record<string, string>;
  /** Sent as JSON. */
  body?: unknown;
  contentType?: string;
  signal: AbortSignal;
  /** Hears what the API server warns of, for example a deprecated version. */
  onWarning?: (text: string) => void;
}

/** The API server that a kubeconfig leads to. */
export class Cluster {
  private credentials: Promise<Credentials> | undefined;
  private readonly agent: http.Agent;

  constructor(private readonly access: Access) {
    const options = { keepAlive: true, maxSockets: 16 };
    this.agent = this.server.startsWith("http:") ? new http.Agent(options) : new https.Agent(options);
  }

  private get server(): string {
    return this.access.cluster.server;
  }

  /** The answer's JSON. Throws an {@link ApiError} where the server refuses. */
  async json<T>(path: string, request: Request): Promise<T> {
    return JSON.parse(await this.text(path, request)) as T;
  }

  /** The answer as it is, for example a log. */
  async text(path: string, request: Request): Promise<string> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.once(path, request);
      } catch (error) {
        request.signal.throwIfAborted();
        if (attempt === ATTEMPTS || !isPassing(error)) throw this.explained(error);
        await sleep(pauseAfter(error, attempt), undefined, { signal: request.signal });
      }
    }
  }

  private async once(path: string, request: Request): Promise<string> {
    const url = new URL(`${this.server.replace(/\/$/, "")}${path}`);
    for (const [name, value] of Object.entries(request.query ?? {})) url.searchParams.set(name, value);
    const body = request.body === undefined ? undefined : Buffer.from(JSON.stringify(request.body));
    const credentials = await this.current();
    const options: https.RequestOptions = {
      ...credentials.options,
      agent: this.agent,
      method: request.method ?? "GET",
      signal: request.signal,
      timeout: ANSWER_MS,
      headers: {
        ...credentials.headers,
        Accept: "application/json, */*",
        "User-Agent": "pulumi-resource-kubernetes",
        ...(body && {
          "Content-Type": request.contentType ?? "application/json",
          "Content-Length": body.length,
        }),
      },
    };
    const response = await send(url, options, body);
    for (const text of warnings(response.headers["warning"])) request.onWarning?.(text);
    const text = await content(response);
    const status = response.statusCode ?? 0;
    if (status >= 400) {
      if (status === 401) this.credentials = undefined;
      throw new ApiError(status, refusal(text));
    }
    return text;
  }

  /** The credentials, asked for anew when their time is over. */
  private async current(): Promise<Credentials> {
    const known = await this.credentials;
    if (known && known.expires > Date.now()) return known;
    const asked = credentialsOf(this.access);
    this.credentials = asked;
    asked.catch(() => (this.credentials = undefined));
    return asked;
  }

  private explained(error: unknown): unknown {
    if (error instanceof ApiError || error instanceof CredentialsError) return error;
    return new UnreachableError(this.server, this.access.context, error);
  }
}

function send(url: URL, options: https.RequestOptions, body?: Buffer): Promise<http.IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = (url.protocol === "http:" ? http : https).request(url, options, resolve);
    request.on("error", reject);
    request.on("timeout", () => request.destroy(new Error("no answer in time")));
    request.on("socket", (socket) => {
      if (!socket.connecting) return;
      const limit = setTimeout(() => request.destroy(new Error("no connection in time")), CONNECT_MS);
      socket.once("connect", () => {
        clearTimeout(limit);
      });
      socket.once("close", () => {
        clearTimeout(limit);
      });
    });
    request.end(body);
  });
}

async function content(response: http.IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}

function refusal(text: string): Refusal {
  try {
    return JSON.parse(text) as Refusal;
  } catch {
    return { message: text.trim() };
  }
}

/** The texts of `Warning: 299 - "text"`, of which there may be several in one header. */
function warnings(header: string | string[] | undefined): string[] {
  const text = Array.isArray(header) ? header.join(", ") : (header ?? "");
  return [...text.matchAll(/299 \S+ "((?:[^"\\]|\\.)*)"/g)].map(([, warning = ""]) =>
    warning.replace(/\\(.)/g, "$1"),
  );
}

/** Is it a matter of trying again: a kept connection that the server has closed, or a server that asks for patience? */
function isPassing(error: unknown): boolean {
  if (error instanceof ApiError)
    return [401, 429, 502, 503, 504].includes(error.status) || /etcdserver: /.test(error.message);
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return code === "ECONNRESET" || code === "EPIPE";
}

function pauseAfter(error: unknown, attempt: number): number {
  const asked = error instanceof ApiError ? error.refusal.details?.retryAfterSeconds : undefined;
  return asked ? Math.min(asked, 10) * 1000 : PAUSE_MS * attempt;
}
