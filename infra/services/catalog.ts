import * as pulumi from "@pulumi/pulumi";
import { catalogRules } from "../catalog-access";
import { tokenAudience, tokenIssuer, tokenPublicKey as publicHalf } from "../catalog-tokens";
import type { IdentityProvider } from "../identity-provider";
import type { Deployment, Platform } from "../platform";
import { type PropertyValue, renderProperties } from "../properties";
import type { Secrets } from "../secrets";
import { certificatesIn } from "../tls";
import type { RenderedFile } from "../workload";
import { authoritiesFiles, databaseAuthoritiesFile } from "./database-access";
import type { DatabaseAccess } from "./database-access";
import type { ObjectStorage, StoreSettings } from "./object-storage";

export interface CatalogArgs {
  platform: Platform;
  image: pulumi.Input<string>;
  secrets: Secrets;
  database: DatabaseAccess;
  objectStore: ObjectStorage;
  /** Whose tokens are taken beside the stack's own. Default nobody's. */
  identityProvider?: IdentityProvider;
  /** Instances on the one database. Default one. */
  replicas?: number;
  memoryMiB: number;
  cpus?: number;
  /** Port on the loopback address; not published if absent. */
  port?: number;
}

const host = "catalog";
const port = 19120;
const managementPort = 9000;

/**
 * The Iceberg REST catalog: Nessie, which keeps its versions in PostgreSQL and vends keys for single tables. It answers to
 * those who bring a token of the stack, as far as `catalogAccess` lets them.
 */
export class Catalog extends pulumi.ComponentResource {
  /** Iceberg REST endpoint inside the stack. */
  readonly uri = `http://${host}:${port}/iceberg/`;
  readonly warehouse = "warehouse";
  readonly deployment: Deployment;

  constructor(name: string, args: CatalogArgs, options?: pulumi.ComponentResourceOptions) {
    super("lakestack:services:Catalog", name, {}, options);
    const { database, objectStore, identityProvider } = args;
    const authorities = authorityFiles(identityProvider);

    this.deployment = args.platform.deploy(
      {
        name: host,
        image: args.image,
        command: trusting(authorities, [
          "java",
          // Half for the heap: the rest is metaspace, code and network buffers.
          `-Xmx${Math.floor(args.memoryMiB / 2)}m`,
          "-XX:+UseSerialGC",
          "-Dquarkus.config.locations=/etc/nessie/application.properties",
          "-jar",
          "/opt/nessie/nessie-quarkus-runner.jar",
        ]),
        files: [
          { path: "/etc/nessie/application.properties", content: this.properties(args) },
          ...authorities,
          ...authoritiesFiles(database.authorities),
        ],
        ports: [{ name: "iceberg", port, publish: args.port }],
        replicas: args.replicas,
        health: {
          ready: { port: managementPort, path: "/q/health/ready" },
          // Ready it is with its database only.
          alive: { port: managementPort, path: "/q/health/live" },
        },
        resources: { memoryMiB: args.memoryMiB, cpus: args.cpus },
      },
      this,
      [database.deployment, objectStore.deployment],
    );
    this.registerOutputs({ uri: this.uri });
  }

  private properties({
    secrets,
    database,
    objectStore,
    identityProvider,
  }: CatalogArgs): pulumi.Output<string> {
    const { endpoint, region, pathStyle, lending, buckets } = objectStore;
    const keys = objectStore.keys("catalog");
    const values = pulumi.all([
      database.address,
      database.catalog.password,
      buckets.warehouse,
      lending.role,
      keys === undefined ? undefined : pulumi.all([keys.user, keys.key]),
      secrets.catalogTokenKey,
    ]);
    return values.apply(([address, password, bucket, role, pair, tokenKey]) =>
      renderCatalog({
        database: {
          address,
          name: database.catalog.name,
          password,
          tls: database.authorities !== undefined,
        },
        objectStore: { endpoint, region, pathStyle, user: pair?.[0], key: pair?.[1] },
        lending: { role, endpoint: lending.endpoint, hours: lending.hours },
        warehouse: this.warehouse,
        bucket,
        tokenPublicKey: publicHalf(tokenKey),
        identityProvider,
      }),
    );
  }
}

export interface CatalogSettings {
  database: { address: string; name: string; password: string; tls?: boolean };
  objectStore: StoreSettings;
  lending: { role: string; endpoint?: string; hours: number };
  warehouse: string;
  bucket: string;
  /** What callers' tokens are checked with: base64 of an RSA key's DER form. */
  tokenPublicKey: string;
  /** Whose tokens are taken beside them. */
  identityProvider?: Omit<IdentityProvider, "clientSecret">;
}

/** Nessie's configuration (projectnessie.org/nessie-latest/configuration). */
export function renderCatalog({
  database,
  objectStore,
  lending,
  warehouse,
  bucket,
  tokenPublicKey,
  identityProvider,
}: CatalogSettings): string {
  const s3 = "nessie.catalog.service.s3.default-options";
  const withKeys = objectStore.user !== undefined;
  const tls =
    database.tls === true ? `?ssl=true&sslmode=verify-full&sslrootcert=${databaseAuthoritiesFile}` : "";
  const slash = (url: string | undefined) => (url === undefined ? undefined : `${url}/`);
  return renderProperties({
    "quarkus.http.port": port,
    "quarkus.management.port": managementPort,
    "quarkus.log.console.format": "%d{yyyy-MM-dd HH:mm:ss} %-5p %c{1.}: %s%e%n",
    "nessie.server.authentication.enabled": true,
    // The stack's tokens are checked with the key that is here: no server of identities is asked.
    "quarkus.oidc.tenant-enabled": true,
    "quarkus.oidc.application-type": "service",
    "quarkus.oidc.public-key": tokenPublicKey,
    "quarkus.oidc.token.issuer": tokenIssuer,
    "quarkus.oidc.token.audience": tokenAudience,
    ...(identityProvider === undefined ? {} : issuerTenant(identityProvider)),
    "nessie.server.authorization.enabled": true,
    ...Object.fromEntries(
      Object.entries(catalogRules(identityProvider)).map(([name, rule]) => [
        `nessie.server.authorization.rules.${name}`,
        rule,
      ]),
    ),
    "nessie.version.store.type": "JDBC2",
    "nessie.version.store.persist.jdbc.datasource": "postgresql",
    "quarkus.datasource.postgresql.jdbc.url": `jdbc:postgresql://${database.address}/${database.name}${tls}`,
    "quarkus.datasource.postgresql.username": database.name,
    "quarkus.datasource.postgresql.password": database.password,
    // A first connection over TLS, on a machine that starts everything at once, takes longer than the default's five seconds.
    "quarkus.datasource.postgresql.jdbc.acquisition-timeout": "30S",
    "nessie.catalog.default-warehouse": warehouse,
    [`nessie.catalog.warehouses.${warehouse}.location`]: `s3://${bucket}/`,
    [`${s3}.endpoint`]: slash(objectStore.endpoint),
    [`${s3}.region`]: objectStore.region,
    [`${s3}.path-style-access`]: objectStore.pathStyle,
    // Without keys of its own it takes the identity that the platform gives it.
    [`${s3}.auth-type`]: withKeys ? undefined : "APPLICATION_GLOBAL",
    [`${s3}.access-key`]: withKeys ? "urn:nessie-secret:quarkus:lakestack.object-store" : undefined,
    "lakestack.object-store.name": objectStore.user,
    "lakestack.object-store.secret": objectStore.key,
    // Iceberg's client asks for signatures at a path that Nessie doesn't have; vended keys need none.
    [`${s3}.request-signing-enabled`]: false,
    [`${s3}.sts-endpoint`]: slash(lending.endpoint),
    [`${s3}.client-iam.enabled`]: true,
    [`${s3}.client-iam.assume-role`]: lending.role,
    // Nessie tells no expiry with the keys, so nobody renews them: longer than the longest job.
    [`${s3}.client-iam.session-duration`]: `PT${lending.hours}H`,
  });
}

/**
 * A second tenant, as Quarkus calls whose tokens it takes: a token's own issuer decides which of the two checks it
 * (quarkus.io/guides/security-openid-connect-multitenancy). If this issuer can't be asked, the stack's tokens are good all the same.
 */
function issuerTenant(provider: Omit<IdentityProvider, "clientSecret">): Record<string, PropertyValue> {
  // The last part of a request's path chooses a tenant, too: this must be no table's or branch's name.
  const tenant = "quarkus.oidc.lakestack-people";
  return {
    "quarkus.oidc.resolve-tenants-with-issuer": true,
    [`${tenant}.application-type`]: "service",
    [`${tenant}.auth-server-url`]: provider.issuer,
    [`${tenant}.client-id`]: provider.clientId,
    [`${tenant}.token.issuer`]: provider.issuer,
    [`${tenant}.token.audience`]: provider.clientId,
    [`${tenant}.token.principal-claim`]: provider.userClaim,
    // The rules know people by the issuer's URL among their roles. In quotes a slash is part of the claim's name.
    [`${tenant}.roles.role-claim-path`]: `"${provider.groupsClaim}",iss`,
    ...(provider.authorities === undefined
      ? {}
      : {
          [`${tenant}.tls.trust-store-file`]: trustStore,
          [`${tenant}.tls.trust-store-password`]: trustStorePassword,
        }),
  };
}

const trustStore = "/tmp/issuer.p12";
/** It holds nothing but what everybody may see. */
const trustStorePassword = "changeit";

/** Java's tool takes one certificate a file. */
const authorityFiles = (provider: IdentityProvider | undefined): RenderedFile[] =>
  certificatesIn(provider?.authorities ?? "").map((certificate, index) => ({
    path: `/etc/nessie/issuer-${index + 1}.pem`,
    content: `${certificate}\n`,
  }));

/** Quarkus 3.15 asks an issuer with Java's trust stores only, which are no text: it is made where it is needed. */
function trusting(authorities: RenderedFile[], command: string[]): string[] {
  if (authorities.length === 0) return command;
  const imports = authorities.map(
    ({ path }, index) =>
      `keytool -importcert -noprompt -storetype PKCS12 -storepass ${trustStorePassword} -keystore ${trustStore} ` +
      `-alias issuer-${index + 1} -file ${path}`,
  );
  // A container that is started again has the former store.
  return ["/bin/sh", "-c", `rm -f ${trustStore} && ${imports.join(" && ")} && exec "$@"`, "sh", ...command];
}
