import { beforeAll, describe, expect, test } from "vitest";
import {
  allRuns,
  ended,
  onlyTask,
  runToSuccess,
  setPaused,
  started,
  succeeded,
  type TaskInstance,
  taskLog,
  trigger,
  xcom,
} from "./airflow";
import { toldBy } from "../../infra/aws/alarm-lines";
import { logs } from "./docker";
import { put } from "./object-store";
import { badObjects, idsOf, manifestOf, objectsOf } from "./sample-data";
import { applications, historyUrl } from "./spark";
import { counts, query } from "./trino";
import { until } from "./until";

const month = "2018-03";
const days = ["2015-05-19", "2015-05-20", "2015-05-21"];
/** A day of Media with nothing but the malformed files. */
const badDay = "2018-06-02";

const monthly = "etl_spark_media_monthly";
const daily = "etl_spark_media_daily";
const commentsDaily = "etl_spark_tiktokcomment_daily";
const nowhereDaily = "etl_spark_nowhere_daily";

/** What a run reports. */
interface Result {
  read: number;
  duplicates: number;
  already_present: number;
  inserted: number;
  rejected: number;
  damaged_files: number;
  quarantined: number;
}

const resultOf = (dag: string, run: string) => xcom<Result>(dag, run, "ingest");

/** The run of a daily pipeline that ingests a day. */
const ofDay = (day: string) => ({ id: `day-${day}`, logicalDate: `${day}T01:00:00Z` });

// All are started here, and each test waits for its own. A month of one source and a day of the other come first, so that
// they can meet; the others then wait for a free place as on a busy morning.
beforeAll(async () => {
  await put(objectsOf("Media", month));
  for (const day of days) await put(objectsOf("TiktokComment", day));
  await put(badObjects(badDay));
  const [first = "", ...others] = days;
  await trigger(monthly, { id: month, conf: { month } });
  await trigger(commentsDaily, ofDay(first));
  await started(monthly, month);
  await started(commentsDaily, ofDay(first).id);
  for (const day of others) await trigger(commentsDaily, ofDay(day));
  await trigger(daily, ofDay(badDay));
  await setPaused(nowhereDaily, false);
});

test("a whole month is ingested by one run, with the rows that the manifest counts", async () => {
  await succeeded(monthly, month);
  const { rows, distinct_ids } = manifestOf("Media", month);
  expect(await resultOf(monthly, month)).toMatchObject({
    read: rows,
    duplicates: rows - distinct_ids,
    already_present: 0,
    inserted: distinct_ids,
    rejected: 0,
  });
  expect(await counts("newtral.media", "/Media/2018/03/")).toEqual({ rows: distinct_ids, ids: distinct_ids });
});

test("several days are ingested, each by the run of its own data interval", async () => {
  for (const day of days) {
    await succeeded(commentsDaily, ofDay(day).id);
    const { rows, distinct_ids } = manifestOf("TiktokComment", day);
    expect(await resultOf(commentsDaily, ofDay(day).id)).toMatchObject({
      read: rows,
      inserted: distinct_ids,
    });
    const part = `/TiktokComment/${day.replaceAll("-", "/")}/`;
    expect(await counts("newtral.tiktokcomment", part)).toEqual({ rows: distinct_ids, ids: distinct_ids });
  }
  const total = await counts("newtral.tiktokcomment", "/2015/05/");
  expect(total.ids).toBe(total.rows);
  expect(total.ids).toBe(idsOf("TiktokComment", [...days, ...loadedByUp]).size);
});

/** Days of comments that `npm run up` has loaded. */
const loadedByUp = ["2015-05-24", "2015-05-25", "2015-05-26", "2015-05-27", "2015-05-28"];

test("two sources are worked on at the same time, in Airflow and in Spark", async () => {
  const media = timesOf(await onlyTask(monthly, month));
  const comments = await Promise.all(days.map((day) => onlyTask(commentsDaily, ofDay(day).id)));
  expect(comments.some((task) => overlap(timesOf(task), media))).toBe(true);

  // A quick machine is through with the month while the driver of the next day starts: the malformed day may be the one
  // that a comment's day meets.
  await until("a job of each source at the same time in Spark's history", 180, async () => {
    const all = await applications(historyUrl);
    const spansOf = (...jobs: string[]) =>
      all
        .filter(({ name }) => jobs.some((job) => name.includes(job)))
        .map(({ attempts: [attempt] }) => [attempt?.startTimeEpoch ?? 0, attempt?.endTimeEpoch ?? 0]);
    const ofMedia = spansOf(`media ${month}`, `media ${badDay}`);
    const ofComments = spansOf(...days.map((day) => `tiktokcomment ${day}`));
    const meet = ofMedia.some((span) => ofComments.some((other) => overlap(other, span)));
    return ofComments.length >= days.length && meet;
  });
});

const timesOf = ({ start_date, end_date }: TaskInstance) => [
  Date.parse(start_date ?? ""),
  Date.parse(end_date ?? ""),
];

const overlap = ([start = NaN, end = NaN]: number[], [otherStart = NaN, otherEnd = NaN]: number[]) =>
  start < otherEnd && otherStart < end;

describe("malformed files", () => {
  test("good rows arrive, and the run says how many lines it rejected", async () => {
    await succeeded(daily, ofDay(badDay).id);
    // 12 good rows in the readable files, 99 before the cut of the gzip file; see bad/README.md.
    const part = "/Media/2018/06/02/";
    expect(await counts("newtral.media", part)).toEqual({ rows: 111, ids: 111 });
    expect(await resultOf(daily, ofDay(badDay).id)).toMatchObject({
      inserted: 111,
      rejected: 5,
      damaged_files: 1,
      quarantined: 6,
    });
    const log = await taskLog(await onlyTask(daily, ofDay(badDay).id));
    expect(log.join("\n")).toMatch(/111 inserted, 5 rejected, 1 damaged files/);
  });

  test("bad lines are kept aside with file, position and reason", async () => {
    const rows = await query(
      `SELECT regexp_extract(source_file_name, '[^/]+$'), position, reason, raw_text IS NOT NULL
       FROM iceberg.newtral.media_quarantine ORDER BY 1`,
    );
    expect(rows).toEqual([
      ["categories-string.json", 2, "column categories is not array<struct<id:string,name:string>>", true],
      ["invalid-utf8.json", 2, expect.stringContaining("UTF-8"), true],
      ["missing-id.json", 2, "key column id is missing, null or empty", true],
      ["null-id.json", 2, "key column id is missing, null or empty", true],
      ["truncated-line.json", 3, expect.stringContaining("JSON"), true],
      ["truncated.json.gz", 100, expect.stringContaining("the file is damaged from here on"), false],
    ]);
  });
});

describe("a pipeline that is switched on runs at once for the day before, and fails", () => {
  test("without objects, with a message that names the prefix", async () => {
    const { log, day } = await failureOfSchedule(daily);
    expect(log).toContain(`The prefix s3a://source/Media/${day}/ is empty`);
  });

  test("without the whole prefix, with a message that names it", async () => {
    const { log } = await failureOfSchedule(nowhereDaily);
    expect(log).toContain("The prefix s3a://source/Nowhere/ does not exist");
  });

  /** Waits for the failure of a DAG's scheduled run, which has only one try: nothing would be better the second time. */
  async function failureOfSchedule(dag: string): Promise<{ log: string; day: string }> {
    const scheduled = await until(`the scheduled run of ${dag}`, 60, async () =>
      (await allRuns()).find((each) => each.dag_id === dag && each.run_type === "scheduled"),
    );
    expect(await ended(dag, scheduled.dag_run_id)).toMatchObject({ state: "failed" });
    const task = await onlyTask(dag, scheduled.dag_run_id);
    expect(task).toMatchObject({ state: "failed", try_number: 1 });
    const day = (scheduled.data_interval_start ?? "").slice(0, 10).replaceAll("-", "/");
    return { log: (await taskLog(task)).join("\n"), day };
  }
});

test("the scheduler writes the lines that production's alarms hang on", async () => {
  expect(await logs("airflow-scheduler")).toMatch(line(toldBy.heartbeat));
  // The runs above have failed.
  await until("a line about a failed run", 60, async () =>
    line(toldBy.failedRun).test(await logs("airflow-scheduler")),
  );
});

/** A line that matches CloudWatch's pattern, in which * is any text. */
const line = (pattern: string) => new RegExp(`^${pattern.split("*").map(escaped).join(".*")}$`, "m");
const escaped = (text: string) => text.replace(/[.+?^${}()|[\]\\]/g, "\\$&");

test("a rerun adds nothing", async () => {
  const [day = ""] = days;
  await succeeded(monthly, month);
  await succeeded(commentsDaily, ofDay(day).id);
  const before = [await counts("newtral.media"), await counts("newtral.tiktokcomment")];
  await Promise.all([
    runToSuccess(monthly, { id: `${month}-again`, conf: { month } }),
    runToSuccess(commentsDaily, { id: `${day}-again`, logicalDate: `${day}T01:00:01Z` }),
  ]);
  const { distinct_ids } = manifestOf("Media", month);
  expect(await resultOf(monthly, `${month}-again`)).toMatchObject({
    inserted: 0,
    already_present: distinct_ids,
  });
  expect(await resultOf(commentsDaily, `${day}-again`)).toMatchObject({ inserted: 0 });
  expect([await counts("newtral.media"), await counts("newtral.tiktokcomment")]).toEqual(before);
});
