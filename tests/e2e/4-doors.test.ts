import { expect, test } from "vitest";
import { createAuthority, createCertificate } from "../../infra/tls";
import { caFile, clientFile, jdbcJar, jdbcUrl, runClient } from "./client-container";
import { outputs } from "./lakestack";
import { counts, query } from "./trino";
import { analyst } from "./users";

const java = (program: string, ...args: string[]) => ["java", "-cp", jdbcJar, clientFile(program), ...args];
const trusting = (file: string) => `&SSLTrustStorePath=${file}`;

test("the JDBC driver gets in with the right password, and each other way is refused in words", async () => {
  const strangers = await createAuthority("Somebody else's authority");
  const expired = await createCertificate(strangers, ["localhost"], -0.5);
  const local = jdbcUrl.replace("trino:8443", "localhost:8443");
  const good = jdbcUrl + trusting(caFile);
  const attempts = [
    ["right", good, outputs.trinoUser, "RIGHT"],
    ["analyst", good, analyst.name, "ANALYST"],
    ["wrong-password", good, outputs.trinoUser, "WRONG"],
    ["others-password", good, outputs.trinoUser, "ANALYST"],
    ["no-password", good, outputs.trinoUser, "-"],
    ["unknown-user", good, "nobody", "RIGHT"],
    ["password-in-the-clear", "jdbc:trino://trino:8080/iceberg", outputs.trinoUser, "RIGHT"],
    ["plain-http", "jdbc:trino://trino:8080/iceberg", outputs.trinoUser, "-"],
    ["plain-at-tls", "jdbc:trino://trino:8443/iceberg", outputs.trinoUser, "-"],
    ["no-authority", jdbcUrl, outputs.trinoUser, "RIGHT"],
    ["wrong-authority", jdbcUrl + trusting(clientFile("strangers.pem")), outputs.trinoUser, "RIGHT"],
    ["other-users-name", `${good}&sessionUser=${outputs.trinoUser}`, analyst.name, "ANALYST"],
    ["expired", local + trusting(clientFile("strangers.pem")), outputs.trinoUser, "RIGHT"],
  ];
  const listen = `python ${clientFile("tls_listener.py")} ${clientFile("expired.pem")} & `;
  const { code, output } = await runClient(
    ["/bin/sh", "-c", `${listen} exec "$@"`, "sh", ...java("Attempts.java", ...attempts.flat())],
    { RIGHT: outputs.trinoPassword, ANALYST: analyst.password, WRONG: "not-the-password" },
    { "strangers.pem": strangers.certificate, "expired.pem": expired.key + expired.certificate },
  );
  console.log(output);
  expect(code, output).toBe(0);
  const ends = new Map(
    output.split("\n").map((line): [string, string] => {
      const [name = "", ...rest] = line.split(": ");
      return [name, rest.join(": ")];
    }),
  );
  expect(ends.get("right")).toBe(`in, as ${outputs.trinoUser}`);
  expect(ends.get("analyst")).toBe(`in, as ${analyst.name}`);
  for (const name of ["wrong-password", "others-password", "unknown-user"])
    expect(ends.get(name), name).toMatch(
      /^refused, Authentication failed: Access Denied: Invalid credentials/,
    );
  expect(ends.get("no-password")).toBe("refused, Authentication failed: Unauthorized");
  expect(ends.get("password-in-the-clear")).toMatch(/^refused, .*TLS\/SSL is required/);
  expect(ends.get("plain-http")).toMatch(
    /^refused, .*403 Forbidden: Authentication over HTTP is not enabled/,
  );
  expect(ends.get("plain-at-tls")).toMatch(/^refused, .*unexpected end of stream on http:/);
  expect(ends.get("no-authority")).toMatch(/^refused, .*unable to find valid certification path/);
  expect(ends.get("wrong-authority")).toMatch(/^refused, .*certification path/);
  expect(ends.get("other-users-name")).toMatch(/^refused, .*User dora\.k cannot impersonate user admin/);
  expect(ends.get("expired")).toMatch(/^refused, .*(NotAfter|expired)/i);
});

test("what a database tool asks the driver for is answered, and an analyst sees what an analyst may", async () => {
  const { code, output } = await runClient(
    java("Metadata.java", jdbcUrl + trusting(caFile), analyst.name, "newtral", "tiktokcomment"),
    { TRINO_PASSWORD: analyst.password },
  );
  console.log(output);
  expect(code, output).toBe(0);
  const lines = output.trim().split("\n");
  const of = (call: string) =>
    lines.filter((line) => line.startsWith(`${call} `)).map((line) => line.slice(call.length + 1));
  expect(of("user")).toEqual([analyst.name]);
  expect(of("product")[0]).toMatch(/^Trino \d+/);
  expect(of("catalog").sort()).toEqual(["iceberg", "system"]);
  expect(of("schemalike")).toEqual(["newtral"]);
  expect(of("schema")).toContain("iceberg newtral");
  expect(of("schema").filter((line) => line.startsWith("system "))).not.toContain("system tables");
  expect(of("tabletype")).toEqual(expect.arrayContaining(["TABLE", "VIEW"]));
  expect(of("type")).toEqual(expect.arrayContaining(["varchar", "bigint"]));
  const tables = of("table");
  expect(tables).toEqual(expect.arrayContaining(["media TABLE", "tiktokcomment TABLE"]));
  expect(tables.filter((line) => /quarantine|undeclared|\$/.test(line))).toEqual([]);
  expect(of("column")).toHaveLength(13);
  expect(of("column")).toContain("user row(gender varchar, id varchar, username varchar) YES");
  expect(of("column")).toContain("created_at_etl timestamp(6) with time zone YES");
  for (const call of ["primarykey", "importedkey", "procedure"])
    expect(of("answer").join("\n"), call).toContain(`${call}: 0 rows of`);
  // What Trino's driver does not answer, whoever asks; tools know it.
  const refused = of("answer").filter((line) => line.includes("refused"));
  expect(refused.map((line) => line.split(":")[0])).toEqual([
    ...["exportedkey", "index", "function", "versioncolumn", "rowidentifier"],
  ]);
  for (const line of refused) expect(line).toMatch(/not supported|not yet implemented/);
});

test("Python reads by DB-API and by SQLAlchemy, tables and columns too", async () => {
  const { code, output } = await runClient(
    ["python", clientFile("python_clients.py"), "trino", analyst.name, caFile, "media"],
    { TRINO_PASSWORD: analyst.password },
  );
  expect(code, output).toBe(0);
  const { rows } = await counts("newtral.media");
  const lines = output.trim().split("\n");
  expect(lines).toContain(`dbapi rows: ${rows}`);
  expect(lines).toContain(`sqlalchemy rows: ${rows}`);
  expect(output).toMatch(/^sqlalchemy tables: .*\bmedia\b.*\btiktokcomment\b/m);
  expect(output).toMatch(/^sqlalchemy columns: categories date feed id /m);
  expect(output).not.toMatch(/quarantine/);
});

test("trino-cli is for analysts, too", async () => {
  const cli = ["--server", "https://trino:8443", "--catalog", "iceberg", "--truststore-path", caFile];
  const { code, output } = await runClient(
    [
      ...["trino-cli", ...cli, "--user", analyst.name, "--password"],
      ...[
        "--output-format",
        "CSV_UNQUOTED",
        "--execute",
        'SELECT min("user".username) FROM newtral.tiktokcomment',
      ],
    ],
    { TRINO_PASSWORD: analyst.password },
  );
  expect(code, output).toBe(0);
  expect(output).toContain("***");
  const [[name] = []] = await query('SELECT min("user".username) FROM iceberg.newtral.tiktokcomment');
  expect(name).not.toBe("***");
});
