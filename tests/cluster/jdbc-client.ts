import { readFile } from "node:fs/promises";
import * as path from "node:path";
import { buffer } from "node:stream/consumers";
import { pack } from "tar-stream";
import type { StackOutputs } from "../../commands/stack-outputs";
import { projectFolder } from "../../toolchain/project";
import { demultiplexed } from "../e2e/docker";
import { docker, settings } from "./cluster";

const caFile = "/tmp/client/ca.pem";
const programFile = "/tmp/client/TableReader.java";

/**
 * Reads a table with Trino's JDBC driver, at the URL that users are told, in a container beside the node.
 *
 * @param id of the row to read.
 */
export async function readByJdbc(
  image: string,
  outputs: StackOutputs,
  table: { schema: string; name: string },
  id: string,
): Promise<{ code: number; output: string }> {
  const { NetworkSettings } = await docker.getContainer(settings.name).inspect();
  const [network = ""] = Object.keys(NetworkSettings.Networks);
  const where = [outputs.jdbcUrl, outputs.trinoUser, caFile, table.schema, table.name, id];
  const container = await docker.createContainer({
    Image: image,
    Cmd: ["java", "-Dstdout.encoding=UTF-8", "-cp", "/opt/checks/trino-jdbc.jar", programFile, ...where],
    Env: [`TRINO_PASSWORD=${outputs.trinoPassword}`],
    HostConfig: { NetworkMode: network },
  });
  try {
    await container.putArchive(await archive(outputs.caCertificate), { path: "/" });
    await container.start();
    const { StatusCode } = (await container.wait()) as { StatusCode: number };
    return {
      code: StatusCode,
      output: demultiplexed(await container.logs({ stdout: true, stderr: true, follow: false })),
    };
  } finally {
    await container.remove({ force: true });
  }
}

/** Copied in and not mounted: the engine may run on another machine. */
async function archive(caCertificate: string): Promise<Buffer> {
  const tar = pack();
  tar.entry({ name: caFile.slice(1) }, caCertificate);
  const program = path.join(projectFolder, "tests", "e2e", "jdbc", "TableReader.java");
  tar.entry({ name: programFile.slice(1) }, await readFile(program));
  tar.finalize();
  return buffer(tar);
}
