import * as pulumi from "@pulumi/pulumi";
import type { Deployment, Platform } from "../platform";
import type { Secrets } from "../secrets";

export interface DatabaseArgs {
  platform: Platform;
  image: pulumi.Input<string>;
  secrets: Secrets;
  memoryMiB: number;
  cpus?: number;
}

/** A database and the role that owns it; both have the same name. */
export interface DatabaseLogin {
  name: string;
  password: pulumi.Output<string>;
}

const host = "database";
const port = 5432;

/** PostgreSQL with a database and a role for each service that keeps state in one. */
export class Database extends pulumi.ComponentResource {
  /** Host and port on the stack's network. */
  readonly address = `${host}:${port}`;
  readonly catalog: DatabaseLogin;
  readonly airflow: DatabaseLogin;
  readonly deployment: Deployment;

  constructor(name: string, args: DatabaseArgs, options?: pulumi.ComponentResourceOptions) {
    super("lakestack:services:Database", name, {}, options);
    const { secrets } = args;
    this.catalog = { name: "catalog", password: secrets.catalogDatabasePassword };
    this.airflow = { name: "airflow", password: secrets.airflowDatabasePassword };

    this.deployment = args.platform.deploy(
      {
        name: host,
        image: args.image,
        prepare: ["postgres-prepare"],
        command: [
          "postgres",
          // An eighth of the memory: the rest is for connections, of which Airflow keeps many.
          `-cshared_buffers=${Math.floor(args.memoryMiB / 8)}MB`,
          "-cmax_connections=200",
          "-clisten_addresses=*",
        ],
        files: [
          { path: "/run/secrets/postgres", content: secrets.databasePassword },
          {
            path: "/etc/postgresql/init/databases.sql",
            content: pulumi
              .all(
                [this.catalog, this.airflow].map((login) =>
                  login.password.apply((password) => ({ name: login.name, password })),
                ),
              )
              .apply(renderDatabases),
          },
        ],
        ports: [{ name: "postgresql", port }],
        volumes: [{ name: "database", path: "/var/lib/postgresql/data" }],
        health: {
          command: ["pg_isready", "-q", "-h", "127.0.0.1", "-U", "postgres", "-d", "airflow"],
        },
        resources: { memoryMiB: args.memoryMiB, cpus: args.cpus },
        stopGraceSeconds: 60,
      },
      this,
    );
    this.registerOutputs({ address: this.address });
  }
}

/**
 * SQL that makes each role and its database, and sets the password anew; it may run at every start.
 * Passwords are letters and digits, names are our own: neither needs escaping.
 */
export function renderDatabases(logins: { name: string; password: string }[]): string {
  return logins
    .map(({ name, password }) =>
      [
        `SELECT 'CREATE ROLE ${name} LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '${name}') \\gexec`,
        `ALTER ROLE ${name} PASSWORD '${password}';`,
        `SELECT 'CREATE DATABASE ${name} OWNER ${name}' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '${name}') \\gexec`,
        `REVOKE CONNECT ON DATABASE ${name} FROM PUBLIC;`,
        "",
      ].join("\n"),
    )
    .join("");
}
