/** One bar: what it stands for, how long it is, and how its length is told. */
export interface Bar {
  name: string;
  value: number;
  text: string;
  colour: string;
}

const width = 780;
const left = 310;
const thickness = 16;
const step = thickness + 8;

/** Horizontal bars on one scale, below a title, as an SVG picture. */
export function barChart(title: string, bars: readonly Bar[]): string {
  const most = Math.max(...bars.map(({ value }) => value));
  const rows = bars.map(({ name, value, text, colour }, index) => {
    const y = 50 + index * step;
    const length = Math.max(1, (value / most) * (width - left - 170));
    return (
      `  <text x="${left - 8}" y="${y + 12}" text-anchor="end">${name}</text>\n` +
      `  <rect x="${left}" y="${y}" width="${length.toFixed(1)}" height="${thickness}" fill="${colour}"/>\n` +
      `  <text x="${(left + length + 6).toFixed(1)}" y="${y + 12}">${text}</text>`
    );
  });
  const height = 60 + bars.length * step;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="sans-serif" font-size="12">`,
    `  <rect width="100%" height="100%" fill="white"/>`,
    `  <text x="12" y="24" font-size="15">${title}</text>`,
    ...rows,
    "</svg>",
    "",
  ].join("\n");
}
