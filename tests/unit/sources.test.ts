import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseColumnType } from "../../infra/column-type";
import { bucketsOfOthers, SourcesError, loadSources, placed, renderSources } from "../../infra/sources";

const good = `sources:
  - name: media
    bucket: source
    prefix: Media/
    table: newtral.media
    key: [id]
    columns:
      id: varchar
`;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "lakestack-sources-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

function load(yaml: string) {
  const file = join(folder, "sources.yaml");
  writeFileSync(file, yaml);
  return loadSources(file);
}

function faultsOf(yaml: string): string[] {
  try {
    load(yaml);
  } catch (error) {
    if (!(error instanceof SourcesError)) throw error;
    return error.faults.map(({ line, key, found }) => `${line} ${key}: ${found}`);
  }
  return [];
}

describe("the project's own sources", () => {
  const sources = loadSources("sources.yaml");

  it("are Media and TiktokComment with the key id", () => {
    expect(sources.map(({ name, table, prefix, key }) => [name, table, prefix, key])).toEqual([
      ["media", "newtral.media", "Media/", ["id"]],
      ["tiktokcomment", "newtral.tiktokcomment", "TiktokComment/", ["id"]],
    ]);
  });

  it("run daily at 01:00 and fail on a day without data", () => {
    expect(sources.map(({ schedule, onEmpty }) => [schedule, onEmpty])).toEqual([
      ["0 1 * * *", "fail"],
      ["0 1 * * *", "fail"],
    ]);
  });

  it("render to the JSON that the Python tests read", () => {
    expect(renderSources(sources)).toBe(readFileSync("spark-jobs/tests/sources.json", "utf8"));
  });
});

describe("the examples in the documents", () => {
  const documents = ["README.md", ...readdirSync("docs").map((name) => join("docs", name))];
  const examples = documents
    .filter((name) => name.endsWith(".md"))
    .flatMap((name) =>
      [...readFileSync(name, "utf8").matchAll(/```yaml\n(.*?)```/gs)].map(
        ([, yaml = ""]) => [name, yaml] as const,
      ),
    );

  it.each(examples.filter(([, yaml]) => yaml.startsWith("sources:")))("of %s are declarations", (_, yaml) => {
    expect(faultsOf(yaml)).toEqual([]);
  });

  const keysOfOne = /^(masks|maintenance|checks):/;
  it.each(examples.filter(([, yaml]) => keysOfOne.test(yaml)))("of %s are keys of a source", (_, yaml) => {
    // What the examples speak of.
    const types = {
      title: "varchar",
      text: "varchar",
      price: "double",
      sentiment: "varchar",
      feed: "varchar",
    };
    const columns = Object.entries({ ...types, user: "row(id varchar, username varchar)" });
    const named = columns.map(([name, type]) => `      ${name}: ${type}\n`).join("");
    const whole = good + named + yaml.replace(/^/gm, "    ");
    expect(faultsOf(whole)).toEqual([]);
  });
});

describe("a source in the stack's own bucket", () => {
  const buckets = (yaml: string) =>
    placed(load(yaml), { source: "acme-source-123", lineage: "acme-lineage", audit: "acme-audit" }).map(
      ({ bucket }) => bucket,
    );

  it("is read where the object store has that bucket, whatever it is called there", () => {
    expect(buckets(good)).toEqual(["acme-source-123"]);
    expect(buckets(good.replace("bucket: source", "bucket: lineage"))).toEqual(["acme-lineage"]);
  });

  it("is not one in a bucket of another name, or outside the stack", () => {
    expect(buckets(good.replace("bucket: source", "bucket: acme"))).toEqual(["acme"]);
    const outside = "endpoint: https://s3.eu-west-1.amazonaws.com\n    region: eu-west-1\n    prefix:";
    expect(buckets(good.replace("prefix:", outside))).toEqual(["source"]);
  });

  it("is one of others, whom the platform's identity has to be let in by, if it needs no keys and is not the stack's", () => {
    const others = (yaml: string) => bucketsOfOthers(load(yaml));
    expect(others(good)).toEqual([]);
    expect(others(good.replace("bucket: source", "bucket: acme"))).toEqual(["acme"]);
    expect(others(good.replace("bucket: source", "bucket: acme\n    credentials: anonymous"))).toEqual([]);
  });
});

describe("a good file", () => {
  it("keeps the order of the columns and appends the lineage", () => {
    const [source] = load(good.replace("id: varchar", "z: varchar\n      id: varchar"));
    expect(source?.columns.map(({ name }) => name)).toEqual(["z", "id"]);
    expect(source?.lineage.map(({ name, type }) => [name, type])).toEqual([
      ["created_at_etl", "timestamp(6) with time zone"],
      ["source_file_name", "varchar"],
    ]);
  });

  it("takes a bucket elsewhere, read anonymously", () => {
    const [source] = load(
      good.replace(
        "prefix:",
        "endpoint: https://s3.example.org\n    region: eu-west-1\n    credentials: anonymous\n    prefix:",
      ),
    );
    expect(source).toMatchObject({
      endpoint: "https://s3.example.org",
      region: "eu-west-1",
      credentials: "anonymous",
    });
  });

  it.each(["0 1 * * *", "*/15 0-6 1,15 * 1-5", "30 23 31 12 7"])("takes the schedule %s", (schedule) => {
    expect(load(`${good}    schedule: "${schedule}"\n`)[0]?.schedule).toBe(schedule);
  });

  it.each([
    ["every 1 minute", "* * * * *"],
    ["every 15 minutes", "*/15 * * * *"],
    ["every 60 minutes", "0 * * * *"],
    ["every 180 minutes", "0 */3 * * *"],
  ])("takes the schedule %s, and then looks for what is new, also of the day before", (schedule, cron) => {
    expect(load(`${good}    schedule: ${schedule}\n`)[0]).toMatchObject({
      schedule: cron,
      incremental: true,
      lateDays: 1,
    });
    expect(load(`${good}    schedule: ${schedule}\n    lateDays: 3\n`)[0]?.lateDays).toBe(3);
  });
});

describe("what a source may declare beside the least", () => {
  it("has defaults, so that every reader finds every key", () => {
    expect(load(good)[0]).toMatchObject({
      format: "json-lines",
      dates: "%Y/%m/%d",
      onExistingKey: "insert",
      partitioning: [],
      maxRejectedPercent: 5,
      lateDays: 0,
      incremental: false,
      evolve: false,
      retries: 2,
      cores: 1,
    });
  });

  it("is a key of several columns, a version, a layout and partitions", () => {
    const [source] = load(
      good
        .replace("key: [id]", "key: [id, shop]\n    onExistingKey: upsert\n    versionColumn: changed")
        .replace(
          "columns:",
          'dates: "dt=%Y-%m-%d"\n    partitioning: [day(changed), "bucket(id, 16)"]\n    columns:',
        )
        .concat("      shop: integer\n      changed: timestamp(6)\n"),
    );
    expect(source).toMatchObject({
      key: ["id", "shop"],
      versionColumn: "changed",
      dates: "dt=%Y-%m-%d",
      partitioning: [
        { field: "day(changed)", sparkField: "days(`changed`)" },
        { field: "bucket(id, 16)", sparkField: "bucket(16, `id`)" },
      ],
    });
  });

  it("is to append, and then has no key", () => {
    expect(load(good.replace("key: [id]", "onExistingKey: append"))[0]?.key).toEqual([]);
  });

  it.each(["%Y/%m/%d", "dt=%Y-%m-%d", "year=%Y/month=%m/day=%d", "%d.%m.%Y", "%Y%m%d"])(
    "are the days' folders %s",
    (dates) => {
      expect(load(`${good}    dates: "${dates}"\n`)[0]?.dates).toBe(dates);
    },
  );

  it.each([
    ["dates: %Y/%m", '9 sources[0].dates: "%Y/%m"'],
    ["dates: /%Y/%m/%d", '9 sources[0].dates: "/%Y/%m/%d"'],
    ["dates: %Y/%m/%d/%H", '9 sources[0].dates: "%Y/%m/%d/%H"'],
    ["dates: %Y/%m/%d-%d", '9 sources[0].dates: "%Y/%m/%d-%d"'],
    ["dates: ../%Y/%m/%d", '9 sources[0].dates: "../%Y/%m/%d"'],
    ["format: xml", '9 sources[0].format: "xml"'],
    ["onExistingKey: replace", '9 sources[0].onExistingKey: "replace"'],
    ["onExistingKey: upsert", "2 sources[0].versionColumn: nothing"],
    ["onExistingKey: append", '6 sources[0].key: ["id"]'],
    ["versionColumn: id", '9 sources[0].versionColumn: "id"'],
    ["maxRejectedPercent: 101", "9 sources[0].maxRejectedPercent: 101"],
    ["lateDays: -1", "9 sources[0].lateDays: -1"],
    ["schedule: every 7 minutes", '9 sources[0].schedule: "every 7 minutes"'],
    ["schedule: every minute", '9 sources[0].schedule: "every minute"'],
    ["maintenance: { schedule: every 15 minutes }", '9 sources[0].maintenance.schedule: "every 15 minutes"'],
    ["cores: 0", "9 sources[0].cores: 0"],
    ["cores: 1.5", "9 sources[0].cores: 1.5"],
    ["retries: many", '9 sources[0].retries: "many"'],
    ["evolve: 1", "9 sources[0].evolve: 1"],
    ["partitioning: [day(id)]", '9 sources[0].partitioning[0]: "day(id)"'],
    ["partitioning: [week(id)]", '9 sources[0].partitioning[0]: "week(id)"'],
    ["partitioning: [bucket(id)]", '9 sources[0].partitioning[0]: "bucket(id)"'],
    ["partitioning: [nope]", '9 sources[0].partitioning[0]: "nope"'],
  ])("is not %s", (line, fault) => {
    expect(faultsOf(`${good}    ${line.replace(/: (%.*)$/, ': "$1"')}\n`)).toEqual([fault]);
  });

  it("is every some minutes without a look at the day before", () => {
    expect(faultsOf(`${good}    schedule: every 15 minutes\n    lateDays: 0\n`)).toEqual([
      "10 sources[0].lateDays: 0",
    ]);
  });

  it("is a version that can be compared and is not the key", () => {
    const upsert = (column: string) =>
      `${good}      tags: array(varchar)\n    onExistingKey: upsert\n    versionColumn: ${column}\n`;
    expect(faultsOf(upsert("tags"))).toEqual(['11 sources[0].versionColumn: "tags" of type array(varchar)']);
    expect(faultsOf(upsert("id"))).toEqual(['11 sources[0].versionColumn: "id"']);
    expect(faultsOf(upsert("nope"))).toEqual(['11 sources[0].versionColumn: "nope"']);
  });

  it("is a column that reads a field of another name", () => {
    const [source] = load(`${good}      time: varchar\n    fields:\n      time: eventTime\n`);
    expect(source?.columns).toEqual([
      { name: "id", type: "varchar", sparkType: "string" },
      { name: "time", type: "varchar", sparkType: "string", field: "eventTime" },
    ]);
  });

  it.each([
    ["time: Time", "", '10 sources[0].fields.time: "time"'],
    ["id: ID", "      ID: varchar\n", '9 sources[0].columns.ID: the name "ID"'],
    ["id: Id", "      other: varchar\n    format: csv\n", '12 sources[0].fields.id: "Id"'],
    ["id: OTHER", "      other: varchar\n", '11 sources[0].fields.id: "OTHER", which the column other reads'],
    ["id: a`b", "", '10 sources[0].fields.id: "a`b"'],
  ])("is not the field %s of the columns id%s", (field, more, fault) => {
    expect(faultsOf(`${good}${more}    fields:\n      ${field}\n`)).toContain(fault);
  });

  it("is no array in a source of CSV", () => {
    expect(faultsOf(`${good}      tags: array(varchar)\n    format: csv\n`)).toEqual([
      '9 sources[0].columns.tags: "array(varchar)"',
    ]);
  });
});

describe("maintenance of a table", () => {
  const maintenance = (text: string) => `${good}    maintenance: ${text}\n`;

  it("sorts by the key, keeps seven days, and collects statistics, unless something else is declared", () => {
    expect(load(good)[0]?.maintenance).toEqual({
      schedule: "30 3 * * *",
      compaction: "sort",
      targetFileMiB: 128,
      smallFiles: 5,
      keepDays: 7,
      orphanDays: 3,
      analyze: true,
    });
    expect(load(maintenance("{ keepDays: 0.5, compaction: none }"))[0]?.maintenance).toMatchObject({
      keepDays: 0.5,
      compaction: "none",
      schedule: "30 3 * * *",
    });
  });

  it("packs rows without a key in the order they have", () => {
    const append = good.replace("    key: [id]\n", "    onExistingKey: append\n");
    expect(load(append)[0]?.maintenance.compaction).toBe("bin-pack");
    expect(faultsOf(`${append}    maintenance: { compaction: sort }\n`)).toEqual([
      '9 sources[0].maintenance.compaction: "sort"',
    ]);
  });

  it.each([
    ["{ keepDays: -1 }", "9 sources[0].maintenance.keepDays: -1"],
    ["{ orphanDays: 0 }", "9 sources[0].maintenance.orphanDays: 0"],
    ["{ schedule: daily }", '9 sources[0].maintenance.schedule: "daily"'],
    ["{ keep: 1 }", "9 sources[0].maintenance.keep: a key that means nothing here"],
  ])("is not %s", (text, fault) => {
    expect(faultsOf(maintenance(text))).toEqual([fault]);
  });
});

describe("a check", () => {
  const columns = "      n: integer\n      at: timestamp(6)\n";
  const checks = (text: string) => `${good}${columns}    checks: [${text}]\n`;

  it.each([
    "{ check: notNull, columns: [id, n, created_at_etl] }",
    "{ check: unique, columns: [id, n], onFailure: fail }",
    "{ check: rowCount, least: 1, onFailure: block }",
    "{ check: range, columns: [n], least: 0 }",
    "{ check: freshness, columns: [at], hours: 24 }",
    "{ check: rowCount, least: 50, most: 200, days: 14 }",
  ])("is %s", (text) => {
    expect(load(checks(text))[0]?.checks).toHaveLength(1);
  });

  it("warns unless it is declared to fail", () => {
    expect(load(checks("{ check: rowCount, least: 1 }"))[0]?.checks[0]?.onFailure).toBe("warn");
  });

  it.each([
    ["{ check: sums }", '11 sources[0].checks[0].check: "sums"'],
    ["{ check: notNull }", "11 sources[0].checks[0].columns: nothing"],
    ["{ check: notNull, columns: [nope] }", '11 sources[0].checks[0].columns[0]: "nope"'],
    ["{ check: notNull, columns: [id], hours: 1 }", "11 sources[0].checks[0].hours: 1"],
    ["{ check: range, columns: [n] }", "11 sources[0].checks[0].least: nothing"],
    ["{ check: range, columns: [n], least: 2, most: 1 }", "11 sources[0].checks[0].least: 2"],
    ["{ check: range, columns: [id], least: 2 }", '11 sources[0].checks[0].columns[0]: "id" of type varchar'],
    [
      "{ check: freshness, columns: [n], hours: 2 }",
      '11 sources[0].checks[0].columns[0]: "n" of type integer',
    ],
    ["{ check: freshness, columns: [at] }", "11 sources[0].checks[0].hours: nothing"],
    ["{ check: rowCount }", "11 sources[0].checks[0].least: nothing"],
    ["{ check: rowCount, least: 1, onFailure: stop }", '11 sources[0].checks[0].onFailure: "stop"'],
    [
      "{ check: freshness, columns: [at], hours: 2, onFailure: block }",
      '11 sources[0].checks[0].onFailure: "block"',
    ],
  ])("is not %s", (text, fault) => {
    expect(faultsOf(checks(text))).toEqual([fault]);
  });
});

describe("a faulty file", () => {
  it("is refused with all its faults at once, each with its line", () => {
    const yaml = `${good}    colour: blue
    onEmpty: maybe
    schedule: 0 25 * * *
  - name: media
    bucket: source
    prefix: /Media
    table: newtral.media
    key: [nope]
    columns:
      id: strin
      created_at_etl: varchar
`;
    expect(faultsOf(yaml)).toEqual([
      "9 sources[0].colour: a key that means nothing here",
      '10 sources[0].onEmpty: "maybe"',
      '11 sources[0].schedule: "0 25 * * *"',
      '12 sources[1].name: "media" a second time',
      '14 sources[1].prefix: "/Media"',
      '15 sources[1].table: "newtral.media" a second time',
      '16 sources[1].key[0]: "nope"',
      '18 sources[1].columns.id: "strin" ("strin" is not a type)',
      '19 sources[1].columns.created_at_etl: a declared column "created_at_etl"',
    ]);
  });

  it("is told what was expected and what to do next", () => {
    expect(() => load(good.replace("newtral.media", "media"))).toThrow(
      'sources.yaml has a fault:\n  line 5, sources[0].table: found "media", expected <namespace>.<table> in lower case, ' +
        "for example newtral.media\nCorrect sources.yaml and run the same command again.",
    );
  });

  it.each(["name", "bucket", "prefix", "table", "key", "columns"])("lacks %s", (key) => {
    const without = good
      .split("\n")
      .filter((line) => !line.trim().replace("- ", "").startsWith(`${key}:`))
      .filter((line) => key !== "columns" || !line.includes("id: varchar"))
      .join("\n")
      .replace("sources:\n    bucket", "sources:\n  - bucket");
    expect(faultsOf(without).some((fault) => fault.endsWith(`sources[0].${key}: nothing`))).toBe(true);
  });

  it("gives one bucket two endpoints", () => {
    const second = good
      .replace("sources:\n", "")
      .replaceAll("media", "other")
      .replace("prefix:", "endpoint: https://s3.example.org\n    prefix:");
    expect(faultsOf(good + second)).toEqual(['11 sources[1].endpoint: "https://s3.example.org"']);
  });

  it("is no YAML", () => {
    expect(faultsOf("sources: [")[0]).toContain("the file: Flow sequence");
  });

  it("is empty", () => {
    expect(faultsOf("")).toEqual(["1 the file: null"]);
  });

  it("is not there", () => {
    expect(() => loadSources(join(folder, "none.yaml"))).toThrow("pulumi config set sourcesFile FILE");
  });
});

describe("a column type", () => {
  it.each([
    ["varchar", "string"],
    ["timestamp(6)", "timestamp_ntz"],
    ["timestamp(6) with time zone", "timestamp"],
    ["decimal(18,4)", "decimal(18,4)"],
    ["array(row(id varchar, name varchar))", "array<struct<`id`:string,`name`:string>>"],
    ["row(a map(varchar, array(bigint)), b double)", "struct<`a`:map<string,array<bigint>>,`b`:double>"],
  ])("%s is Spark's %s", (trino, spark) => {
    expect(parseColumnType(trino).spark).toBe(spark);
  });

  it("has its fields in quotes, for a field may be called like a word of SQL", () => {
    expect(parseColumnType("row( end  varchar,by bigint)").trino).toBe('row("end" varchar, "by" bigint)');
  });

  it.each([
    "string",
    "array(varchar",
    "array()",
    "row(varchar)",
    "map(bigint, varchar)",
    "decimal(40,2)",
    "array(a))(",
  ])("%s is refused", (text) => {
    expect(() => parseColumnType(text)).toThrow();
  });
});
