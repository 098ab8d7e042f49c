import * as http from "node:http";
import type { AddressInfo } from "node:net";
import Docker from "dockerode";
import { afterEach, beforeEach, expect, test } from "vitest";
import { belongings } from "../../commands/destroy";

const busy = "a disk usage operation is already running";

/** Answers as an engine that has one volume, and that has refused to count so many times before. */
let refusals: string[];
let asked: number;
let server: http.Server;
let docker: Docker;

const answers: Record<string, unknown> = {
  containers: [],
  networks: [],
  images: [],
  volumes: { Volumes: [{ Name: "lakestack-dev-objects" }] },
  system: { Volumes: [{ Name: "lakestack-dev-objects", UsageData: { Size: 42 } }] },
};

beforeEach(async () => {
  asked = 0;
  server = http.createServer((request, response) => {
    const [, kind = ""] = new URL(request.url ?? "", "http://localhost").pathname.split("/");
    const refusal = kind === "system" ? refusals[asked++] : undefined;
    const body = refusal === undefined ? answers[kind] : { message: refusal };
    response
      .writeHead(refusal === undefined ? 200 : 409, { "content-type": "application/json" })
      .end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  docker = new Docker({
    protocol: "http",
    host: "127.0.0.1",
    port: (server.address() as AddressInfo).port,
  });
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

test("an engine that counts for somebody else is asked again", async () => {
  refusals = [busy, busy];
  const { volumes } = await belongings(docker, "dev");
  expect(volumes).toEqual([{ name: "lakestack-dev-objects", size: 42 }]);
  expect(asked).toBe(3);
});

test("another refusal is not passed over", async () => {
  refusals = ["the engine is on fire"];
  await expect(belongings(docker, "dev")).rejects.toThrow("the engine is on fire");
  expect(asked).toBe(1);
});
