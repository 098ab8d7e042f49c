import { describe, expect, it } from "vitest";
import { barChart } from "../../bench/bar-chart";
import { type CatalogMeasurement, type CatalogResult, report as catalogReport } from "../../bench/catalog";
import { catalogChart } from "../../bench/catalog-chart";
import { readPgbench } from "../../bench/postgres-pointers";
import { report as schedulerReport, type SchedulerMeasurement } from "../../bench/scheduler";
import { schedulerChart } from "../../bench/scheduler-chart";
import { percentile, rounded } from "../../bench/statistics";

const commits = (
  tables: "one" | "many",
  writers: number,
  commitsPerSecond: number,
  catalogs = 1,
): CatalogMeasurement => ({
  ...{ tables, catalogs, writers, commits: 100, commitsPerSecond, conflictShare: 0.25, errors: 0 },
  ...{ p50: 12, p95: 34, cpu: { catalog: 5, database: 3, objectStore: 2, client: 1 } },
});

const catalog: CatalogResult = {
  machine: { cores: 2, memoryGiB: 24, node: "v20" },
  seconds: 5,
  nessie: [commits("one", 8, 20), commits("many", 8, 40), commits("many", 8, 50, 2)],
  postgres: [{ tables: "many", writers: 8, commitsPerSecond: 2000, conflictShare: 0, mean: 4 }],
  bytesPerCommit: 2048,
};

const tasks = (schedulers: number, parallelism: number, tasksPerSecond: number): SchedulerMeasurement => ({
  ...{ schedulers, parallelism, seconds: 60, tasksPerSecond, run: 1.5 },
  ...{ delay: { median: 2, most: 3 }, cpu: { scheduler: 0.7, api: 0.2, database: 0.1 } },
});
const scheduler = { tasks: 60, results: [tasks(1, 1, 0.5), tasks(1, 4, 1), tasks(2, 4, 1.5)] };

const lengths = (chart: string) =>
  [...chart.matchAll(/<rect x="\d+" y="\d+" width="([\d.]+)"/g)].map(([, length]) => Number(length));

describe("the benchmarks' statistics", () => {
  it("take the nearest rank, whatever the order", () => {
    const values = Array.from({ length: 20 }, (_, index) => 20 - index);
    expect([percentile(values, 0.5), percentile(values, 0.95), percentile(values, 1)]).toEqual([10, 19, 20]);
    expect(percentile([7], 0.05)).toBe(7);
  });

  it("have no percentile of nothing", () => {
    expect(percentile([], 0.5)).toBeNaN();
  });

  it("round to the digits that are asked for", () => {
    expect([rounded(1.26), rounded(0.1239, 3)]).toEqual([1.3, 0.124]);
  });
});

describe("what pgbench wrote", () => {
  const output =
    "number of transactions actually processed: 4000\r\nlatency average = 1.250 ms\r\ntps = 2000\r\n";

  it("gives changes a second and the share that found the row changed", () => {
    expect(readPgbench(output, 3000, 2)).toEqual({ commitsPerSecond: 1500, conflictShare: 0.25, mean: 1.25 });
  });

  it("is shown where it is something else", () => {
    expect(() => readPgbench("connection refused", 0, 2)).toThrow(
      /actually processed.*\nconnection refused/s,
    );
  });
});

describe("the benchmark of the catalog", () => {
  it("reports each measurement beside PostgreSQL alone with as many writers", () => {
    const text = catalogReport(catalog);
    expect(text).toMatch(/1 +many +8 +40\.0 +25\.0 % +0 +12 ms +34 ms +10 ms +2000 +1 : 50/);
    expect(text).toContain("Each commit adds 2.0 KiB");
  });

  it("draws one catalog's commits to scale", () => {
    const [one = 0, many = 0, ...others] = lengths(catalogChart(catalog));
    expect(many).toBeCloseTo(2 * one, 0);
    expect(others).toEqual([]);
  });
});

describe("the benchmark of the scheduler", () => {
  it("reports each setting as a multiple of one task at a time", () => {
    expect(schedulerReport(scheduler)).toMatch(/2 +4 +60\.0 s +1\.50 +3\.00 × .* +1\.00 s/);
  });

  it("draws every setting to scale", () => {
    const [first = 0, second = 0, third = 0] = lengths(schedulerChart(scheduler));
    expect(second).toBeCloseTo(2 * first, 0);
    expect(third).toBeCloseTo(3 * first, 0);
  });
});

describe("a bar chart", () => {
  it("has room for as many bars as there are", () => {
    const bar = { name: "a", value: 1, text: "1", colour: "red" };
    const height = (count: number) => {
      const chart = barChart(
        "title",
        Array.from({ length: count }, () => bar),
      );
      return Number(/height="(\d+)"/.exec(chart)?.[1]);
    };
    expect(height(12) - height(2)).toBe(240);
  });
});
