import { barChart } from "./bar-chart";
import type { Measurement } from "./ingest";

const colours: Record<string, string> = { batch: "#2a6f97", "batch, as the demo does": "#a9a9a9" };

/** Seconds of a batch by the size of the table, ours and the demo's, as a picture. */
export function ingestChart({ batch, results }: { batch: number; results: readonly Measurement[] }): string {
  const bars = results.flatMap(({ keys, rows, way, seconds }) => {
    const colour = colours[way];
    const name = `${keys} keys, ${rows.toLocaleString("en")} rows: ${way === "batch" ? "Lakestack" : "demo"}`;
    return colour === undefined ? [] : [{ name, value: seconds, text: `${seconds.toFixed(1)} s`, colour }];
  });
  return barChart(`A batch of ${batch.toLocaleString("en")} rows, by the size of the table`, bars);
}
