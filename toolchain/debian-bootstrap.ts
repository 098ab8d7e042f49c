import { existsSync, readdirSync, readFileSync } from "node:fs";
import * as path from "node:path";
import { canInstallPackages, installPackages, osRelease } from "./debian-host";
import type { Task } from "./progress";
import { CommandFailed, run } from "./run";
import { UserError } from "./user-error";

const suite = "trixie";

/** Debian's names for the architectures, by Docker's and by Node's. */
const architectures: Record<string, string> = {
  x86_64: "amd64",
  x64: "amd64",
  aarch64: "arm64",
  arm64: "arm64",
};

/**
 * Makes a minimal Debian root file system from packages, as a tar file.
 *
 * @param architecture of the Docker engine, in Docker's words.
 * @throws UserError where this host cannot do that.
 */
export async function bootstrap(target: string, architecture: string, task: Task): Promise<void> {
  const wanted = architectures[architecture] ?? architecture;
  if (process.platform !== "linux" || wanted !== architectures[process.arch]) {
    throw impossible("This host cannot make one for the Docker engine either", `it takes Linux on ${wanted}`);
  }
  if (!existsSync("/usr/bin/mmdebstrap") || !existsSync("/usr/share/keyrings/debian-archive-keyring.gpg")) {
    if (!canInstallPackages()) {
      throw impossible(
        "mmdebstrap, which would make one from Debian's packages, is not installed",
        "as root: apt-get install mmdebstrap debian-archive-keyring",
      );
    }
    task.update("installing mmdebstrap");
    await installPackages(["mmdebstrap", "debian-archive-keyring"], task);
  }
  task.update("no registry answers: making one from Debian's packages");
  try {
    await run("mmdebstrap", ["--variant=minbase", suite, target, ...mirrorLines()], { task });
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error;
    throw impossible(
      "Making one from Debian's packages failed",
      "the lines above say why (mmdebstrap)",
      error,
    );
  }
}

function impossible(why: string, hint: string, cause?: Error): UserError {
  return new UserError(
    `No registry gives the base image, and none can be made here. ${why}: ${hint}.`,
    [
      "One of these will do, then run the command again:",
      "  - let Docker reach a registry (a mirror in its daemon.json, or its proxy settings)",
      "  - docker load the Debian image named in versions.json, saved on another machine",
      "  - run this once on Debian or Ubuntu as root, which makes the image from packages",
    ].join("\n"),
    { cause },
  );
}

/** The lines of sources.list for the mirror that this host uses, if it is a Debian host; mmdebstrap's own default otherwise. */
function mirrorLines(): string[] {
  const { ID, VERSION_CODENAME = "" } = osRelease();
  if (ID !== "debian") return [];
  const mirror = sources("/etc/apt").find((source) => source.suite === VERSION_CODENAME);
  if (mirror === undefined) return [];
  const security = sources("/etc/apt").find((source) => source.suite === `${VERSION_CODENAME}-security`);
  return [
    `deb ${mirror.uri} ${suite} main`,
    `deb ${mirror.uri} ${suite}-updates main`,
    ...(security ? [`deb ${security.uri} ${suite}-security main`] : []),
  ];
}

interface Source {
  uri: string;
  suite: string;
}

/** Where apt gets packages from, in both forms that it knows: `deb URI SUITE …` lines, and paragraphs of fields. */
export function sources(aptFolder: string): Source[] {
  const parts = path.join(aptFolder, "sources.list.d");
  const files = [
    path.join(aptFolder, "sources.list"),
    ...(existsSync(parts) ? readdirSync(parts).map((name) => path.join(parts, name)) : []),
  ];
  return files
    .filter((file) => existsSync(file))
    .flatMap((file) => {
      if (file.endsWith(".list")) return lineSources(readFileSync(file, "utf8"));
      return file.endsWith(".sources") ? paragraphSources(readFileSync(file, "utf8")) : [];
    });
}

function lineSources(text: string): Source[] {
  const lines = text.matchAll(/^deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)/gm);
  return [...lines].map(([, uri = "", name = ""]) => ({ uri, suite: name }));
}

function paragraphSources(text: string): Source[] {
  return text.split(/\n\s*\n/).flatMap((paragraph) => {
    const field = (name: string) =>
      (new RegExp(`^${name}:\\s*(.+)$`, "mi").exec(paragraph)?.[1] ?? "").trim().split(/\s+/);
    if (!field("Types").includes("deb") || field("Enabled").includes("no")) return [];
    return field("URIs").flatMap((uri) => field("Suites").map((name) => ({ uri, suite: name })));
  });
}
