import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import Docker from "dockerode";
import { UserError } from "./user-error";

/** Where the Docker engine is, as an address in the form of DOCKER_HOST, and the key material to talk to it. */
export interface DockerEndpoint {
  address: string;
  /** How the address was found, for messages. */
  origin: string;
  /** Folder with `ca.pem`, `cert.pem` and `key.pem`, where the endpoint speaks TLS. */
  certificates?: string;
}

/** Where the system's own engine listens. */
export const systemSocket = "/var/run/docker.sock";

/** The engine that the `docker` command would use: DOCKER_HOST, else the current context, else a socket where engines put it. */
export function dockerEndpoint(): DockerEndpoint {
  const { DOCKER_HOST, DOCKER_CERT_PATH, DOCKER_TLS_VERIFY } = process.env;
  if (DOCKER_HOST) {
    const tls = DOCKER_TLS_VERIFY ? (DOCKER_CERT_PATH ?? path.join(os.homedir(), ".docker")) : undefined;
    return { address: DOCKER_HOST, origin: "DOCKER_HOST", certificates: tls };
  }
  return contextEndpoint() ?? { address: `unix://${defaultSocket()}`, origin: "the default socket" };
}

/** A client for that engine. Makes no connection: the first call does. */
export function dockerClient(): Docker {
  const endpoint = dockerEndpoint();
  const { address } = endpoint;
  const [scheme, rest = ""] = address.split("://", 2);
  if (scheme === "unix" || scheme === "npipe") return new Docker({ socketPath: rest });

  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (!url?.hostname || !["tcp", "http", "https", "ssh"].includes(scheme ?? "")) {
    throw new UserError(
      `The Docker address "${address}" (from ${endpoint.origin}) is not one of unix://, tcp://, http(s):// or ssh://.`,
      "Correct DOCKER_HOST or the Docker context, for example DOCKER_HOST=unix:///var/run/docker.sock.",
    );
  }
  const host = url.hostname.replace(/^\[|\]$/g, "");
  if (scheme === "ssh") {
    const sshOptions = { agentForward: false };
    return new Docker({
      protocol: "ssh",
      host,
      port: url.port || 22,
      username: url.username || os.userInfo().username,
      sshOptions,
    });
  }
  if (endpoint.certificates === undefined && scheme !== "https") {
    return new Docker({ protocol: "http", host, port: url.port || 2375 });
  }
  const pem = (name: string) => {
    const file = endpoint.certificates && path.join(endpoint.certificates, name);
    return file && existsSync(file) ? readFileSync(file) : undefined;
  };
  const keys = { ca: pem("ca.pem"), cert: pem("cert.pem"), key: pem("key.pem") };
  return new Docker({ protocol: "https", host, port: url.port || 2376, ...keys });
}

interface DockerConfig {
  currentContext?: string;
}

interface ContextMetadata {
  Endpoints?: { docker?: { Host?: string } };
}

function contextEndpoint(): DockerEndpoint | undefined {
  const folder = process.env["DOCKER_CONFIG"] ?? path.join(os.homedir(), ".docker");
  const config = readJson(path.join(folder, "config.json")) as DockerConfig | undefined;
  const name = process.env["DOCKER_CONTEXT"] ?? config?.currentContext;
  if (!name || name === "default") return undefined;

  const id = createHash("sha256").update(name).digest("hex");
  const metadata = readJson(path.join(folder, "contexts", "meta", id, "meta.json")) as
    ContextMetadata | undefined;
  const address = metadata?.Endpoints?.docker?.Host;
  if (!address) {
    throw new UserError(
      `The current Docker context "${name}" has no Docker endpoint.`,
      "Choose another with `docker context use default`, or set DOCKER_HOST.",
    );
  }
  const certificates = path.join(folder, "contexts", "tls", id, "docker");
  return {
    address,
    origin: `the Docker context "${name}"`,
    certificates: existsSync(certificates) ? certificates : undefined,
  };
}

/** The first socket that exists of: the system's engine, a rootless one, Docker Desktop's on macOS and on Linux. */
function defaultSocket(): string {
  const runtime = process.env["XDG_RUNTIME_DIR"];
  const candidates = [
    systemSocket,
    ...(runtime ? [path.join(runtime, "docker.sock")] : []),
    path.join(os.homedir(), ".docker", "run", "docker.sock"),
    path.join(os.homedir(), ".docker", "desktop", "docker.sock"),
  ];
  return candidates.find((socket) => existsSync(socket)) ?? systemSocket;
}

function readJson(file: string): unknown {
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : undefined;
}
