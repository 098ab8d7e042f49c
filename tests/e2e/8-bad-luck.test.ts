import { createServer, type Server } from "node:net";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import * as os from "node:os";
import * as path from "node:path";
import { afterEach, expect, test } from "vitest";
import { containerIds } from "./docker";
import { command, npmRun, pulumi, startPulumi } from "./lakestack";
import { ports, stackName } from "./stack";

const undo: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

/** A folder that is gone after the test. */
async function scratchFolder(): Promise<string> {
  const folder = await mkdtemp(path.join(os.tmpdir(), "lakestack-e2e-"));
  undo.push(() => rm(folder, { recursive: true }));
  return folder;
}

/** Listens at a port of the loopback address or at a socket, until the test is over. */
async function listen(where: number | string): Promise<void> {
  const server: Server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    if (typeof where === "number") server.listen(where, "127.0.0.1", resolve);
    else server.listen(where, resolve);
  });
  undo.push(() => new Promise((resolve) => server.close(resolve)));
}

test("a port that is taken: npm run up names it, who has it, and how to choose another", async () => {
  const taken = ports.catalogPort;
  await listen(taken);
  await pulumi("config", "set", "publishCatalog", "true");
  undo.push(() => pulumi("config", "rm", "publishCatalog"));
  const { code, output } = await command("up");
  expect(code, output).toBe(1);
  expect(output).toContain(`${taken} (catalogPort) is taken by`);
  expect(output).toContain(`process ${process.pid}`);
  expect(output).toMatch(new RegExp(`pulumi config set --stack ${stackName} lakestack:catalogPort \\d+`));
});

test("no Docker: npm run up says where it looked, and what to do", async () => {
  const address = `unix://${path.join(await scratchFolder(), "nobody-there.sock")}`;
  const { code, output } = await command("up", [], { env: { DOCKER_HOST: address } });
  expect(code, output).toBe(1);
  expect(output).toContain(`no engine answers at ${address} (DOCKER_HOST)`);
  expect(output).toMatch(/Start Docker .*DOCKER_HOST/s);
});

test("Docker that this user may not use: npm run doctor says which group to join", async () => {
  const folder = await scratchFolder();
  const socket = path.join(folder, "docker.sock");
  await listen(socket);
  await chmod(folder, 0o777);
  await chmod(socket, 0);
  // Nothing is forbidden to root: then it is tried as the user nobody.
  const nobody = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};
  const env = { DOCKER_HOST: `unix://${socket}`, HOME: folder, TMPDIR: folder };
  const { code, output } = await command("doctor", [], { ...nobody, env });
  expect(code, output).toBe(1);
  expect(output).toContain("this user may not use it");
  expect(output).toContain("usermod -aG docker");
});

test.each([
  ["is lost", undefined],
  ["is another one", "not the passphrase"],
])("a passphrase that %s: npm run up changes nothing and says what can be done", async (_, content) => {
  const before = await containerIds();
  const file = path.join(await scratchFolder(), "passphrase");
  if (content !== undefined) await writeFile(file, content);
  const { code, output } = await command("up", [], { env: { PULUMI_CONFIG_PASSPHRASE_FILE: file } });
  expect(code, output).toBe(1);
  expect(output).toMatch(/passphrase/i);
  expect(output).toContain(`Pulumi.${stackName}.yaml`);
  expect(output).toContain("npm run destroy");
  expect(await containerIds()).toEqual(before);
});

test("several wrong values in the configuration: pulumi names all of them, and how to set each", async () => {
  await pulumi("config", "set", "sparkWorkers", "0");
  undo.push(() => pulumi("config", "set", "sparkWorkers", "2"));
  await pulumi("config", "set", "trinoMemory", "12");
  undo.push(() => pulumi("config", "rm", "trinoMemory"));
  const { code, output } = await startPulumi("preview").finished;
  expect(code, output).not.toBe(0);
  expect(output).toContain('lakestack:sparkWorkers is "0", expected a whole number from 1');
  expect(output).toContain('lakestack:trinoMemory is "12", expected a whole number from 1536');
  expect(output).toContain("pulumi config set trinoMemory");
});

test("the stack has come to no harm", async () => {
  const { stdout } = await npmRun("up");
  expect(stdout).toContain("Nothing to change");
});
