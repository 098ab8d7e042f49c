import { execFile } from "node:child_process";
import { readdir, readFile, readlink } from "node:fs/promises";
import * as net from "node:net";
import { promisify } from "node:util";

/** True if nothing listens at the port of the loopback address. */
export async function isPortFree(port: number): Promise<boolean> {
  const server = net.createServer();
  return new Promise((resolve) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      // Ports below 1024 are refused to ordinary users here, but not to Docker.
      resolve(error.code !== "EADDRINUSE");
    });
    server.listen({ port, host: "127.0.0.1", exclusive: true }, () => {
      server.close(() => {
        resolve(true);
      });
    });
  });
}

/** The process that listens at the port, for example "nginx (process 812)"; undefined if this user can't see it. */
export async function processAtPort(port: number): Promise<string | undefined> {
  if (process.platform === "linux") return linuxProcessAtPort(port);
  const lsof = promisify(execFile)("lsof", ["-nP", `-iTCP:${port}`, "-sTCP:LISTEN", "-F", "pc"]);
  const output = await lsof.then(
    ({ stdout }) => stdout,
    () => "",
  );
  const [, pid, name] = /^p(\d+)\nc(.+)$/m.exec(output) ?? [];
  return pid === undefined ? undefined : `${name ?? "?"} (process ${pid})`;
}

async function linuxProcessAtPort(port: number): Promise<string | undefined> {
  const sockets = new Set(await listeningSockets(port));
  if (sockets.size === 0) return undefined;
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    const descriptors = await readdir(`/proc/${pid}/fd`).catch(() => []);
    for (const descriptor of descriptors) {
      const target = await readlink(`/proc/${pid}/fd/${descriptor}`).catch(() => "");
      if (!sockets.has(target)) continue;
      const name = (await readFile(`/proc/${pid}/comm`, "utf8")).trim();
      return `${name} (process ${pid})`;
    }
  }
  return undefined;
}

/** The listening sockets of the port as /proc/PID/fd shows them: "socket:[12345]". */
async function listeningSockets(port: number): Promise<string[]> {
  const tables = await Promise.all(
    ["/proc/net/tcp", "/proc/net/tcp6"].map((file) => readFile(file, "utf8").catch(() => "")),
  );
  const hexadecimal = port.toString(16).toUpperCase().padStart(4, "0");
  const listening = "0A";
  return tables
    .flatMap((text) => text.trim().split("\n").slice(1))
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local, , state]) => local?.endsWith(`:${hexadecimal}`) === true && state === listening)
    .map((fields) => `socket:[${fields[9] ?? ""}]`);
}
