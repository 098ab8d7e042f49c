import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { StackConfig } from "../../infra/config";
import { auditSources, renderQueryListener } from "../../infra/services/audit";
import { renderMinioEnvironment } from "../../infra/services/object-store";
import { renderLogLevels } from "../../infra/services/trino-files";
import { loadSources, renderSources } from "../../infra/sources";
import type { Source } from "../../infra/sources";

type Settings = Parameters<typeof auditSources>[0];

const settings = (more: Partial<Settings> = {}): Settings => ({
  audit: true,
  platform: "docker",
  objectStoreEndpoint: "",
  publishedSchemas: [],
  ...more,
});
const declared = (name: string, table: string) => ({ name, table }) as Source;
const tables = (config: Partial<Pick<StackConfig, keyof Settings>>) =>
  auditSources(settings(config), loadSources("sources.yaml")).map(({ table }) => table);

describe("the audit log's sources", () => {
  it("are queries, requests and actions, in a schema and a bucket of their own", () => {
    expect(tables({})).toEqual(["audit.queries", "audit.requests", "audit.actions"]);
    for (const source of auditSources(settings(), [])) {
      expect([source.bucket, source.credentials, source.endpoint]).toEqual(["audit", undefined, undefined]);
      expect(source.prefix).toBe(`${source.table.replace("audit.", "")}/`);
    }
  });

  it("run by themselves, keep each event once, and look again for what was told late", () => {
    for (const source of auditSources(settings(), [])) {
      expect([source.switchedOn, source.incremental, source.onEmpty, source.lateDays], source.name).toEqual([
        ...[true, true],
        ...["skip", 7],
      ]);
      expect([source.key[0], source.onExistingKey], source.name).toEqual(["id", "insert"]);
      expect(source.maintenance.analyze, "the pipelines' login reads no row").toBe(false);
    }
  });

  it("are without requests where the store is of others, who tell their own administrators", () => {
    expect(tables({ platform: "aws" })).toEqual(["audit.queries", "audit.actions"]);
    expect(tables({ platform: "kubernetes", objectStoreEndpoint: "https://s3.example.com" })).toEqual([
      "audit.queries",
      "audit.actions",
    ]);
    expect(tables({ platform: "kubernetes" })).toHaveLength(3);
  });

  it("render to the JSON that the Python tests read", () => {
    const rendered = renderSources(auditSources(settings(), []));
    expect(rendered).toBe(readFileSync("spark-jobs/tests/audit-sources.json", "utf8"));
  });

  it("are none where there is no audit log", () => {
    expect(tables({ audit: false })).toEqual([]);
  });

  it.each([true, false])("share their place with nobody, whether there is one (%s) or not", (audit) => {
    expect(() => auditSources(settings({ audit }), [declared("mine", "audit.mine")])).toThrow(
      "Source mine has the table audit.mine, expected one outside the schema audit",
    );
    expect(() => auditSources(settings({ audit }), [declared("audit_queries", "shop.queries")])).toThrow(
      "another name than audit_queries, audit_requests, audit_actions",
    );
    expect(() => auditSources(settings({ audit, publishedSchemas: ["marts", "audit"] }), [])).toThrow(
      "lakestack:publishedSchemas names audit",
    );
  });
});

describe("who tells the audit log", () => {
  it("is Trino, of each query that has ended, and without a word about the token in its log", () => {
    const text = renderQueryListener("a-token");
    for (const line of [
      "event-listener.name=http",
      "http-event-listener.connect-ingest-uri=http://audit:8080/queries",
      "http-event-listener.connect-http-headers=Authorization: Bearer a-token",
      "http-event-listener.log-completed=true",
    ])
      expect(text).toContain(`${line}\n`);
    expect(renderLogLevels()).toContain("Bootstrap=WARN\n");
  });

  it("is the object store, which keeps what was not taken", () => {
    const known = { user: "admin", password: "p", console: false };
    const text = renderMinioEnvironment({ ...known, auditToken: "a-token" });
    for (const line of [
      "MINIO_AUDIT_WEBHOOK_ENABLE_KEEPER=on",
      "MINIO_AUDIT_WEBHOOK_ENDPOINT_KEEPER=http://audit:8080/requests",
      "MINIO_AUDIT_WEBHOOK_AUTH_TOKEN_KEEPER=Bearer a-token",
    ])
      expect(text).toContain(`${line}\n`);
    expect(text).toContain("MINIO_AUDIT_WEBHOOK_QUEUE_DIR_KEEPER=");
    expect(renderMinioEnvironment(known)).not.toContain("AUDIT");
  });
});
