import { beforeAll, describe, expect, test } from "vitest";
import { ask } from "./database";
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
