import { describe, expect, test } from "vitest";
import type { Source } from "../../infra/sources";
import { entryLine, openEntries, readRepairs, repairStatements } from "../../commands/quarantine";
import { command, type Replayed, summary } from "../../commands/source-replay";

const source = {
  name: "media",
  bucket: "source",
  prefix: "Media/",
  dates: "%Y/%m/%d",
  table: "newtral.media",
} as Source;

const entry = {
  file: "s3a://source/Media/2018/04/16/part-00.json",
  position: 7,
  sha256: "ab12",
  reason: "column price is not int",
};

describe("an entry as a line to repair", () => {
  test("has a row that is JSON as it stood there, and any other text as a text", () => {
    const row = '{"id": 12345678901234567890, "price":1.50}';
    expect(entryLine({ ...entry, text: row })).toBe(
      `{"file":"${entry.file}","position":7,"sha256":"ab12","reason":"${entry.reason}","row":${row}}`,
    );
    expect(entryLine({ ...entry, text: '{"id":"1' })).toContain(String.raw`"text":"{\"id\":\"1"`);
    expect(entryLine({ ...entry, text: "[1]" })).toContain('"text":"[1]"');
  });

  test.each([
    '{"id": 12345678901234567890, "a":{"b":[1,{"row":2}]}, "price":1.50}',
    String.raw`{"id":"1","text":"a \"quoted\" } , brace"}`,
    '{"id":"1"',
    "1,2,3",
    '{"id":"1"}\n{"id":"2"}',
  ])("gives back the same text if nothing was corrected: %s", (text) => {
    const { file, position, sha256 } = entry;
    expect(readRepairs(entryLine({ ...entry, text }), "f")).toEqual([{ file, position, sha256, text }]);
  });
});

describe("repaired rows", () => {
  const place = '"file":"f","position":1,"sha256":"s"';

  test("may be written by other programs, with blanks, and with fields in another order", () => {
    const lines = `{ "row" : {"id": 1 } , ${place} }\n\n{${place},"text":"1,2"}\n`;
    expect(readRepairs(lines, "f").map(({ text }) => text)).toEqual(['{"id": 1 }', "1,2"]);
  });

  test.each([
    ["oops", "it is not a JSON object"],
    ['{"row":{}}', "it lacks file, position or sha256"],
    [`{${place}}`, "it has to have either row or text"],
    [`{${place},"row":{},"text":""}`, "it has to have either row or text"],
    [`{${place},"text":{"id":1}}`, "text has to be a string"],
    [`{${place},"text":"  "}`, "its row is empty"],
    [`{${place},"text":"${"x".repeat(500_001)}"}`, "its row has more than 500000 characters"],
  ])("that can't be taken are named with their line: %.40s", (line, fault) => {
    expect(() => readRepairs(`{${place},"text":"good"}\n${line}\n`, "repaired.jsonl")).toThrow(
      `repaired.jsonl line 2: ${fault}`,
    );
  });

  test("become statements that no quote breaks, and none longer than Trino takes", () => {
    const repair = (text: string) => ({ ...entry, text });
    const [one, ...others] = repairStatements(source, [repair("it's")]);
    expect(others).toEqual([]);
    expect(one?.write).toContain("MERGE INTO iceberg.newtral.media_quarantine q");
    expect(one?.write).toContain(`('${entry.file}', BIGINT '7', 'ab12', 'it''s')`);
    expect(one?.count).toContain("q.resolution IS NULL");
    const many = repairStatements(
      source,
      Array.from({ length: 5 }, () => repair("y".repeat(300_000))),
    );
    expect(many).toHaveLength(5);
    expect(repairStatements(source, [])).toEqual([]);
  });
});

test("entries are chosen by reason and by the folder of a day", () => {
  expect(openEntries(source, {})).toBe("resolution IS NULL");
  expect(openEntries(source, { reason: "it's", day: "2018-04-16" })).toBe(
    "resolution IS NULL AND strpos(reason, 'it''s') > 0 AND " +
      "starts_with(source_file_name, 's3a://source/Media/2018/04/16/')",
  );
  expect(openEntries({ ...source, dates: "dt=%Y-%m-%d" }, { day: "2018-04-16" })).toContain(
    "'s3a://source/Media/dt=2018-04-16/'",
  );
});

describe("what was done is told", () => {
  const nothing: Replayed = {
    entries: 0,
    inserted: 0,
    updated: 0,
    already_present: 0,
    duplicates: 0,
    discarded: 0,
    left: 0,
    without_text: 0,
    reasons: {},
  };

  test("with what stays, why, and what to do next", () => {
    const replayed = { ...nothing, entries: 4, inserted: 1, already_present: 1, left: 2, without_text: 1 };
    const told = summary("media", {
      ...replayed,
      reasons: { "not valid UTF-8": 1, "the file is damaged": 1 },
    });
    expect(told).toContain(
      "4 entries of media tried again: 2 closed (1 inserted, 1 in the table before), 2 still open.",
    );
    expect(told).toMatch(/^1 +not valid UTF-8$/m);
    expect(told).toContain("npm run source:replay -- media --export FILE");
    expect(told).toContain("1 damaged file: put it in order in the bucket");
  });

  test("if there was nothing to do, or entries were discarded", () => {
    expect(summary("media", nothing)).toBe("No open entry of media is of that kind.");
    expect(summary("media", { ...nothing, entries: 1, discarded: 1 })).toBe("1 entry of media discarded.");
  });
});

test.each([
  [["media", "--list", "--file", "x"], "--list and --file do not go together"],
  [["media", "--discard"], "Say which entries to discard"],
  [["media", "--day", "16.4.2018"], "expected a day such as 2018-04-16"],
  [[], "Name one source"],
])("options that make no sense are refused before anything is asked: %j", async (args, message) => {
  const context = {
    stack: "dev",
    reporter: { task: () => expect.fail() },
    signal: new AbortController().signal,
  };
  await expect(command.run(args, context)).rejects.toThrow(message);
});
