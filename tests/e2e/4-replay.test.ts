import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { allRuns, xcom } from "./airflow";
import { npmRun } from "./lakestack";
import { counts, query } from "./trino";

// The malformed files were ingested as a day of Media: six entries were kept aside.
const day = "/Media/2018/06/02/";
const dag = "replay_media";

interface Line {
  file: string;
  position: number;
  row?: Record<string, unknown>;
  text?: string;
}

let folder: string;
let file: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "lakestack-replay-"));
  file = path.join(folder, "broken.jsonl");
});
afterAll(() => rm(folder, { recursive: true }));

const replay = async (...args: string[]) => (await npmRun("source:replay", "media", ...args)).stdout;

/** Name of the object, position, and what became of the entry. */
const entries = () =>
  query(
    `SELECT regexp_extract(source_file_name, '[^/]+$'), position, resolution
     FROM iceberg.newtral.media_quarantine ORDER BY 1, 2`,
  );

/** Rows of the day that were replayed: id, and the end of the object's address. */
const replayed = () =>
  query(
    `SELECT id, regexp_extract(source_file_name, '[^/]+$') FROM iceberg.newtral.media
     WHERE source_file_name LIKE '%${day}%#%' ORDER BY 1`,
  );

const runs = async () => (await allRuns()).filter(({ dag_id }) => dag_id === dag);

test("what is open is shown by reason, with a place to look at", async () => {
  const shown = await replay("--list");
  expect(shown).toContain("6 open entries in iceberg.newtral.media_quarantine");
  expect(shown).toMatch(
    /^2 +0 .*key column id is missing, null or empty +s3a:\/\/source\/Media\/2018\/06\/02\/.* 2$/m,
  );
});

test("rows that a person has repaired arrive by one command, with their place, and their entries are closed", async () => {
  const before = await counts("newtral.media", day);
  expect(await replay("--export", file, "--reason", "key column id")).toContain("2 open entries in");
  const lines = (await readFile(file, "utf8")).trim().split("\n");
  const repaired = lines.map((line) => JSON.parse(line) as Line);
  expect(repaired.map(({ position, row }) => [position, row?.["id"] ?? "none"])).toEqual([
    [2, "none"],
    [2, "none"],
  ]);
  repaired.forEach((line, index) => (line.row = { ...line.row, id: `repaired-${index + 1}` }));
  await writeFile(file, repaired.map((line) => JSON.stringify(line)).join("\n"));

  const told = await replay("--file", file);
  expect(told).toContain("2 of open entries, 2 newly repaired.");
  expect(told).toContain("2 entries of media tried again: 2 closed (2 inserted), 0 still open.");
  expect(await replayed()).toEqual([
    ["repaired-1", "missing-id.json#2"],
    ["repaired-2", "null-id.json#2"],
  ]);
  expect(await counts("newtral.media", day)).toEqual({ rows: before.rows + 2, ids: before.ids + 2 });
  expect(await entries()).toEqual([
    ["categories-string.json", 2, null],
    ["invalid-utf8.json", 2, null],
    ["missing-id.json", 2, "replayed"],
    ["null-id.json", 2, "replayed"],
    ["truncated-line.json", 3, null],
    ["truncated.json.gz", 100, null],
  ]);
  const [run] = await runs();
  expect(run).toMatchObject({ state: "success" });
  expect(await xcom(dag, run?.dag_run_id ?? "", "replay")).toMatchObject({
    start: "2018-06-02",
    end: "2018-06-03",
    inserted: 2,
  });
});

test("the same command again adds nothing", async () => {
  const before = await counts("newtral.media");
  const told = await replay("--file", file);
  expect(told).toContain("of which none is an open entry of media: were they replayed before?");
  expect(await replay("--reason", "key column id")).toContain("No open entry of media is of that kind.");
  expect(await counts("newtral.media")).toEqual(before);
});

test("without a repair, what does not fit stays open, and is told with its reason", async () => {
  const before = await counts("newtral.media");
  const told = await replay();
  expect(told).toContain("4 entries of media tried again: 0 closed (0 inserted), 4 still open.");
  expect(told).toMatch(/^1 +column categories is not array<struct<id:string,name:string>>$/m);
  expect(told).toContain("1 damaged file: put it in order in the bucket");
  expect(await counts("newtral.media")).toEqual(before);
});

test("many rows are repaired by one statement in Trino", async () => {
  await query(
    `UPDATE iceberg.newtral.media_quarantine
     SET repaired_text = CAST(json_object('id': 'repaired-3', 'title': json_value(raw_text, 'lax $.title')) AS varchar)
     WHERE resolution IS NULL AND reason LIKE 'column categories%'`,
  );
  expect(await replay("--reason", "column categories")).toContain("1 closed (1 inserted)");
  expect(await replayed()).toContainEqual(["repaired-3", "categories-string.json#2"]);
});

test("what nobody wants is discarded", async () => {
  expect(await replay("--discard", "--reason", "the file is damaged")).toContain(
    "1 entry of media discarded.",
  );
  expect(await entries()).toContainEqual(["truncated.json.gz", 100, "discarded"]);
  expect(await replay("--list")).toContain("2 open entries in");
});
