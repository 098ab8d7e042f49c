import * as pulumi from "@pulumi/pulumi";
import { loginsTask } from "../connections";
import type { Deployment, TaskRunner } from "../platform";
import type { Secrets } from "../secrets";

/** A database and the role that owns it; both have the same name. */
export interface DatabaseLogin {
  name: string;
  password: pulumi.Output<string>;
}

/** PostgreSQL, as the services need to know it: the stack's own, or any other. */
export interface DatabaseAccess {
  /** Host and port. */
  readonly address: pulumi.Input<string>;
  readonly catalog: DatabaseLogin;
  readonly airflow: DatabaseLogin;
  /** PEM of the authorities whose certificate the server must show. If absent, it is not looked at. */
  readonly authorities?: pulumi.Input<string>;
  /** The server answers, and has the databases and roles. */
  readonly deployment: Deployment;
}

/** Where a service finds `authorities`. */
export const databaseAuthoritiesFile = "/etc/lakestack/database-ca.pem";

/** The role and database of each service that keeps state. */
export function serviceLogins(secrets: Secrets): Record<"catalog" | "airflow", DatabaseLogin> {
  return {
    catalog: { name: "catalog", password: secrets.catalogDatabasePassword },
    airflow: { name: "airflow", password: secrets.airflowDatabasePassword },
  };
}

export interface OutsideDatabaseArgs {
  runner: TaskRunner;
  /** Any with psql: PostgreSQL's own. */
  image: pulumi.Input<string>;
  secrets: Secrets;
  /** Host and port. */
  address: pulumi.Input<string>;
  /** A role that may create roles and databases, and its password. */
  administrator: { name: pulumi.Input<string>; password: pulumi.Input<string> };
  authorities?: pulumi.Input<string>;
}

/** A PostgreSQL server that others run; a step makes the roles and databases in it, and sets the passwords anew. */
export class OutsideDatabase extends pulumi.ComponentResource implements DatabaseAccess {
  readonly address: pulumi.Input<string>;
  readonly catalog: DatabaseLogin;
  readonly airflow: DatabaseLogin;
  readonly authorities?: pulumi.Input<string>;
  readonly deployment: Deployment;

  constructor(name: string, args: OutsideDatabaseArgs, options?: pulumi.ComponentResourceOptions) {
    super("lakestack:services:OutsideDatabase", name, {}, options);
    this.address = args.address;
    this.authorities = args.authorities;
    const logins = serviceLogins(args.secrets);
    this.catalog = logins.catalog;
    this.airflow = logins.airflow;

    const { administrator } = args;
    const host = pulumi.output(args.address).apply((address) => address.replace(/:\d+$/, ""));
    const port = pulumi.output(args.address).apply((address) => /:(\d+)$/.exec(address)?.[1] ?? "5432");
    const passwordFile = "/tmp/pgpass";
    this.deployment = args.runner.run(
      {
        name: loginsTask,
        image: args.image,
        // psql takes a password file of mode 600 only, which a mounted file can't have.
        command: [
          "/bin/sh",
          "-c",
          `umask 077 && cp /run/secrets/administrator ${passwordFile} && ` +
            "exec psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --file=/run/secrets/databases.sql",
        ],
        environment: {
          PGHOST: host,
          PGPORT: port,
          PGUSER: administrator.name,
          PGDATABASE: "postgres",
          PGPASSFILE: passwordFile,
          ...tlsEnvironment(args.authorities),
        },
        files: [
          {
            path: "/run/secrets/administrator",
            content: pulumi.secret(
              pulumi
                .all([administrator.password])
                .apply(([password]) => `*:*:*:*:${escapePassword(password ?? "")}\n`),
            ),
          },
          { path: "/run/secrets/databases.sql", content: renderedDatabases(logins, true) },
          ...authoritiesFiles(args.authorities),
        ],
        resources: { memoryMiB: 64 },
      },
      this,
    );
    this.registerOutputs({ address: this.address });
  }
}

/** What libpq and asyncpg read, so that they take no server but the right one. */
export function tlsEnvironment(authorities: DatabaseAccess["authorities"]): Record<string, string> {
  return authorities === undefined
    ? {}
    : { PGSSLMODE: "verify-full", PGSSLROOTCERT: databaseAuthoritiesFile };
}

export function authoritiesFiles(authorities: DatabaseAccess["authorities"]) {
  return authorities === undefined ? [] : [{ path: databaseAuthoritiesFile, content: authorities }];
}

/** SQL for the logins, once their passwords are known. */
export function renderedDatabases(
  logins: Record<"catalog" | "airflow", DatabaseLogin>,
  outside: boolean,
): pulumi.Output<string> {
  return pulumi
    .all(
      [logins.catalog, logins.airflow].map(({ name, password }) =>
        password.apply((known) => ({ name, password: known })),
      ),
    )
    .apply((known) => renderDatabases(known, outside));
}

/**
 * SQL that makes each role and its database, and sets the password anew; it may run at every start.
 * Passwords are letters and digits, names are our own: neither needs escaping.
 *
 * @param outside the administrator is no superuser, and can give a database only to a role that it belongs to.
 */
export function renderDatabases(logins: { name: string; password: string }[], outside = false): string {
  return logins
    .map(({ name, password }) =>
      [
        `SELECT 'CREATE ROLE ${name} LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '${name}') \\gexec`,
        `ALTER ROLE ${name} PASSWORD '${password}';`,
        ...(outside ? [`GRANT ${name} TO CURRENT_USER;`] : []),
        `SELECT 'CREATE DATABASE ${name} OWNER ${name}' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '${name}') \\gexec`,
        `REVOKE CONNECT ON DATABASE ${name} FROM PUBLIC;`,
        "",
      ].join("\n"),
    )
    .join("");
}

/** A colon or backslash would end the field. */
const escapePassword = (password: string) => password.replaceAll(/[\\:]/g, "\\$&");
