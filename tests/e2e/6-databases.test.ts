import { X509Certificate } from "node:crypto";
import { beforeAll, describe, expect, test } from "vitest";
import { ask } from "./database";
import { execute } from "./docker";
import { keptSecrets } from "./lakestack";

const roles = ["airflow", "catalog"] as const;
const passwords = {} as Record<(typeof roles)[number] | "postgres", string>;

beforeAll(async () => {
  const secrets = await keptSecrets();
  passwords.airflow = secrets.airflowDatabasePassword;
  passwords.catalog = secrets.catalogDatabasePassword;
  passwords.postgres = secrets.databasePassword;
});

test("nobody but the administrator has rights on the server, and all passwords are kept as SCRAM verifiers", async () => {
  const found = await ask(
    "postgres",
    passwords.postgres,
    "postgres",
    `SELECT rolname, rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls,
            left(rolpassword, 14) FROM pg_authid WHERE rolcanlogin ORDER BY rolname`,
  );
  expect(found.split("\n")).toEqual([
    "airflow|f|SCRAM-SHA-256$",
    "catalog|f|SCRAM-SHA-256$",
    "postgres|t|SCRAM-SHA-256$",
  ]);
});

describe.each(roles)("the role %s", (role) => {
  test.each(roles)("and the database %s: its own, and no other", async (database) => {
    const answer = await ask(role, passwords[role], database, "SELECT current_user");
    if (database === role) expect(answer).toBe(role);
    else expect(answer).toContain(`permission denied for database "${database}"`);
  });

  test("is refused with another's password, and without any", async () => {
    const other = passwords[role === "airflow" ? "catalog" : "airflow"];
    expect(await ask(role, other, role, "SELECT 1")).toContain("password authentication failed");
    expect(await ask(role, "", role, "SELECT 1")).toContain("no password supplied");
  });

  test("reads no password and no file of the server", async () => {
    const mayNot = /permission denied/;
    expect(await ask(role, passwords[role], role, "SELECT rolpassword FROM pg_authid")).toMatch(mayNot);
    expect(await ask(role, passwords[role], role, "SELECT pg_read_file('postgresql.conf')")).toMatch(mayNot);
    expect(await ask(role, passwords[role], role, "COPY (SELECT 1) TO PROGRAM 'cat'")).toMatch(mayNot);
  });
});

describe("over the network", () => {
  const services = ["catalog", "airflow-api", "airflow-scheduler", "airflow-dag-processor"] as const;

  test.each(["postgres", ...roles] as const)(
    "the role %s is refused without TLS, whatever its password",
    async (role) => {
      const refusal = await ask(role, passwords[role], role, "SELECT 1", "disable");
      expect(refusal).toContain("no pg_hba.conf entry");
      expect(refusal).toContain("no encryption");
    },
  );

  test("every connection of every service speaks TLS", async () => {
    const found = await ask(
      "postgres",
      passwords.postgres,
      "postgres",
      `SELECT usename, count(*), count(*) FILTER (WHERE ssl AND version IN ('TLSv1.2', 'TLSv1.3'))
       FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE client_addr IS NOT NULL GROUP BY 1 ORDER BY 1`,
    );
    const connections = found.split("\n").map((line) => line.split("|"));
    expect(connections.map(([role]) => role)).toEqual(expect.arrayContaining([...roles]));
    for (const [role, all, encrypted] of connections) expect(encrypted, `of ${role ?? ""}`).toBe(all);
  });

  test("the server shows the certificate that services check, which is for its name and of the stack's authority", async () => {
    const { databaseAuthority, databaseCertificate } = await keptSecrets();
    const server = new X509Certificate(databaseCertificate);
    expect(server.checkHost("database")).toBe("database");
    expect(server.verify(new X509Certificate(databaseAuthority).publicKey)).toBe(true);
    for (const service of services)
      expect(await execute(service, ["cat", "/etc/lakestack/database-ca.pem"]), service).toBe(
        databaseAuthority,
      );
    // As Airflow asks, with its own settings: by the right name it is let in, by an address it is not.
    const connect = (host: string) =>
      execute("airflow-scheduler", [
        "python",
        "-c",
        "import sys, psycopg2\n" +
          "url = open('/run/secrets/airflow-database').read().strip().replace('+psycopg2', '')\n" +
          "try:\n" +
          "    psycopg2.connect(url.replace('@database:', f'@{sys.argv[1]}:'))\n" +
          "    print('connected')\n" +
          "except psycopg2.OperationalError as error:\n" +
          "    print(error)\n",
        host,
      ]);
    expect(await connect("database")).toContain("connected");
    const [address = ""] = (await execute("airflow-scheduler", ["getent", "hosts", "database"])).split(/\s+/);
    expect(await connect(address)).toContain("does not match host name");
  });

  test("nobody but the server can read its key", async () => {
    const found = await execute("database", [
      "/bin/sh",
      "-c",
      'stat -c "%a %U" "$PGDATA/server.key"; id -un',
    ]);
    const [file = "", user = ""] = found.trim().split("\n");
    expect(file).toBe(`600 ${user}`);
  });
});
