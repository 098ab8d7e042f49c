import { pbkdf2Sync } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";
import type { Deployment, Platform } from "../platform";
import { renderProperties } from "../properties";
import type { Secrets } from "../secrets";
import type { RenderedFile } from "../workload";
import type { Catalog } from "./catalog";
import type { ObjectStore } from "./object-store";

export interface TrinoArgs {
  platform: Platform;
  image: pulumi.Input<string>;
  secrets: Secrets;
  catalog: Catalog;
  objectStore: ObjectStore;
  /** The user who may log in. */
  user: string;
  memoryMiB: number;
  cpus?: number;
  /** Port of TLS on the loopback address. */
  port: number;
}

const host = "trino";
const port = 8443;
const etc = "/etc/trino";

/** Names that Trino's certificate is valid for. */
export const trinoHosts = (stack: string) => ["localhost", "127.0.0.1", host, `lakestack-${stack}-${host}`];

/** Trino, coordinator and worker in one, behind TLS and a password. */
export class Trino extends pulumi.ComponentResource {
  /** Host and port on the stack's network. */
  readonly host = host;
  readonly port = port;
  /** Name of the Iceberg catalog in Trino. */
  readonly catalogName = "iceberg";
  readonly deployment: Deployment;

  constructor(name: string, args: TrinoArgs, options?: pulumi.ComponentResourceOptions) {
    super("lakestack:services:Trino", name, {}, options);
    this.deployment = args.platform.deploy(
      {
        name: host,
        image: args.image,
        command: ["/opt/trino/bin/launcher", "run", "--etc-dir", etc, "--data-dir", "/var/lib/trino"],
        files: this.files(args),
        ports: [{ name: "https", port, publish: args.port }],
        health: {
          command: [
            "/bin/sh",
            "-c",
            // At the door that clients use, with the certificate checked as they check it.
            `printf 'GET /v1/info HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n' | ` +
              `openssl s_client -quiet -verify_return_error -verify_hostname localhost -CAfile ${etc}/ca.pem ` +
              `-connect localhost:${port} 2>&1 | grep -q '"starting":false'`,
          ],
        },
        resources: { memoryMiB: args.memoryMiB, cpus: args.cpus },
      },
      this,
      [args.catalog.deployment, args.objectStore.deployment],
    );
    this.registerOutputs({ host: this.host, port: this.port });
  }

  private files({ secrets, catalog, objectStore, user, memoryMiB }: TrinoArgs): RenderedFile[] {
    const file = (name: string, content: pulumi.Input<string>) => ({ path: `${etc}/${name}`, content });
    return [
      file("node.properties", renderProperties({ "node.environment": "lakestack" })),
      file("jvm.config", renderJvm(memoryMiB)),
      file("config.properties", secrets.trinoInternalSecret.apply(renderServer)),
      file("log.properties", renderProperties({ "io.trino": "INFO" })),
      file(
        "password-authenticator.properties",
        renderProperties({
          "password-authenticator.name": "file",
          "file.password-file": `${etc}/users/passwords`,
          "file.refresh-period": "5s",
        }),
      ),
      file(
        "users/passwords",
        pulumi
          .all([secrets.trinoPassword, secrets.trinoPasswordSalt])
          .apply(([password, salt]) => renderPassword(user, password, salt)),
      ),
      file("tls.pem", pulumi.interpolate`${secrets.trinoKey}${secrets.trinoCertificate}`),
      file("ca.pem", secrets.caCertificate),
      file(
        `catalog/${this.catalogName}.properties`,
        renderIcebergCatalog({
          uri: catalog.uri,
          warehouse: catalog.warehouse,
          endpoint: objectStore.endpoint,
          region: objectStore.region,
        }),
      ),
    ];
  }
}

/** JVM options. Heap is six tenths of the container's memory: the rest is direct buffers, metaspace and code. */
export function renderJvm(memoryMiB: number): string {
  return [
    "-server",
    `-Xmx${Math.floor(memoryMiB * 0.6)}M`,
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-OmitStackTraceInFastThrow",
    "-XX:ReservedCodeCacheSize=192M",
    "-Djdk.attach.allowAttachSelf=true",
    "-Djdk.nio.maxCachedBufferSize=2000000",
    "-Dfile.encoding=UTF-8",
    "",
  ].join("\n");
}

/** Trino's config.properties. Plain HTTP stays inside the container: Trino's own parts talk over it. */
export function renderServer(internalSecret: string): string {
  return renderProperties({
    coordinator: true,
    "node-scheduler.include-coordinator": true,
    "http-server.http.port": 8080,
    "discovery.uri": "http://localhost:8080",
    "http-server.https.enabled": true,
    "http-server.https.port": port,
    "http-server.https.keystore.path": `${etc}/tls.pem`,
    "http-server.authentication.type": "PASSWORD",
    "internal-communication.shared-secret": internalSecret,
    "catalog.management": "static",
  });
}

/** One line of Trino's password file: PBKDF2 with HMAC-SHA1, the only form of it that Trino matches. */
export function renderPassword(user: string, password: string, saltHex: string): string {
  const iterations = 120_000;
  const hash = pbkdf2Sync(password, Buffer.from(saltHex, "hex"), iterations, 32, "sha1").toString("hex");
  return `${user}:${iterations}:${saltHex}:${hash}\n`;
}

export function renderIcebergCatalog(settings: {
  uri: string;
  warehouse: string;
  endpoint: string;
  region: string;
}): string {
  return renderProperties({
    "connector.name": "iceberg",
    "iceberg.catalog.type": "rest",
    "iceberg.rest-catalog.uri": settings.uri,
    "iceberg.rest-catalog.warehouse": settings.warehouse,
    "iceberg.rest-catalog.vended-credentials-enabled": true,
    "iceberg.file-format": "PARQUET",
    "fs.native-s3.enabled": true,
    "s3.endpoint": settings.endpoint,
    "s3.region": settings.region,
    "s3.path-style-access": true,
  });
}
