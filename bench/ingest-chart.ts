import type { Measurement } from "./ingest";

const width = 780;
const left = 310;
const bar = 16;
const colours: Record<string, string> = { batch: "#2a6f97", "batch, as the demo does": "#a9a9a9" };

/** Seconds of a batch by the size of the table, ours and the demo's, as a picture. */
export function ingestChart({ batch, results }: { batch: number; results: readonly Measurement[] }): string {
  const shown = results.filter(({ way }) => way in colours);
  const most = Math.max(...shown.map(({ seconds }) => seconds));
  const rows = shown.map(({ keys, rows: size, way, seconds }, index) => {
    const y = 50 + index * (bar + 8);
    const length = Math.max(1, (seconds / most) * (width - left - 70));
    const name = `${keys} keys, ${size.toLocaleString("en")} rows: ${way === "batch" ? "Lakestack" : "demo"}`;
    return (
      `  <text x="${left - 8}" y="${y + 12}" text-anchor="end">${name}</text>\n` +
      `  <rect x="${left}" y="${y}" width="${length.toFixed(1)}" height="${bar}" fill="${colours[way] ?? ""}"/>\n` +
      `  <text x="${(left + length + 6).toFixed(1)}" y="${y + 12}">${seconds.toFixed(1)} s</text>`
    );
  });
  const height = 60 + shown.length * (bar + 8);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="sans-serif" font-size="12">`,
    `  <rect width="100%" height="100%" fill="white"/>`,
    `  <text x="12" y="24" font-size="15">A batch of ${batch.toLocaleString("en")} rows, by the size of the table</text>`,
    ...rows,
    "</svg>",
    "",
  ].join("\n");
}
