import * as pulumi from "@pulumi/pulumi";
import type { Deployment, Platform } from "../platform";
import { renderProperties } from "../properties";
import type { Secrets } from "../secrets";
import type { Database } from "./database";
import { buckets } from "./object-store";
import type { ObjectStore } from "./object-store";

export interface CatalogArgs {
  platform: Platform;
  image: pulumi.Input<string>;
  secrets: Secrets;
  database: Database;
  objectStore: ObjectStore;
  memoryMiB: number;
  cpus?: number;
  /** Port on the loopback address; not published if absent. The catalog asks for no password. */
  port?: number;
}

const host = "catalog";
const port = 19120;
const managementPort = 9000;

/** The Iceberg REST catalog: Nessie, which keeps its versions in PostgreSQL and vends keys for single tables. */
export class Catalog extends pulumi.ComponentResource {
  /** Iceberg REST endpoint on the stack's network. */
  readonly uri = `http://${host}:${port}/iceberg/`;
  readonly warehouse = "warehouse";
  readonly deployment: Deployment;

  constructor(name: string, args: CatalogArgs, options?: pulumi.ComponentResourceOptions) {
    super("lakestack:services:Catalog", name, {}, options);
    const { database, objectStore, secrets } = args;
    const properties = pulumi
      .all([database.catalog.password, secrets.catalogObjectStoreKey])
      .apply(([databasePassword, objectStoreKey]) =>
        renderCatalog({
          database: { address: database.address, name: database.catalog.name, password: databasePassword },
          objectStore: {
            endpoint: objectStore.endpoint,
            region: objectStore.region,
            user: "catalog",
            key: objectStoreKey,
          },
          warehouse: this.warehouse,
          bucket: buckets.warehouse,
        }),
      );

    this.deployment = args.platform.deploy(
      {
        name: host,
        image: args.image,
        command: [
          "java",
          // Half for the heap: the rest is metaspace, code and network buffers.
          `-Xmx${Math.floor(args.memoryMiB / 2)}m`,
          "-XX:+UseSerialGC",
          "-Dquarkus.config.locations=/etc/nessie/application.properties",
          "-jar",
          "/opt/nessie/nessie-quarkus-runner.jar",
        ],
        files: [{ path: "/etc/nessie/application.properties", content: properties }],
        ports: [{ name: "iceberg", port, publish: args.port }],
        health: {
          command: ["curl", "-fsS", "-o", "/dev/null", `http://127.0.0.1:${managementPort}/q/health/ready`],
        },
        resources: { memoryMiB: args.memoryMiB, cpus: args.cpus },
      },
      this,
      [database.deployment, objectStore.deployment],
    );
    this.registerOutputs({ uri: this.uri });
  }
}

export interface CatalogSettings {
  database: { address: string; name: string; password: string };
  objectStore: { endpoint: string; region: string; user: string; key: string };
  warehouse: string;
  bucket: string;
}

/** Nessie's configuration (projectnessie.org/nessie-latest/configuration). */
export function renderCatalog({ database, objectStore, warehouse, bucket }: CatalogSettings): string {
  const s3 = "nessie.catalog.service.s3.default-options";
  return renderProperties({
    "quarkus.http.port": port,
    "quarkus.management.port": managementPort,
    "quarkus.log.console.format": "%d{yyyy-MM-dd HH:mm:ss} %-5p %c{1.}: %s%e%n",
    "nessie.version.store.type": "JDBC2",
    "nessie.version.store.persist.jdbc.datasource": "postgresql",
    "quarkus.datasource.postgresql.jdbc.url": `jdbc:postgresql://${database.address}/${database.name}`,
    "quarkus.datasource.postgresql.username": database.name,
    "quarkus.datasource.postgresql.password": database.password,
    "nessie.catalog.default-warehouse": warehouse,
    [`nessie.catalog.warehouses.${warehouse}.location`]: `s3://${bucket}/`,
    [`${s3}.endpoint`]: `${objectStore.endpoint}/`,
    [`${s3}.region`]: objectStore.region,
    [`${s3}.path-style-access`]: true,
    [`${s3}.access-key`]: "urn:nessie-secret:quarkus:lakestack.object-store",
    "lakestack.object-store.name": objectStore.user,
    "lakestack.object-store.secret": objectStore.key,
    // Iceberg's client asks for signatures at a path that Nessie doesn't have; vended keys need none.
    [`${s3}.request-signing-enabled`]: false,
    [`${s3}.sts-endpoint`]: `${objectStore.endpoint}/`,
    [`${s3}.client-iam.enabled`]: true,
    // MinIO takes any role: what it vends is cut down from the policy of the user who asks.
    [`${s3}.client-iam.assume-role`]: "arn:aws:iam::000000000000:role/lakestack",
    // Nessie tells no expiry with the keys, so nobody renews them: longer than the longest job.
    [`${s3}.client-iam.session-duration`]: "PT12H",
  });
}
