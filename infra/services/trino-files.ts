import { createHash } from "node:crypto";
import { renderProperties } from "../properties";
import { drainUser } from "../users";
import { heapOf } from "./jvm";

export const etc = "/etc/trino";
/** TLS and passwords: what clients use. */
export const clientPort = 8443;
/** Where coordinator and workers talk to each other; closed to everybody else. */
export const internalPort = 8080;

/** JVM options, by the container's memory. */
export function renderJvm(memoryMiB: number): string {
  return [
    "-server",
    `-Xmx${heapOf(memoryMiB)}M`,
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-OmitStackTraceInFastThrow",
    "-XX:ReservedCodeCacheSize=192M",
    "-Djdk.attach.allowAttachSelf=true",
    "-Djdk.nio.maxCachedBufferSize=2000000",
    "-Dfile.encoding=UTF-8",
    "",
  ].join("\n");
}

/** Trino's log levels. At its start it would log all of its settings, also the token by which the audit log knows it. */
export const renderLogLevels = () => renderProperties({ "io.trino": "INFO", Bootstrap: "WARN" });

/** Files that Trino reads again when they change: who may log in, who is what, and who may do what. */
export const accessFolder = `${etc}/access`;
export const accessFiles = {
  passwords: `${accessFolder}/passwords`,
  groups: `${accessFolder}/groups`,
  rules: `${accessFolder}/rules.json`,
} as const;

/**
 * Cipher suites at Trino's door: those of TLS 1.3, and those of 1.2 with keys of their own for each connection and
 * authenticated encryption. Java offers block ciphers with CBC, too. For certificates with ECDSA keys, as the stack's are,
 * and with RSA keys, as one's own may be. (RFC 9325, 4.2)
 */
const cipherSuites = [
  "TLS_AES_256_GCM_SHA384",
  "TLS_AES_128_GCM_SHA256",
  "TLS_CHACHA20_POLY1305_SHA256",
  ...["ECDSA", "RSA"].flatMap((key) =>
    ["AES_256_GCM_SHA384", "AES_128_GCM_SHA256", "CHACHA20_POLY1305_SHA256"].map(
      (cipher) => `TLS_ECDHE_${key}_WITH_${cipher}`,
    ),
  ),
];

/** How often it looks for a change. */
const refreshPeriod = "2s";

/** Key and certificate, where the stack's own authority has made them. */
export const ownCertificateFile = `${accessFolder}/tls.pem`;

/**
 * Key and certificate as Trino reads them: one PEM file. Trino compares the content only if time or length have changed, and
 * Docker's plugin gives all files the same time: the length is another for another certificate, by blank lines at the end.
 */
export function renderKeystore(key: string, certificate: string): string {
  const content = key + certificate;
  const blank = createHash("sha256").update(content).digest().readUInt16BE() % 4096;
  return content + "\n".repeat(blank);
}

/**
 * The coordinator's config.properties. Plain HTTP is for Trino's own parts: within the container, or from the workers.
 *
 * @param separateWorkers others do the work, and queries wait for the first of them.
 * @param certificateFile key and certificate in PEM; a new one is taken without a restart.
 * @param more settings: limits of queries for those who have no others, and other ways to log in.
 */
export function renderServer(
  internalSecret: string,
  separateWorkers = false,
  certificateFile = ownCertificateFile,
  more: Record<string, string> = {},
): string {
  return renderProperties({
    coordinator: true,
    "node-scheduler.include-coordinator": !separateWorkers,
    "http-server.http.port": internalPort,
    "discovery.uri": `http://localhost:${internalPort}`,
    "http-server.https.enabled": true,
    "http-server.https.port": clientPort,
    "http-server.https.keystore.path": certificateFile,
    "http-server.https.ssl-context.refresh-time": refreshPeriod,
    "http-server.https.included-cipher": cipherSuites.join(","),
    "http-server.authentication.type": "PASSWORD",
    "internal-communication.shared-secret": internalSecret,
    "catalog.management": "static",
    ...(separateWorkers
      ? {
          ...internalAddress,
          "query-manager.required-workers": 1,
          "query-manager.required-workers-max-wait": "5m",
        }
      : {}),
    ...more,
  });
}

/** Environment variable with the address at which the other nodes call this one. */
export const nodeAddressVariable = "TRINO_INTERNAL_ADDRESS";

/** By itself a node tells the others the first of its addresses, which may be on a network that they are not on. */
const internalAddress = { "node.internal-address": `\${ENV:${nodeAddressVariable}}` };

/** A worker's config.properties. */
export function renderWorker(internalSecret: string, coordinator: string): string {
  return renderProperties({
    coordinator: false,
    "http-server.http.port": internalPort,
    "discovery.uri": `http://${coordinator}:${internalPort}`,
    ...internalAddress,
    "internal-communication.shared-secret": internalSecret,
    "catalog.management": "static",
    // Twice so long when it goes: until the coordinator knows, and until all has been fetched from it.
    "shutdown.grace-period": "10s",
  });
}

/** Who may do what on a worker: nothing but to drain it. */
export function renderWorkerRules(): string {
  return `${JSON.stringify({ catalogs: [], system_information: [{ user: drainUser, allow: ["write"] }] }, undefined, 2)}\n`;
}

/** Asks the node over plain HTTP whether it has started. Bash opens the connection: the image has no curl. */
export const askWhetherStarted = [
  "/bin/bash",
  "-c",
  `exec 3<>/dev/tcp/127.0.0.1/${internalPort} && printf 'GET /v1/info HTTP/1.0\\r\\n\\r\\n' >&3 && ` +
    `grep -q '"starting":false' <&3`,
];

/** Tells the worker to take no new work, and ends when it has done what it had and gone. */
export function renderDrain(): string {
  return `#!/bin/bash
# Tells this worker to go when it has done its work, and waits until it has: its process then ends by itself.
request() {
  exec 3<>/dev/tcp/127.0.0.1/${internalPort} || return 1
  printf "$1" >&3
  cat <&3
  exec 3>&-
}
request 'PUT /v1/info/state HTTP/1.0\\r\\nX-Trino-User: ${drainUser}\\r\\nContent-Type: application/json\\r\\nContent-Length: 15\\r\\n\\r\\n"SHUTTING_DOWN"'
while request 'GET /v1/info/state HTTP/1.0\\r\\n\\r\\n' > /dev/null 2>&1; do sleep 2; done
`;
}

/** The coordinator's files that say where the rest of the access control is, by their names. */
export function renderAccessControl(): Record<string, string> {
  return {
    "password-authenticator.properties": renderProperties({
      "password-authenticator.name": "file",
      "file.password-file": accessFiles.passwords,
      "file.refresh-period": refreshPeriod,
    }),
    "group-provider.properties": renderProperties({
      "group-provider.name": "file",
      "file.group-file": accessFiles.groups,
      "file.refresh-period": refreshPeriod,
    }),
    "access-control.properties": renderProperties({
      "access-control.name": "file",
      "security.config-file": accessFiles.rules,
      "security.refresh-period": refreshPeriod,
    }),
    "resource-groups.properties": renderProperties({
      "resource-groups.configuration-manager": "file",
      "resource-groups.config-file": `${etc}/resource-groups.json`,
    }),
    "session-property-config.properties": renderProperties({
      "session-property-config.configuration-manager": "file",
      "session-property-manager.config-file": `${etc}/session-defaults.json`,
    }),
  };
}

export function renderIcebergCatalog(settings: {
  uri: string;
  warehouse: string;
  /** By which the catalog knows who calls. */
  token: string;
  endpoint?: string;
  region: string;
  pathStyle: boolean;
}): string {
  return renderProperties({
    "connector.name": "iceberg",
    "iceberg.catalog.type": "rest",
    "iceberg.rest-catalog.uri": settings.uri,
    "iceberg.rest-catalog.warehouse": settings.warehouse,
    "iceberg.rest-catalog.security": "OAUTH2",
    "iceberg.rest-catalog.oauth2.token": settings.token,
    // Who gives tokens out is the stack's program; the catalog gives none.
    "iceberg.rest-catalog.oauth2.token-refresh-enabled": false,
    "iceberg.rest-catalog.vended-credentials-enabled": true,
    "iceberg.file-format": "PARQUET",
    // Trino would take the files of all states but the current one for orphans: refused for any table (decision 0028).
    "iceberg.remove-orphan-files.min-retention": "36500d",
    // How tables come from another stack (decision 0038). The keys that the catalog lends reach the table's own folder only.
    "iceberg.add-files-procedure.enabled": true,
    "fs.native-s3.enabled": true,
    "s3.endpoint": settings.endpoint,
    "s3.region": settings.region,
    "s3.path-style-access": settings.pathStyle,
  });
}
