import { readdir, readFile } from "node:fs/promises";
import * as path from "node:path";
import { buffer } from "node:stream/consumers";
import { inject } from "vitest";
import { pack } from "tar-stream";
import { containerName, demultiplexed, docker, networksOf } from "./docker";
import { outputs } from "./lakestack";
import { stackName } from "./stack";

/** What a program in a container of its own has written, and how it ended. */
export interface ClientRun {
  code: number;
  output: string;
}

/** The driver's URL as it is said to users, with the door that is open inside the stack. */
export const jdbcUrl = outputs.jdbcUrl.replace(/\/\/[^/]+\//, "//trino:8443/");

/** Where the container has the authority's certificate, and the programs beside this file. */
const clientFolder = "/tmp/client";
export const caFile = `${clientFolder}/ca.pem`;
export const programFile = clientFile("TableReader.java");
export const jdbcJar = "/opt/checks/trino-jdbc.jar";

/** A program of the folders jdbc and python, or a file of the test's own, where the container has it. */
export function clientFile(name: string): string {
  return `${clientFolder}/${name}`;
}

/** Where a client runs, if it is no client of Trino's. */
export interface Surroundings {
  /** Of the client among those that run at the same time. Default "client". */
  name?: string;
  /** Default: the image that has Java, the JDBC driver, trino-cli, Python and PyIceberg. */
  image?: string;
  /** Networks, or one "container:<name>", whose network is then the client's own. Default: Trino's networks. */
  networks?: string[];
}

/**
 * Runs a client of Trino, or any other program, inside the stack.
 *
 * @param files more of them, by name: see `clientFile`.
 */
export async function runClient(
  command: string[],
  environment: Record<string, string>,
  files: Record<string, string> = {},
  { name = "client", image = inject("checksImage"), networks }: Surroundings = {},
): Promise<ClientRun> {
  const [first = "none", ...others] = networks ?? (await networksOf("trino"));
  const container = await docker.createContainer({
    name: containerName(name),
    Image: image,
    Cmd: command,
    Env: Object.entries({ LANG: "C.UTF-8", ...environment }).map(([name, value]) => `${name}=${value}`),
    Labels: { "lakestack.stack": stackName, "lakestack.service": "client" },
    HostConfig: { NetworkMode: first },
  });
  try {
    for (const network of others) await docker.getNetwork(network).connect({ Container: container.id });
    await container.putArchive(await archive(files), { path: "/" });
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

/** Reads a table through the catalog, with neither keys nor Trino: by the token for programs from outside. */
export async function readByPyIceberg(table: string): Promise<ReadTable> {
  const command = [
    "python",
    clientFile("read_table.py"),
    "http://catalog:19120/iceberg/",
    "warehouse",
    table,
    clientFile("token"),
  ];
  const { code, output } = await runClient(command, {}, { token: outputs.catalogToken });
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
async function archive(files: Record<string, string>): Promise<Buffer> {
  const tar = pack();
  tar.entry({ name: caFile.slice(1) }, outputs.caCertificate);
  for (const folder of ["jdbc", "python"])
    for (const name of await readdir(path.join(__dirname, folder)))
      tar.entry({ name: clientFile(name).slice(1) }, await readFile(path.join(__dirname, folder, name)));
  for (const [name, content] of Object.entries(files))
    tar.entry({ name: clientFile(name).slice(1) }, content);
  tar.finalize();
  return buffer(tar);
}
