import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import * as os from "node:os";
import * as path from "node:path";
import { promisify } from "node:util";
import { dockerClient, withoutCredentials } from "../toolchain/index";
import type { Finding } from "./checks";

/** A registry that does not answer within this time, ms, is not to be counted on. */
const patience = 15_000;

const run = promisify(execFile);

/** Asks each registry that builds and installs use, by its own client's settings: whatever mirror is set is the one asked. */
export function checkRegistries(): Promise<Finding[]> {
  return Promise.all([
    check("npm", askNpm, "Packages can't be installed: see npm config get registry, and the network."),
    check(
      "PyPI",
      askPip,
      "Image builds take Airflow and Spark from there: see pip config list, and the network.",
    ),
    check(
      "Maven",
      askMaven,
      "Image builds take Trino and Nessie from there: see ~/.m2/settings.xml, and the network.",
    ),
    check("Go modules", askGo, "Image builds take MinIO from there: see go env GOPROXY, and the network."),
    check("Debian packages", askApt, "Image builds use them: see /etc/apt/sources.list, and the network."),
    check("Docker registry", askDocker, "Nothing to do: the base image is then made from Debian packages."),
  ]);
}

/** Says why something can't be asked here. */
class Unasked extends Error {}

async function check(registry: string, ask: () => Promise<string>, remedy: string): Promise<Finding> {
  const name = `Registry: ${registry}`;
  try {
    return { check: name, level: "fine", found: `answers (${await ask()})` };
  } catch (error) {
    if (error instanceof Unasked) return { check: name, level: "skipped", found: error.message };
    return { check: name, level: "warning", found: `does not answer: ${reason(error)}`, remedy };
  }
}

/** One line that says most; addresses may hold credentials and are left out. */
function reason(error: unknown): string {
  const { stderr, message, killed } = error as { stderr?: string; message: string; killed?: boolean };
  if (killed === true) return `nothing within ${patience / 1000} s`;
  const lines = (stderr ?? message).split("\n").filter((line) => line.trim() !== "");
  const telling =
    lines.findLast((line) => /error|fail|refused|denied|unable|could not/i.test(line)) ?? lines.at(-1);
  return withoutCredentials(telling?.trim() ?? message);
}

async function present(program: string, otherwise: string): Promise<void> {
  await run(program, ["--version"], { timeout: patience }).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") throw new Unasked(otherwise);
  });
}

async function askNpm(): Promise<string> {
  await run("npm", ["ping", "--loglevel=error"], { timeout: patience });
  return "npm ping";
}

async function askPip(): Promise<string> {
  await present("pip3", "there is no pip here to ask it with; the image builds bring their own");
  const args = [
    "index",
    "versions",
    "wheel",
    "--disable-pip-version-check",
    "--retries",
    "0",
    "--timeout",
    "10",
  ];
  await run("pip3", args, { timeout: patience });
  return "pip index";
}

async function askMaven(): Promise<string> {
  const settings = await readFile(path.join(os.homedir(), ".m2", "settings.xml"), "utf8").catch(() => "");
  const mirror = /<mirror>[\s\S]*?<url>\s*([^<\s]+)\s*<\/url>/.exec(settings)?.[1];
  if (mirror === undefined)
    throw new Unasked("no mirror is set in ~/.m2/settings.xml; the image builds use Maven's default");
  await fetchHead(mirror);
  return "the mirror of settings.xml";
}

async function askGo(): Promise<string> {
  const setting =
    process.env["GOPROXY"] ??
    (await run("go", ["env", "GOPROXY"]).then(
      ({ stdout }) => stdout.trim(),
      () => "",
    ));
  const proxy = setting.split(/[,|]/).find((part) => part.startsWith("http"));
  if (proxy === undefined) throw new Unasked("no GOPROXY is set; the image builds use Go's default");
  await fetchHead(`${proxy.replace(/\/$/, "")}/golang.org/x/text/@v/v0.3.0.info`);
  return "GOPROXY";
}

async function askApt(): Promise<string> {
  const folder = "/etc/apt/sources.list.d";
  const files = [
    "/etc/apt/sources.list",
    ...(await readdir(folder).catch(() => [])).map((file) => path.join(folder, file)),
  ];
  const text = (await Promise.all(files.map((file) => readFile(file, "utf8").catch(() => "")))).join("\n");
  const release = await readFile("/etc/os-release", "utf8").catch(() => "");
  const source = aptSource(text, /^VERSION_CODENAME=(\S+)/m.exec(release)?.[1] ?? "");
  if (source === undefined)
    throw new Unasked("this is no Debian or Ubuntu; the image builds use Debian's default");
  await fetchHead(`${source.uri.replace(/\/$/, "")}/dists/${source.suite}/InRelease`);
  return "apt's first source";
}

/** The first source of the release itself (not of some other vendor), in either form that apt reads. */
export function aptSource(text: string, codename: string): { uri: string; suite: string } | undefined {
  const lines = [...text.matchAll(/^deb\s+(?:\[[^\]]*\]\s+)?(https?:\S+)\s+(\S+)/gm)];
  const stanzas = text
    .split(/\n\s*\n/)
    .map((stanza) => [
      stanza,
      /^URIs:\s*(https?:\S+)/m.exec(stanza)?.[1],
      /^Suites:\s*(\S+)/m.exec(stanza)?.[1],
    ]);
  for (const [, uri, suite] of [...lines, ...stanzas]) {
    if (uri !== undefined && suite !== undefined && suite === codename) return { uri, suite };
  }
  return undefined;
}

async function askDocker(): Promise<string> {
  const distribution = dockerClient().getImage("debian:trixie-slim").distribution();
  const late = new Promise<never>((_, reject) => {
    setTimeout(() => {
      reject(new Error(`nothing within ${patience / 1000} s`));
    }, patience).unref();
  });
  await Promise.race([distribution, late]).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== undefined) throw new Unasked("Docker does not answer");
    throw error;
  });
  return "debian:trixie-slim";
}

/** A network that inspects TLS shows certificates that Node.js may not trust; image builds get the host's own bundle. */
const untrusted = [
  "SELF_SIGNED_CERT_IN_CHAIN",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
];

/** Any answer of the server's own, even "not found", says that it can be reached. */
async function fetchHead(address: string): Promise<void> {
  try {
    const response = await fetch(address, { method: "HEAD", signal: AbortSignal.timeout(patience) });
    if (response.status >= 500 || response.status === 403) throw new Error(`HTTP ${response.status}`);
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    if (!untrusted.includes((cause as NodeJS.ErrnoException).code ?? "")) throw cause;
  }
}
