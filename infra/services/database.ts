import * as pulumi from "@pulumi/pulumi";
import { databaseHost as host } from "../connections";
import type { Deployment, Platform } from "../platform";
import type { Secrets } from "../secrets";
import { renderedDatabases, serviceLogins } from "./database-access";
import type { DatabaseAccess, DatabaseLogin } from "./database-access";

export { renderDatabases } from "./database-access";

export interface DatabaseArgs {
  platform: Platform;
  image: pulumi.Input<string>;
  secrets: Secrets;
  memoryMiB: number;
  cpus?: number;
  /** What it holds at most, GiB, where the platform counts. */
  sizeGiB?: number;
}

const port = 5432;
const certificateFile = "/etc/postgresql/server.pem";
const accessFile = "/etc/postgresql/pg_hba.conf";
/** Where postgres-prepare finds the certificate's key, and puts it as the server wants it: in a file that only it can read. */
const keyFiles = { given: "/run/secrets/postgres-key", own: "server.key" };

/** PostgreSQL with a database and a role for each service that keeps state in one. Over the network it speaks TLS only. */
export class Database extends pulumi.ComponentResource implements DatabaseAccess {
  /** Host and port inside the stack. */
  readonly address = `${host}:${port}`;
  readonly catalog: DatabaseLogin;
  readonly airflow: DatabaseLogin;
  readonly authorities: pulumi.Output<string>;
  readonly deployment: Deployment;

  constructor(name: string, args: DatabaseArgs, options?: pulumi.ComponentResourceOptions) {
    super("lakestack:services:Database", name, {}, options);
    const { secrets } = args;
    const logins = serviceLogins(secrets);
    this.catalog = logins.catalog;
    this.airflow = logins.airflow;
    this.authorities = secrets.databaseAuthority;

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
          "-cssl=on",
          `-cssl_cert_file=${certificateFile}`,
          `-cssl_key_file=${keyFiles.own}`,
          `-chba_file=${accessFile}`,
        ],
        files: [
          { path: "/run/secrets/postgres", content: secrets.databasePassword },
          { path: keyFiles.given, content: secrets.databaseKey },
          { path: certificateFile, content: secrets.databaseCertificate },
          { path: accessFile, content: renderDatabaseAccess() },
          {
            path: "/etc/postgresql/init/databases.sql",
            content: renderedDatabases(logins, false),
          },
        ],
        ports: [{ name: "postgresql", port }],
        volumes: [{ name: "database", path: "/var/lib/postgresql/data", sizeGiB: args.sizeGiB }],
        // Its socket.
        scratch: ["/run/postgresql"],
        health: { ready: ["pg_isready", "-q", "-h", "127.0.0.1", "-U", "postgres", "-d", "airflow"] },
        resources: { memoryMiB: args.memoryMiB, cpus: args.cpus },
        stopGraceSeconds: 60,
      },
      this,
    );
    this.registerOutputs({ address: this.address });
  }
}

/** Who may log in, and how: over the network with TLS only (https://www.postgresql.org/docs/17/auth-pg-hba-conf.html). */
export function renderDatabaseAccess(): string {
  return ["local   all all     scram-sha-256", "hostssl all all all scram-sha-256", ""].join("\n");
}
