import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { docker } from "./docker";
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

/** Addresses that are listened at, from the kernel's own table: the addresses are little-endian words in hexadecimal. */
async function listening(table: string): Promise<{ address: string; port: number }[]> {
  const [, ...lines] = (await readFile(table, "utf8")).trim().split("\n");
  return lines
    .map((line) => line.trim().split(/\s+/))
    .filter(([, , , state]) => state === "0A")
    .map(([, local = ""]) => {
      const [words = "", port = ""] = local.split(":");
      const bytes = Buffer.from(words, "hex");
      return {
        address: words.length === 8 ? [...bytes.reverse()].join(".") : words,
        port: Number.parseInt(port, 16),
      };
    });
}

test.runIf(process.platform === "linux")("Linux listens at these on the loopback address only", async () => {
  const all = [...(await listening("/proc/net/tcp")), ...(await listening("/proc/net/tcp6"))];
  const ours = new Set([...declared, catalogPort, objectStoreConsolePort]);
  const found = all.filter(({ port }) => ours.has(port)).sort((a, b) => a.port - b.port);
  expect(found).toEqual(declared.map((port) => ({ address: loopback, port })));
});
