import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { docker } from "./docker";
import { listening } from "./listening";
import { ports, stackName } from "./stack";

const { catalogPort, objectStoreConsolePort, sparkWorkerPort, ...others } = ports;
/** Each worker has a page of its own. The catalog and the store's console are published on request. */
const declared = [...Object.values(others), sparkWorkerPort, sparkWorkerPort + 1].sort((a, b) => a - b);
const loopback = "127.0.0.1";

test("Docker publishes the declared ports, on the loopback address, and no others", async () => {
  const found = await docker.listContainers({ filters: { label: [`lakestack.stack=${stackName}`] } });
  const published = found
    .flatMap(({ Ports }) => Ports)
    .filter(({ PublicPort }) => PublicPort)
    .map(({ IP, PublicPort }) => `${IP}:${PublicPort}`);
  expect(published.sort()).toEqual(declared.map((port) => `${loopback}:${port}`).sort());
});

test.runIf(process.platform === "linux")("Linux listens at these on the loopback address only", async () => {
  const tables = await Promise.all(["tcp", "tcp6"].map((name) => readFile(`/proc/net/${name}`, "utf8")));
  const all = tables.flatMap(listening);
  const ours = new Set([...declared, catalogPort, objectStoreConsolePort]);
  const found = all.filter(({ port }) => ours.has(port)).sort((a, b) => a.port - b.port);
  expect(found).toEqual(declared.map((port) => ({ address: loopback, port })));
});
