import { describe, expect, it } from "vitest";
import { type Measurement, report } from "../../bench/ingest";
import { ingestChart } from "../../bench/ingest-chart";

const measured = (way: string, seconds: number): Measurement => ({
  keys: "random",
  rows: 1_000_000,
  way,
  seconds,
  cpuSeconds: seconds,
  bytesRead: 5_000_000,
  tableBytes: 100_000_000,
});
const results = [measured("key check", 1), measured("batch", 5), measured("batch, as the demo does", 10)];

describe("the benchmark of ingestion", () => {
  it("reports each measurement with its share of the table", () => {
    expect(report({ results })).toMatch(/random +1,000,000 +batch +5\.0 s +5\.0 s +.* +5\.0 %/);
  });

  it("reports many days at once, with the steps of the run", () => {
    const way = (name: string, seconds: number) => ({
      way: name,
      seconds,
      cpuSeconds: 2 * seconds,
      rowsPerSecond: 200_000 / seconds,
    });
    const text = report({
      results: [],
      backfill: {
        rows: 200_000,
        days: 2,
        textBytes: 1 << 30,
        results: [way("DuckDB", 2), way("Lakestack, in one run", 8)],
        profile: [{ step: "write and commit", seconds: 3, cpuSeconds: 4 }],
      },
    });
    expect(text).toMatch(/200,000 rows in 2 days/);
    expect(text).toMatch(/Lakestack, in one run +8\.0 s +16\.0 s +25,000/);
    expect(text).toMatch(/of 1\.0 GiB of JSON[^]*write and commit +3\.0 s +4\.0 s/);
    expect(text).not.toContain("rows in the table");
  });

  it("reports a batch beyond the memory with how far beyond it is", () => {
    const memory = {
      heapBytes: 512 << 20,
      textBytes: 5.5 * 2 ** 30,
      rows: 8_000_000,
      seconds: 600,
      cpuSeconds: 900,
    };
    expect(report({ results: [], memory })).toMatch(
      /8,000,000 rows +5\.5 GiB +512 MiB +11\.0 × +600\.0 s +900\.0 s/,
    );
  });

  it("draws the batches beside the demo's, to scale", () => {
    const chart = ingestChart({ batch: 50_000, results });
    const bars = [...chart.matchAll(/<rect x="\d+" y="\d+" width="([\d.]+)"/g)].map(([, width]) =>
      Number(width),
    );
    expect(bars).toHaveLength(2);
    expect(bars[1]).toBeCloseTo(2 * (bars[0] ?? 0), 0);
    expect(chart).toContain("random keys, 1,000,000 rows: Lakestack");
    expect(chart).not.toContain("key check");
  });
});
