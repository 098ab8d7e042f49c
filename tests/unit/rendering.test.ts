import { pbkdf2Sync } from "node:crypto";
import { describe, expect, it } from "vitest";
import { goDuration, startCommand } from "../../infra/platforms/docker";
import { hashPassword } from "../../infra/password";
import { renderProperties } from "../../infra/properties";
import { renderCatalog } from "../../infra/services/catalog";
import { renderDatabases } from "../../infra/services/database-access";
import { renderConnections } from "../../infra/services/airflow-settings";
import { renderSparkDefaults } from "../../infra/services/spark-defaults";
import type { SparkSettings } from "../../infra/services/spark-defaults";
import {
  renderIcebergCatalog,
  renderJvm,
  renderServer,
  renderWorker,
  renderWorkerRules,
} from "../../infra/services/trino-files";
import type { Source } from "../../infra/sources";

describe("the Docker platform", () => {
  it.each([
    [2, "2s"],
    [60, "1m0s"],
    [90, "1m30s"],
    [3600, "1h0m0s"],
    [3725, "1h2m5s"],
  ])("writes %i seconds in Go's form", (seconds, text) => {
    expect(goDuration(seconds)).toBe(text);
  });

  it("runs a plain command as it is", () => {
    expect(startCommand({ command: ["trino", "run"] })).toEqual(["trino", "run"]);
  });

  it("runs the preparation first, keeps every argument whole and lets the command take the shell's place", () => {
    expect(startCommand({ prepare: ["init", "it's"], command: ["serve", "a b"] })).toEqual([
      "/bin/sh",
      "-c",
      `'init' 'it'\\''s' && exec 'serve' 'a b'`,
    ]);
  });
});

describe("rendered files", () => {
  it("leave out keys without a value", () => {
    expect(renderProperties({ a: 1, b: undefined, c: false })).toBe("a=1\nc=false\n");
  });

  it("make each database's role with its password, and shut everybody else out", () => {
    const sql = renderDatabases([{ name: "catalog", password: "abc123" }]);
    expect(sql).toContain("ALTER ROLE catalog PASSWORD 'abc123';");
    expect(sql).toContain("CREATE DATABASE catalog OWNER catalog");
    expect(sql).toContain("REVOKE CONNECT ON DATABASE catalog FROM PUBLIC;");
    expect(sql).not.toContain("SUPERUSER");
  });

  it("let the catalog vend keys and sign nothing", () => {
    const text = renderCatalog({
      database: { address: "database:5432", name: "catalog", password: "p" },
      objectStore: {
        endpoint: "http://object-store:9000",
        region: "r",
        pathStyle: true,
        user: "catalog",
        key: "k",
      },
      lending: { role: "arn:aws:iam::0:role/any", endpoint: "http://object-store:9000", hours: 12 },
      warehouse: "warehouse",
      bucket: "lake",
      tokenPublicKey: "MIIB",
    });
    expect(text).toContain("nessie.catalog.warehouses.warehouse.location=s3://lake/\n");
    expect(text).toContain("client-iam.enabled=true\n");
    expect(text).toContain("request-signing-enabled=false\n");
    // By the key that is here, and by what it allows: nobody else is asked, and nothing else is allowed.
    for (const line of [
      "nessie.server.authentication.enabled=true",
      "quarkus.oidc.tenant-enabled=true",
      "quarkus.oidc.public-key=MIIB",
      "nessie.server.authorization.enabled=true",
    ])
      expect(text).toContain(`${line}\n`);
    expect(text).not.toContain("quarkus.oidc.auth-server-url");
  });

  it("let the catalog use AWS's own store with the identity that the platform gives it, and a database over TLS", () => {
    const text = renderCatalog({
      database: { address: "database:5432", name: "catalog", password: "p", tls: true },
      objectStore: { region: "eu-west-1", pathStyle: false },
      lending: { role: "arn:aws:iam::0:role/lent", hours: 1 },
      warehouse: "warehouse",
      bucket: "lake",
      tokenPublicKey: "MIIB",
    });
    expect(text).toContain("default-options.auth-type=APPLICATION_GLOBAL\n");
    expect(text).toContain("client-iam.session-duration=PT1H\n");
    expect(text).toContain("sslmode=verify-full&sslrootcert=/etc/lakestack/database-ca.pem\n");
    expect(text).not.toMatch(/endpoint|access-key|lakestack.object-store/);
  });

  it("make an outside database's administrator a member of the roles that it gives databases to", () => {
    const logins = [{ name: "catalog", password: "abc123" }];
    expect(renderDatabases(logins, true)).toContain("GRANT catalog TO CURRENT_USER;");
    expect(renderDatabases(logins)).not.toContain("GRANT");
  });

  it("leave the work to Trino's workers where there are any, and let queries wait for the first", () => {
    expect(renderServer("shared")).toContain("node-scheduler.include-coordinator=true\n");
    const text = renderServer("shared", true);
    expect(text).toContain("node-scheduler.include-coordinator=false\n");
    expect(text).toContain("query-manager.required-workers=1\n");
    expect(renderWorker("shared", "trino")).toContain("discovery.uri=http://trino:8080\n");
  });

  it("let Trino's nodes call each other at the addresses that the platform tells, where there are several", () => {
    const address = "node.internal-address=${ENV:TRINO_INTERNAL_ADDRESS}\n";
    expect(renderServer("shared", true)).toContain(address);
    expect(renderWorker("shared", "trino")).toContain(address);
    expect(renderServer("shared")).not.toContain("node.internal-address");
  });

  it("let one user drain a worker, and nobody do anything else there", () => {
    expect(JSON.parse(renderWorkerRules())).toEqual({
      catalogs: [],
      system_information: [{ user: "drain", allow: ["write"] }],
    });
  });

  it("tell Trino no endpoint where the store is AWS's own", () => {
    const text = renderIcebergCatalog({
      uri: "u",
      warehouse: "w",
      token: "t",
      region: "eu-west-1",
      pathStyle: false,
    });
    expect(text).not.toContain("s3.endpoint");
    expect(text).toContain("s3.path-style-access=false\n");
  });

  it("let Trino tell the catalog who it is, and ask nobody for another token", () => {
    const trino = renderIcebergCatalog({
      uri: "u",
      warehouse: "w",
      token: "t.r.n",
      region: "r",
      pathStyle: true,
    });
    expect(trino).toContain("iceberg.rest-catalog.security=OAUTH2\n");
    expect(trino).toContain("iceberg.rest-catalog.oauth2.token=t.r.n\n");
    expect(trino).toContain("oauth2.token-refresh-enabled=false\n");
    expect(trino).not.toContain("server-uri");
  });

  it("open Trino to TLS and passwords only", () => {
    const text = renderServer("shared");
    expect(text).toContain("http-server.authentication.type=PASSWORD\n");
    expect(text).toContain("http-server.https.port=8443\n");
    expect(text).not.toContain("allow-insecure");
  });

  it("hash Trino's password the way that Trino checks it", () => {
    const [iterations, salt, hash] = hashPassword("secret", "00ff").split(":");
    const expected = pbkdf2Sync("secret", Buffer.from(salt ?? "", "hex"), Number(iterations), 32, "sha1");
    expect(hash).toBe(expected.toString("hex"));
  });

  it("leave Trino memory beside its heap", () => {
    expect(renderJvm(2048)).toContain("-Xmx1228M\n");
  });

  it("give Airflow both connections, with the password in no URL", () => {
    const connections = JSON.parse(
      renderConnections({
        sparkUrl: "spark://spark-master:7077",
        trino: { host: "trino", port: 8443, catalog: "iceberg", user: "admin", password: "p@ss/word" },
      }),
    ) as Record<string, Record<string, unknown>>;
    expect(connections["spark_default"]).toEqual({
      conn_type: "spark",
      host: "spark://spark-master",
      port: 7077,
    });
    expect(connections["trino_default"]).toMatchObject({ host: "trino", password: "p@ss/word" });
  });
});

describe("spark-defaults.conf", () => {
  const source = { name: "media", bucket: "source" } as Source;
  const settings: SparkSettings = {
    masterUrl: "spark://spark-master:7077",
    executorMemoryMiB: 1024,
    authenticationSecret: "a",
    catalog: { uri: "http://catalog/iceberg/", warehouse: "warehouse", token: "t" },
    objectStore: {
      endpoint: "http://object-store:9000",
      region: "us-east-1",
      pathStyle: true,
      user: "spark",
      key: "k",
    },
    eventsFolder: "s3a://events/spark-events/",
    sources: [source],
    credentials: {},
  };

  it("asks the catalog for vended keys and holds none of the warehouse", () => {
    const text = renderSparkDefaults(settings);
    expect(text).toContain(
      "spark.sql.catalog.iceberg.header.X-Iceberg-Access-Delegation vended-credentials\n",
    );
    expect(text).not.toMatch(/catalog\.iceberg\.s3\./);
  });

  it("tells the catalog who calls, and asks nobody for another token", () => {
    const text = renderSparkDefaults({ ...settings, catalog: { ...settings.catalog, token: "s.p.k" } });
    expect(text).toContain("spark.sql.catalog.iceberg.rest.auth.type oauth2\n");
    expect(text).toContain("spark.sql.catalog.iceberg.token s.p.k\n");
    expect(text).toContain("spark.sql.catalog.iceberg.token-refresh-enabled false\n");
    expect(text).toContain("spark.sql.catalog.iceberg.token-exchange-enabled false\n");
  });

  it("leaves the choice of keys to the platform where the store has none for it", () => {
    const text = renderSparkDefaults({ ...settings, objectStore: { region: "eu-west-1", pathStyle: false } });
    expect(text).not.toMatch(/fs\.s3a\.(access|secret|endpoint |aws\.credentials)/);
    expect(text).toContain("spark.hadoop.fs.s3a.connection.ssl.enabled true\n");
  });

  it("has fixed ports, each with room for as many as may run beside it", () => {
    const text = renderSparkDefaults(settings);
    const value = (key: string) => Number(new RegExp(`^spark\\.${key} (\\d+)$`, "m").exec(text)?.[1]);
    const retries = value("port\\.maxRetries");
    expect(value("driver\\.port") + retries).toBeLessThan(value("driver\\.blockManager\\.port"));
    expect(value("driver\\.blockManager\\.port") + retries).toBeLessThan(value("blockManager\\.port"));
  });

  it("authenticates and encrypts what the processes say to each other", () => {
    const text = renderSparkDefaults(settings);
    expect(text).toContain("spark.authenticate true\n");
    expect(text).toContain("spark.network.crypto.enabled true\n");
  });

  it("adds nothing for a source in the stack's own store", () => {
    expect(renderSparkDefaults(settings)).not.toContain("fs.s3a.bucket.");
  });

  it("reads a public bucket without keys, at its own endpoint", () => {
    const text = renderSparkDefaults({
      ...settings,
      sources: [
        {
          ...source,
          bucket: "open",
          endpoint: "https://s3.example.org",
          region: "eu-west-1",
          credentials: "anonymous",
        },
      ],
    });
    expect(text).toContain("spark.hadoop.fs.s3a.bucket.open.endpoint https://s3.example.org\n");
    expect(text).toContain("spark.hadoop.fs.s3a.bucket.open.connection.ssl.enabled true\n");
    expect(text).toContain(
      "bucket.open.aws.credentials.provider org.apache.hadoop.fs.s3a.AnonymousAWSCredentialsProvider\n",
    );
  });

  it("reads a bucket in another region as the identity that it has", () => {
    const text = renderSparkDefaults({
      ...settings,
      sources: [{ ...source, bucket: "acme", region: "us-east-2" }],
    });
    expect(text.split("\n").filter((line) => line.includes("fs.s3a.bucket."))).toEqual([
      "spark.hadoop.fs.s3a.bucket.acme.endpoint.region us-east-2",
    ]);
  });

  it("gives a private bucket the keys that its source names", () => {
    const text = renderSparkDefaults({
      ...settings,
      sources: [{ ...source, bucket: "private", credentials: "partner" }],
      credentials: { partner: { accessKeyId: "AK", secretAccessKey: "SK" } },
    });
    expect(text).toContain("spark.hadoop.fs.s3a.bucket.private.access.key AK\n");
    expect(text).toContain("spark.hadoop.fs.s3a.bucket.private.secret.key SK\n");
  });

  it("names the source whose credentials the stack doesn't have, and how to set them", () => {
    const render = () =>
      renderSparkDefaults({ ...settings, sources: [{ ...source, credentials: "partner" }] });
    expect(render).toThrow('Source media uses the credentials "partner"');
    expect(render).toThrow("pulumi config set --secret --path 'sourceCredentials.partner.accessKeyId'");
  });
});
