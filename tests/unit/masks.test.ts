import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { columnMasks } from "../../infra/masks";
import { loadSources, renderSources, SourcesError } from "../../infra/sources";

const types = {
  name: "varchar",
  age: "integer",
  tags: "array(row(id varchar, name varchar))",
  user: "row(id varchar, home row(city varchar, zip integer))",
};

const maskOf = (kinds: Record<string, string>) => columnMasks(types, kinds)[0]?.expression;

describe("a mask", () => {
  it("stands for a text: stars, or a hash that is the same for the same text", () => {
    expect(maskOf({ name: "redacted" })).toBe(`IF("name" IS NULL, NULL, '***')`);
    expect(maskOf({ name: "hash" })).toBe(`lower(to_hex(sha256(to_utf8("name"))))`);
  });

  it("stands for a value of any type: nothing", () => {
    expect(maskOf({ age: "empty" })).toBe("CAST(NULL AS integer)");
    expect(maskOf({ tags: "empty" })).toBe(`CAST(NULL AS array(row("id" varchar, "name" varchar)))`);
  });

  it("of a field builds its row anew, in the row's type, and leaves a missing row missing", () => {
    expect(maskOf({ "user.id": "redacted" })).toBe(
      `IF("user" IS NULL, NULL, CAST(ROW(IF("user"."id" IS NULL, NULL, '***'), "user"."home") ` +
        `AS row("id" varchar, "home" row("city" varchar, "zip" integer))))`,
    );
  });

  it("of a field deep inside leaves all others as they are", () => {
    expect(maskOf({ "user.home.zip": "empty" })).toBe(
      `IF("user" IS NULL, NULL, CAST(ROW("user"."id", IF("user"."home" IS NULL, NULL, ` +
        `CAST(ROW("user"."home"."city", CAST(NULL AS integer)) AS row("city" varchar, "zip" integer)))) ` +
        `AS row("id" varchar, "home" row("city" varchar, "zip" integer))))`,
    );
  });

  it("of a field in the rows of an array goes through its elements", () => {
    expect(maskOf({ "tags.name": "redacted" })).toBe(
      `transform("tags", e1 -> IF(e1 IS NULL, NULL, CAST(ROW(e1."id", IF(e1."name" IS NULL, NULL, '***')) ` +
        `AS row("id" varchar, "name" varchar))))`,
    );
  });

  it("is one for each column, however many fields are masked", () => {
    const masks = columnMasks(types, { "user.id": "hash", name: "hash", "user.home.city": "redacted" });
    expect(masks.map(({ column }) => column)).toEqual(["user", "name"]);
  });
});

describe("masks and filters in the declaration", () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "lakestack-masks-"));
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  const columns = Object.entries(types)
    .map(([name, type]) => `      ${name}: ${type}\n`)
    .join("");
  const declaration = `sources:
  - name: people
    bucket: source
    prefix: People/
    table: shop.people
    key: [name]
    columns:
${columns}`;

  function load(more: string) {
    const file = join(folder, "sources.yaml");
    writeFileSync(file, declaration + more);
    return loadSources(file);
  }

  function faultsOf(more: string): string[] {
    try {
      load(more);
    } catch (error) {
      if (!(error instanceof SourcesError)) throw error;
      return error.faults.map(({ line, key, found, expected }) => `${line} ${key}: ${found}, ${expected}`);
    }
    return [];
  }

  it("are read with the source, and are none by default", () => {
    const [plain] = load("");
    expect(plain).toMatchObject({ masks: [] });
    expect(plain).not.toHaveProperty("rowFilter");
    const [source] = load(`    masks: { name: redacted }\n    rowFilter: age >= 18\n`);
    expect(source?.masks).toEqual(columnMasks(types, { name: "redacted" }));
    expect(source?.rowFilter).toBe("age >= 18");
  });

  it("are not what jobs and DAGs have to know: these stay as they are when a mask changes", () => {
    expect(renderSources(load(`    masks: { name: redacted }\n    rowFilter: age >= 18\n`))).toBe(
      renderSources(load("")),
    );
  });

  it.each([
    ["nickname: redacted", /^13 .*masks\.nickname: "nickname", a column of the table, or a field/],
    ["user.nickname: redacted", /"user.nickname", one of user\.id, user\.home$/],
    ["age.years: empty", /"age\.years", age alone: it is integer$/],
    ["age: hash", /"hash", empty: "age" is integer, and only varchar can be hash$/],
    ["name: hidden", /masks\.name: "hidden", redacted /],
  ])("%s is told with line and key", (mask, message) => {
    expect(faultsOf(`    masks:\n      ${mask}\n`)).toEqual([expect.stringMatching(message)]);
  });

  it("a mask inside of one of the whole is told", () => {
    expect(faultsOf("    masks:\n      user: empty\n      user.id: hash\n")).toEqual([
      expect.stringMatching(/^14 .*user\.id: "user\.id", no mask inside of "user"/),
    ]);
  });

  it("the system's own columns can be masked, too", () => {
    expect(faultsOf("    masks: { source_file_name: redacted }\n")).toEqual([]);
  });

  it.each([
    ["age >= 18; DROP TABLE x", /one condition, without ; and comments/],
    ["age >= 18 -- all", /one condition, without ; and comments/],
    ["true) OR (true", /whose parentheses are closed/],
    ["(age >= 18", /whose parentheses are closed/],
    ["name <> 'x", /whose quotes are closed/],
    ["   ", /a condition in Trino's SQL/],
  ])("a filter %j is no condition of its own", (filter, message) => {
    expect(faultsOf(`    rowFilter: ${JSON.stringify(filter)}\n`)).toEqual([expect.stringMatching(message)]);
  });

  it.each(["name <> 'it''s; (--'", `"user"."id" IN ('a', 'b')`])("a filter %j is one", (filter) => {
    expect(faultsOf(`    rowFilter: ${JSON.stringify(filter)}\n`)).toEqual([]);
  });
});
