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
const pyIcebergFile = "/tmp/client/read_table.py";

/** Runs a client on the stack's network, in the image that has Java, the JDBC driver, trino-cli and PyIceberg. */
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

/** A table as PyIceberg reads it from the catalog. */
export interface ReadTable {
  columns: string[];
  /** Of the current snapshot. */
  summary: Record<string, string>;
  rows: unknown[][];
}

/** Reads a table through the catalog, with neither keys nor Trino. */
export async function readByPyIceberg(table: string): Promise<ReadTable> {
  const command = ["python", pyIcebergFile, "http://catalog:19120/iceberg/", "warehouse", table];
  const { code, output } = await runClient(command, {});
  if (code !== 0) throw new Error(`PyIceberg could not read ${table}:\n${output}`);
  const said = (word: string) =>
    output
      .split("\n")
      .filter((line) => line.startsWith(`${word}: `))
      .map((line) => JSON.parse(line.slice(word.length + 2)) as unknown);
  const [columns, summary] = [said("columns")[0], said("summary")[0]] as [string[], Record<string, string>];
  return { columns, summary, rows: said("row") as unknown[][] };
}

/** Copied in and not mounted: the engine may run on another machine. */
async function archive(): Promise<Buffer> {
  const tar = pack();
  tar.entry({ name: caFile.slice(1) }, outputs.caCertificate);
  tar.entry({ name: programFile.slice(1) }, await readFile(path.join(__dirname, "jdbc", "TableReader.java")));
  tar.entry(
    { name: pyIcebergFile.slice(1) },
    await readFile(path.join(__dirname, "pyiceberg", "read_table.py")),
  );
  tar.finalize();
  return buffer(tar);
}
