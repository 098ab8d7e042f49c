import { readFile } from "node:fs/promises";
import * as path from "node:path";
import { buffer } from "node:stream/consumers";
import { inject } from "vitest";
import { pack } from "tar-stream";
import { containerName, demultiplexed, docker } from "./docker";
import { outputs } from "./lakestack";
import { stackName } from "./stack";

/** What a program in a container of its own has written, and how it ended. */
export interface ClientRun {
  code: number;
  output: string;
}

/** The driver's URL as it is said to users, with the door that is open inside the stack's network. */
export const jdbcUrl = outputs.jdbcUrl.replace(/\/\/[^/]+\//, "//trino:8443/");

/** The authority's certificate and the Java program, where the container has them. */
export const caFile = "/tmp/client/ca.pem";
export const programFile = "/tmp/client/TableReader.java";

/** Runs a client of Trino on the stack's network, in the image that has Java, the JDBC driver and trino-cli. */
export async function runClient(command: string[], environment: Record<string, string>): Promise<ClientRun> {
  const container = await docker.createContainer({
    name: containerName("client"),
    Image: inject("checksImage"),
    Cmd: command,
    Env: Object.entries(environment).map(([name, value]) => `${name}=${value}`),
    Labels: { "lakestack.stack": stackName, "lakestack.service": "client" },
    HostConfig: { NetworkMode: `lakestack-${stackName}` },
  });
  try {
    await container.putArchive(await archive(), { path: "/" });
    await container.start();
    const { StatusCode } = (await container.wait()) as { StatusCode: number };
    const written = await container.logs({ stdout: true, stderr: true, follow: false });
    return { code: StatusCode, output: demultiplexed(written) };
  } finally {
    await container.remove({ force: true });
  }
}

/** Copied in and not mounted: the engine may run on another machine. */
async function archive(): Promise<Buffer> {
  const tar = pack();
  tar.entry({ name: caFile.slice(1) }, outputs.caCertificate);
  tar.entry({ name: programFile.slice(1) }, await readFile(path.join(__dirname, "jdbc", "TableReader.java")));
  tar.finalize();
  return buffer(tar);
}
