import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  columnNames,
  renamed,
  type Row,
  cellValue,
  guessKey,
  inferColumns,
} from "../../commands/infer-columns";
import { csvRecords, jsonArrayRows, jsonLinesRows } from "../../commands/sample-rows";
import { addTo, declarationText, draftOf } from "../../commands/source-add";
import { layoutOf } from "../../commands/source-layout";
import { loadSources } from "../../infra/sources";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "lakestack-source-add-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

function put(files: Record<string, string | Buffer>) {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
  return folder;
}

const look = (place: string) => draftOf(place, { anonymous: false });

describe("the draft of a source", () => {
  it("from the sample data has the columns that sources.yaml declares, but for what is always null", async () => {
    const { declaration } = await look("sample-data/Media");
    const [media] = loadSources("sources.yaml");
    expect(declaration).toMatchObject({ name: "media", key: ["id"], startDate: "2018-03-01", prefix: "" });
    expect(declaration["dates"]).toBeUndefined();
    const columns = declaration["columns"] as Record<string, string>;
    expect(Object.keys(columns).sort()).toEqual(media?.columns.map(({ name }) => name).sort());
    expect(columns["categories"]).toBe("array(row(id varchar, name varchar))");
    // The declaration keeps the text that the files have; a draft proposes what it could be.
    expect(columns["date"]).toBe("timestamp(6) with time zone");
  });

  it("of gzipped CSV in folders of another layout is a valid declaration", async () => {
    const csv =
      "Order ID,Postcode,Price,Placed,Paid\n1,01234,1.0,2018-04-01,true\n2,0456,2,2018-04-01,false\n";
    const { declaration, remarks } = await look(
      put({ "orders/dt=2018-04-02/a.csv.gz": gzipSync(csv), "orders/dt=2018-04-01/_SUCCESS": "" }),
    );
    expect(declaration).toMatchObject({
      prefix: "orders/",
      dates: "dt=%Y-%m-%d",
      format: "csv",
      key: ["order_id"],
      startDate: "2018-04-02",
      columns: {
        order_id: "bigint",
        postcode: "varchar",
        price: "double",
        placed: "date",
        paid: "boolean",
      },
    });
    const file = join(folder, "sources.yaml");
    writeFileSync(file, `sources:\n${declarationText(declaration, remarks)}`);
    expect(loadSources(file)[0]).toMatchObject({
      name: "orders",
      table: "newtral.orders",
      key: ["order_id"],
    });
  });

  it("of arrays without a key appends, and says so", async () => {
    const { declaration, remarks } = await look(put({ "2018/04/01/a.json": '[{"n":1},{"n":1},{"n":2}]' }));
    expect(declaration).toMatchObject({
      format: "json-array",
      onExistingKey: "append",
      columns: { n: "bigint" },
    });
    expect(remarks.join()).toContain("name the key's columns");
  });

  it.each([
    [{ "2018/04/01/a.txt": "x" }, "has no file that ends in .json"],
    [{ "a.json": "{}" }, "lies in a folder by day, for example a.json"],
    [{ "2018/04/01/a.json": "{}\n" }, "No row could be read from 2018/04/01/a.json"],
    [{ "2018/04/01/a.parquet": "PAR1" }, "Parquet files are not looked into here"],
  ])("is refused in words for %o", async (files, message) => {
    await expect(look(put(files))).rejects.toThrow(message);
  });

  it("is refused for a place that is not there", async () => {
    await expect(look(join(folder, "nowhere"))).rejects.toThrow("There is no file or folder");
  });

  it("is added to the file, and a file that would be wrong stays as it was", async () => {
    const file = join(folder, "sources.yaml");
    writeFileSync(file, readFileSync("sources.yaml"));
    const { declaration, remarks } = await look(put({ "shop/2018/04/01/a.json": '{"id":"1"}\n' }));
    await addTo(file, declarationText(declaration, remarks));
    expect(loadSources(file).map(({ name }) => name)).toEqual(["media", "tiktokcomment", "shop"]);
    const before = readFileSync(file, "utf8");
    await expect(addTo(file, declarationText(declaration, remarks))).rejects.toThrow(
      'found "shop" a second time',
    );
    expect(readFileSync(file, "utf8")).toBe(before);
  });
});

describe("a layout by day", () => {
  it.each([
    ["a/b/2018/04/01/x.json", "a/b/", "%Y/%m/%d"],
    ["2018/04/01/x.json", "", "%Y/%m/%d"],
    ["a/dt=2018-04-01/x.json", "a/", "dt=%Y-%m-%d"],
    ["a/20180401/x.json", "a/", "%Y%m%d"],
    ["a/2018-04-01/x.json", "a/", "%Y-%m-%d"],
    ["a/year=2018/month=04/day=01/x.json", "a/", "year=%Y/month=%m/day=%d"],
  ])("of %s is %s and %s", (name, prefix, dates) => {
    expect(layoutOf([name])).toEqual({ prefix, dates, first: "2018-04-01" });
  });

  it.each(["a/x.json", "a/2018/04/x.json", "a/2018/13/01/x.json", "a/x-2018-04-01.json"])(
    "is not in %s",
    (name) => {
      expect(layoutOf([name])).toBeUndefined();
    },
  );
});

describe("columns from rows", () => {
  it("are of the type that holds all values", () => {
    const rows = [
      { a: 1, b: 1, c: 1, d: null, e: [], f: { x: 1 }, g: { "bad name": 1 }, Bad: 1 },
      { a: 2, b: 1.5, c: "x", d: null, e: [{ y: true }], f: { z: "2018-04-01" }, g: {} },
    ];
    const { columns, leftOut } = inferColumns(rows);
    expect(Object.fromEntries(columns)).toEqual({
      a: "bigint",
      b: "double",
      c: "varchar",
      d: "varchar",
      e: "array(row(y boolean))",
      f: "row(x bigint, z date)",
      g: "varchar",
    });
    expect(leftOut).toEqual(["Bad"]);
  });

  it("are called in snake case where their fields have capitals, unless two fields are told apart by those alone", () => {
    const rows: Row[] = [
      { id: 1, eventTime: "x", "Order ID": 2, HTTPCode: 3, ID: 4, "a`b": 5, "9": 6, page: 7, Page: 8 },
    ];
    const names = columnNames(rows);
    expect(Object.fromEntries(names)).toEqual({
      eventTime: "event_time",
      "Order ID": "order_id",
      HTTPCode: "httpcode",
    });
    expect(renamed(rows, names)[0]).toMatchObject({ id: 1, event_time: "x", order_id: 2, ID: 4 });
  });

  it.each([
    ["", null],
    ["007", "007"],
    ["7", 7],
    ["True", true],
    [" x", " x"],
    ["123456789012345678", 123456789012345678n],
  ])("of CSV take %s for what it is", (text, value) => {
    expect(cellValue(text)).toEqual(value);
  });

  it("have a key that is filled and different in every row, by the most likely name", () => {
    const columns = new Map([
      ["n", "bigint"],
      ["article_id", "varchar"],
      ["id", "varchar"],
    ]);
    expect(guessKey([{ n: 1, article_id: "a", id: "x" }], columns)).toBe("id");
    expect(guessKey([{ n: 1, article_id: "a", id: null }], columns)).toBe("article_id");
    expect(
      guessKey(
        [
          { n: 1, article_id: "" },
          { n: 1, article_id: "b" },
        ],
        columns,
      ),
    ).toBeUndefined();
  });
});

describe("rows of the beginning of a file", () => {
  it("leave out the line in whose middle the text ends", () => {
    expect(jsonLinesRows('{"a":1}\noops\n{"a":2}\n{"a":')).toEqual({
      rows: [{ a: 1 }, { a: 2 }],
      unreadable: 1,
    });
  });

  it("are the complete elements of an array", () => {
    expect(jsonArrayRows('[{"a":"]\\"}"},\n{"a":[1]},{"a"').rows).toEqual([{ a: ']"}' }, { a: [1] }]);
  });

  it("are records with quotes and line breaks", () => {
    expect(csvRecords('a,B c\r\n1,"x\n""y"""\r\n2\r\n3,z').rows).toEqual([{ a: "1", b_c: 'x\n"y"' }]);
  });
});
