import { existsSync, readFileSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import * as path from "node:path";
import versions from "../versions.json";
import { ensureBaseImage } from "./base-image";
import { replaceFile } from "./cache";
import { dockerEndpoint, systemSocket } from "./docker-client";
import { ensureDocker } from "./docker-engine";
import { buildEngine, engineKey } from "./engine-build";
import { ensurePlugins, installStandIns, ownPulumiHome } from "./plugins";
import type { Reporter } from "./progress";
import { projectFolder, toolFolder } from "./project";
import { downloadPulumi } from "./pulumi-download";
import { installedPulumi } from "./pulumi-installed";
import { isLoggedIn, stateEnvironment, userPulumiHome } from "./pulumi-state";
import { installEngine, installLanguageHost } from "./stand-ins";
import { UserError } from "./user-error";

/**
 * - `installed`: the user's own Pulumi.
 * - `download`: the official one, kept inside the project.
 * - `build`: built from its Go module, with a language host and plugins of ours.
 */
const ways = ["installed", "download", "build"] as const;
export type Way = (typeof ways)[number];

/** A Pulumi command that works, and what it needs. */
export interface Tools {
  way: Way;
  /** Environment for `pulumi`; what is not in here comes from the environment of this process. */
  env: Record<string, string>;
}

const binFolder = path.join(toolFolder, "bin");
const recordFile = path.join(toolFolder, "tools.json");

/** What is in `bin`, so that the next call need not find out again. */
interface InstallRecord {
  way: Way;
  /** Changes when it has to be installed anew. */
  key: string;
}

/** A Pulumi command, and the Pulumi folder with its plugins. */
interface Provided {
  way: Way;
  home: string;
}

/**
 * Makes sure that there is a Pulumi command with the plugins that it needs, in the first of three ways that works.
 * LAKESTACK_TOOLCHAIN=installed|download|build insists on one. Quick if there is nothing to do.
 *
 * @throws UserError where the user has to act.
 */
export async function ensurePulumi(reporter: Reporter, signal?: AbortSignal): Promise<Tools> {
  const state = await stateEnvironment({ project: projectFolder, tools: toolFolder });
  await ensureDocker(reporter);
  const baseImage = await ensureBaseImage(reporter, signal);
  const { way, home } = await provide(reporter, baseImage ?? versions.baseImage, signal);
  return {
    way,
    env: {
      PATH: searchPath(way),
      PULUMI_HOME: home,
      ...state,
      ...loginEnvironment(home),
      ...dockerEnvironment(),
      ...(baseImage === undefined ? {} : { LAKESTACK_BASE_IMAGE: baseImage }),
      PULUMI_SKIP_UPDATE_CHECK: "true",
    },
  };
}

async function provide(reporter: Reporter, baseImage: string, signal?: AbortSignal): Promise<Provided> {
  const wanted = wantedWay();
  const record = currentRecord();
  for (const way of wanted ? [wanted] : ways) {
    signal?.throwIfAborted();
    if (way === "installed") {
      const pulumi = await installedPulumi();
      if (pulumi) return { way, home: await ensurePlugins(reporter, pulumi, userPulumiHome(toolFolder)) };
    } else if (way === "download") {
      // Once it was built, the download is not asked for again, unless the user insists.
      if (record?.way === "build" && wanted === undefined) continue;
      if (record?.way === way || (await install(reporter))) {
        return { way, home: await ensurePlugins(reporter, path.join(binFolder, "pulumi"), ownPulumiHome) };
      }
    } else {
      if (record?.way !== way) await build(reporter, baseImage, signal);
      await installLanguageHost(binFolder);
      await installStandIns();
      return { way, home: ownPulumiHome };
    }
  }
  throw new UserError(
    `LAKESTACK_TOOLCHAIN is "${String(wanted)}", but Pulumi ${versions.pulumi} cannot be had that way.`,
    wanted === "installed"
      ? `Install Pulumi ${versions.pulumi} or a later one of the same major version, or unset LAKESTACK_TOOLCHAIN.`
      : "See that this host can reach Pulumi's downloads, or unset LAKESTACK_TOOLCHAIN.",
  );
}

async function install(reporter: Reporter): Promise<boolean> {
  if (!(await downloadPulumi(reporter, binFolder))) return false;
  // What was there may hold stand-ins: with the official engine come the official plugins.
  await rm(path.join(ownPulumiHome, "plugins"), { recursive: true, force: true });
  await writeRecord({ way: "download", key: versions.pulumi });
  return true;
}

async function build(reporter: Reporter, baseImage: string, signal?: AbortSignal): Promise<void> {
  const executable = await buildEngine(reporter, baseImage, signal);
  await rm(binFolder, { recursive: true, force: true });
  await installEngine(executable, binFolder);
  await writeRecord({ way: "build", key: engineKey() });
}

function wantedWay(): Way | undefined {
  const wanted = process.env["LAKESTACK_TOOLCHAIN"];
  if (!wanted) return undefined;
  const way = ways.find((name) => name === wanted);
  if (way) return way;
  throw new UserError(
    `LAKESTACK_TOOLCHAIN is "${wanted}", expected one of ${ways.join(", ")}.`,
    "Set it to one of those, or unset it.",
  );
}

/** What is installed, if it is still what should be. */
function currentRecord(): InstallRecord | undefined {
  if (!existsSync(recordFile) || !existsSync(path.join(binFolder, "pulumi"))) return undefined;
  const record = JSON.parse(readFileSync(recordFile, "utf8")) as InstallRecord;
  return record.key === (record.way === "build" ? engineKey() : versions.pulumi) ? record : undefined;
}

async function writeRecord(record: InstallRecord): Promise<void> {
  await replaceFile(recordFile, (temporary) => writeFile(temporary, JSON.stringify(record)));
}

/** With our tools first; or without them, if the user's own Pulumi is used. */
function searchPath(way: Way): string {
  const folders = (process.env["PATH"] ?? "").split(path.delimiter).filter((folder) => folder !== binFolder);
  return [...new Set(way === "installed" ? folders : [binFolder, ...folders])].join(path.delimiter);
}

/** A login is kept in the user's own Pulumi folder, wherever the plugins are. */
function loginEnvironment(home: string): Record<string, string> {
  const own = userPulumiHome(toolFolder);
  if (home === own || process.env["PULUMI_CREDENTIALS_PATH"] || !isLoggedIn(toolFolder)) return {};
  return { PULUMI_CREDENTIALS_PATH: own };
}

/** The plugins know DOCKER_HOST and the system's socket, but neither Docker contexts nor other sockets. */
function dockerEnvironment(): Record<string, string> {
  const { address } = dockerEndpoint();
  return address === `unix://${systemSocket}` ? {} : { DOCKER_HOST: address };
}
