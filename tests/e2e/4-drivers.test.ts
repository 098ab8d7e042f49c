import { expect, test } from "vitest";
import { runToSuccess } from "./airflow";
import { keptDrivers } from "./drivers";
import { put } from "./object-store";
import { objectsOf } from "./sample-data";
import { applications, historyUrl } from "./spark";
import { counts } from "./trino";
import { until } from "./until";

test("small days are the work of one driver, which stays and makes an application of each", async () => {
  const days = ["2018-04-21", "2018-04-22", "2018-04-23"];
  for (const day of days) await put(objectsOf("Media", day));
  const seen: string[][] = [];
  for (const day of days) {
    await runToSuccess("etl_spark_media_daily", { id: `driver-${day}`, logicalDate: `${day}T01:00:03Z` });
    seen.push(await keptDrivers());
  }
  const [first = []] = seen;
  expect(first.length).toBeGreaterThan(0);
  expect(seen).toEqual(days.map(() => first));

  const ids = await until("the applications in the history", 60, async () => {
    const all = await applications(historyUrl);
    const found = days.map((day) => all.find(({ name }) => name.includes(`media ${day}`))?.id ?? "");
    return found.every((id) => id !== "") && found;
  });
  // So Spark calls those that ask no cluster for executors.
  expect(ids).toEqual(days.map(() => expect.stringMatching(/^local-/) as string));
  expect(new Set(ids).size).toBe(days.length);
  for (const day of days) {
    const { rows, ids: distinct } = await counts("newtral.media", `/Media/${day.replaceAll("-", "/")}/`);
    expect(rows).toBeGreaterThan(0);
    expect(distinct).toBe(rows);
  }
});
