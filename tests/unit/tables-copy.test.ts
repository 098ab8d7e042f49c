import { describe, expect, it } from "vitest";
import { columnFaults, CopyStatements, isSame, tablesToCopy } from "../../commands/copy-plan";
import { objectOf, transfers } from "../../commands/copied-files";
import { summary, userReport } from "../../commands/tables-copy";
import type { Source } from "../../infra/sources";
import { lineage } from "../../infra/column-type";
import type { AdoptedUser } from "../../commands/user-store";

const source = (name: string, key: string[]) => ({ name, table: `shop.${name}`, key, lineage }) as Source;
const sources = [source("orders", ["id", "line"]), source("clicks", [])];

describe("the tables to copy", () => {
  it("are those of all sources, told by their keys, or by their batch and file", () => {
    expect(tablesToCopy(sources, { only: [], quarantine: false })).toEqual([
      { table: "shop.orders", identity: ["id", "line"], madeWhenNeeded: false },
      { table: "shop.clicks", identity: ["created_at_etl", "source_file_name"], madeWhenNeeded: false },
    ]);
  });

  it("have those beside them whose rows were kept aside, if asked for", () => {
    const plans = tablesToCopy(sources, { only: ["orders"], quarantine: true });
    expect(plans.map(({ table }) => table)).toEqual(["shop.orders", "shop.orders_quarantine"]);
    expect(plans[1]).toMatchObject({
      identity: ["source_file_name", "position", "raw_sha256"],
      madeWhenNeeded: true,
    });
  });

  it("are named by table or by source", () => {
    const only = (...names: string[]) =>
      tablesToCopy(sources, { only: names, quarantine: false }).map(({ table }) => table);
    expect(only("shop.clicks")).toEqual(["shop.clicks"]);
    expect(only("clicks", "orders")).toEqual(["shop.orders", "shop.clicks"]);
  });

  it("are refused where no source declares them", () => {
    const ask = () => tablesToCopy(sources, { only: ["orders", "click", "shop.x"], quarantine: false });
    expect(ask).toThrow('No source declares "click", "shop.x".');
  });
});

describe("the columns of two tables", () => {
  it("fit in any order", () => {
    const [id, at] = [
      { name: "id", type: "varchar" },
      { name: "at", type: "date" },
    ];
    expect(columnFaults([id, at], [at, id])).toEqual([]);
  });

  it("are named where they differ, on either side", () => {
    const from = [
      { name: "id", type: "varchar" },
      { name: "old", type: "date" },
    ];
    const to = [
      { name: "id", type: "bigint" },
      { name: "new", type: "row(a varchar)" },
    ];
    expect(columnFaults(from, to)).toEqual([
      "id is varchar, in the other bigint",
      "old is date, in the other not there",
      "new is not there, in the other row(a varchar)",
    ]);
  });
});

describe("the statements", () => {
  const columns = [
    { name: "id", type: "varchar" },
    { name: 'odd"name', type: "bigint" },
  ];
  const plan = { table: "shop.orders", identity: ["id"], madeWhenNeeded: false };
  const statements = new CopyStatements(plan, columns, { from: "dev", to: "prod-eu" });

  it("keep what is on its way under the name of both table and stack", () => {
    expect(statements.exported).toBe('iceberg.lakestack_copy."shop__orders__to_prod_eu__copy"');
    expect(statements.arrived).toBe('iceberg.lakestack_copy."shop__orders__from_dev__copy"');
  });

  it("name each column, in quotes, in the order of the stack that is copied from", () => {
    expect(statements.contentOf("x")).toBe(
      'SELECT count(*), to_hex(checksum(ROW("id", "odd""name"))) FROM x t',
    );
    expect(statements.export()).toBe(
      `CREATE TABLE ${statements.exported} AS SELECT "id", "odd""name" FROM "iceberg"."shop"."orders"`,
    );
  });

  it("insert what is not there by MERGE, which is validated against others' commits", () => {
    const statement = statements.merge().replace(/\s+/g, " ");
    expect(statement).toContain('MERGE INTO "iceberg"."shop"."orders" t USING (');
    expect(statement).toContain(') s ON t."id" = s."id" WHEN NOT MATCHED THEN INSERT');
    expect(statement).not.toMatch(/WHEN MATCHED|UPDATE|DELETE/);
  });

  it("compare shared rows by their identity alone", () => {
    expect(statements.contentShared("a", "b")).toContain(
      'FROM a t WHERE EXISTS (SELECT 1 FROM b o WHERE o."id" = t."id")',
    );
  });
});

describe("the files to send", () => {
  const files = new Map([
    ["s3://one/t/data/a.parquet", 10],
    ["s3://one/t/data/b.parquet", 20],
  ]);

  it("are those that are not there in full", () => {
    const present = new Map([
      ["s3://two/x/a.parquet", 10],
      ["s3://two/x/b.parquet", 7],
    ]);
    expect(transfers(files, "s3://two/x", present)).toEqual({
      missing: [{ from: "s3://one/t/data/b.parquet", to: "s3://two/x/b.parquet", size: 20 }],
      strays: [],
    });
  });

  it("leave none beside them that came from another export, whose rows would come twice", () => {
    const present = new Map([["s3://two/x/of-before.parquet", 10]]);
    const { missing, strays } = transfers(files, "s3://two/x", present);
    expect(missing).toHaveLength(2);
    expect(strays).toEqual(["s3://two/x/of-before.parquet"]);
  });

  it("are in an S3 store", () => {
    expect(objectOf("s3://bucket/a/b c.parquet")).toEqual({ bucket: "bucket", key: "a/b c.parquet" });
    expect(objectOf("s3a://bucket/a")).toEqual({ bucket: "bucket", key: "a" });
    expect(() => objectOf("hdfs://x/y")).toThrow("A file of a table is at hdfs://x/y, expected");
  });
});

it("the same content is as many rows with the same checksum", () => {
  expect(isSame({ rows: 1, checksum: "AB" }, { rows: 1, checksum: "AB" })).toBe(true);
  expect(isSame({ rows: 1, checksum: "AB" }, { rows: 2, checksum: "AB" })).toBe(false);
  expect(isSame({ rows: 1, checksum: "AB" }, { rows: 1, checksum: "AC" })).toBe(false);
});

describe("the report", () => {
  it("tells of each table what came and what was there", () => {
    const content = { rows: 12, checksum: "00AB" };
    const lines = summary([
      { table: "shop.orders", content, brought: 10, size: 2048, milliseconds: 3000 },
      { table: "shop.clicks", content: { rows: 0, checksum: "" }, brought: 0, size: 0, milliseconds: 400 },
    ]).split("\n");
    expect(lines[2]).toMatch(/^shop\.orders +12 +10 +2 +2\.0 KiB +00AB +3\.0 s$/);
    expect(lines[3]).toMatch(/^shop\.clicks +0 +0 +0 +\(no rows\) +0\.4 s$/);
  });

  it("tells of each user what became of them", () => {
    const user = (name: string, more: Partial<AdoptedUser>): AdoptedUser => ({
      ...{ name, role: "analyst", roleHere: "analyst", hasPassword: true, outcome: "copied" },
      ...more,
    });
    const report = userReport(
      [
        user("ann", {}),
        user("ben", { hasPassword: false }),
        user("cat", { outcome: "present", roleHere: "etl" }),
        user("dan", { outcome: "present" }),
        user("root", { outcome: "own" }),
      ],
      "dev",
      "prod",
    );
    expect(report).toMatch(/ann +analyst +copied, with the password/);
    expect(report).toMatch(/ben +analyst +copied; has no password in either stack/);
    expect(report).toMatch(/cat +analyst +was there already, left as it is: etl/);
    expect(report).toMatch(/dan +analyst +was there already, left as it is$/m);
    expect(report).toMatch(/root +analyst +not copied: the name is stack prod's own/);
    expect(userReport([], "dev", "prod")).toBe("Stack dev declares no users of its own.");
  });
});
