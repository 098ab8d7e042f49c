import { rm, writeFile } from "node:fs/promises";
import * as path from "node:path";
import { inject } from "vitest";
import { stringify } from "yaml";
import { type StackOutputs, stackOutputs } from "../../commands/stack-outputs";
import { query as queryAt } from "../../commands/trino-query";
import { projectFolder } from "../../toolchain/project";
import { docker } from "./docker";
import { expectSuccess, type Finished, start } from "./processes";
import { otherConfigFile, otherPorts, otherStack, sourcesFile, stackName } from "./stack";

/** Environment in which npm's commands and pulumi work on the other stack. */
const environment = { ...process.env, ...inject("environment"), LAKESTACK_STACK: otherStack };

async function run(program: string, ...args: string[]): Promise<Finished> {
  const what = `${program} ${args.join(" ")}`;
  return expectSuccess(what, await start(program, args, { env: environment }).finished);
}

const pulumi = (...args: string[]) =>
  run("pulumi", ...args, "--stack", otherStack, "--non-interactive", "--color", "never");

/** Images that a copy needs; they are those of the first stack by another name, so that none is built or loaded again. */
const images = ["builder", "minio", "postgres", "nessie", "trino"];

/** Parts of the stack that a copy does not need. */
const excluded = [
  "**lakestack:services:Spark**",
  "**lakestack:services:Scheduler**",
  "**RemoteImage::spark",
  "**RemoteImage::airflow",
];

/** Brings the other stack up: the program's own store, database, catalog and Trino, on a network and volumes of their own. */
export async function bringUpOther(): Promise<StackOutputs> {
  const settings = {
    platform: "docker",
    sourcesFile: path.relative(projectFolder, sourcesFile),
    ...otherPorts,
  };
  const config = Object.fromEntries(
    Object.entries(settings).map(([key, value]) => [`lakestack:${key}`, value]),
  );
  await writeFile(otherConfigFile, stringify({ config }));
  const prefix = `lakestack-${stackName}-`;
  const tags = (await docker.listImages()).flatMap(({ RepoTags }) => RepoTags ?? []);
  for (const tagged of tags.filter((each) => images.some((name) => each.startsWith(`${prefix}${name}:`)))) {
    const [repo = "", tag = ""] = tagged.split(":");
    await docker.getImage(tagged).tag({ repo: repo.replace(prefix, `lakestack-${otherStack}-`), tag });
  }
  await pulumi("stack", "init", "--no-select");
  const exclusions = excluded.flatMap((pattern) => ["--exclude", pattern]);
  await pulumi("up", "--yes", "--skip-preview", ...exclusions);
  const { stdout } = await pulumi("stack", "output", "--json", "--show-secrets");
  return stackOutputs(JSON.parse(stdout) as Record<string, unknown>);
}

export async function destroyOther(): Promise<void> {
  await run("npm", "run", "-s", "destroy", "--", "--yes");
  await rm(otherConfigFile, { force: true });
}

/** Runs a statement in the other stack's Trino, as its administrator unless it says as whom. */
export const queryOther = (
  { trinoUrl: url, trinoUser, trinoPassword, caCertificate: ca }: StackOutputs,
  statement: string,
  { name: user, password } = { name: trinoUser, password: trinoPassword },
) => queryAt({ url, user, password, ca }, statement);

/** Declares a user there, as one does by hand. */
export const declareOther = (name: string, role: string) =>
  pulumi("config", "set", "--path", `users["${name}"]`, role);
