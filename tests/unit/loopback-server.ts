import * as http from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { gunzipSync } from "node:zlib";

/** An HTTP server on this machine that answers as registries and advisory services do. */
export interface LoopbackServer {
  url: string;
  /** What was asked, in order: method, path and what was sent. */
  requests: { method: string; path: string; body: string }[];
  close(): void;
}

/**
 * @param answer gives the text for a path (and what was sent), undefined for 404.
 */
export async function loopbackServer(
  answer: (path: string, body: string) => string | undefined,
): Promise<LoopbackServer> {
  const requests: LoopbackServer["requests"] = [];
  const server = http.createServer((request, response) => {
    void (async () => {
      const sent = await buffer(request);
      const body = (request.headers["content-encoding"] === "gzip" ? gunzipSync(sent) : sent).toString();
      const path = request.url ?? "";
      requests.push({ method: request.method ?? "", path, body });
      const text = answer(path, body);
      response
        .writeHead(text === undefined ? 404 : 200, { "content-type": "application/json" })
        .end(text ?? "{}");
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
