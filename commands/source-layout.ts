/** How the objects of a source are laid out, told from their names. */
export interface SourceLayout {
  /** The folder above the days: empty, or ending in "/". */
  prefix: string;
  /** How a day's folder is called, in the words of strftime. */
  dates: string;
  /** The earliest day that was seen, YYYY-MM-DD. */
  first: string;
}

const year = String.raw`(?<Y>(?:19|20)\d\d)`;
const month = String.raw`(?<m>0[1-9]|1[0-2])`;
const day = String.raw`(?<d>0[1-9]|[12]\d|3[01])`;

/** What a day's folder may be called; the first that fits is taken. */
const layouts: { pattern: RegExp; dates: (match: RegExpExecArray) => string }[] = [
  {
    pattern: new RegExp(`(^|/)(?<a>[a-z_]+=)${year}/(?<b>[a-z_]+=)${month}/(?<c>[a-z_]+=)${day}/[^/]+$`),
    dates: ({ groups = {} }) => `${groups["a"] ?? ""}%Y/${groups["b"] ?? ""}%m/${groups["c"] ?? ""}%d`,
  },
  { pattern: new RegExp(`(^|/)${year}/${month}/${day}/[^/]+$`), dates: () => "%Y/%m/%d" },
  {
    pattern: new RegExp(`(^|/)(?<a>[A-Za-z_]+=)?${year}(?<s>[-_.]?)${month}\\k<s>${day}/[^/]+$`),
    dates: ({ groups = {} }) => `${groups["a"] ?? ""}%Y${groups["s"] ?? ""}%m${groups["s"] ?? ""}%d`,
  },
];

/** The layout that most of the names fit; undefined if none has a folder by day. */
export function layoutOf(names: readonly string[]): SourceLayout | undefined {
  const found = new Map<string, SourceLayout & { count: number }>();
  for (const name of names) {
    for (const { pattern, dates } of layouts) {
      const match = pattern.exec(name);
      if (match === null) continue;
      const prefix = name.slice(0, match.index + (match[1] ?? "").length);
      const key = `${prefix} ${dates(match)}`;
      const { Y = "", m = "", d = "" } = match.groups ?? {};
      const before = found.get(key);
      const first = `${Y}-${m}-${d}`;
      found.set(key, {
        prefix,
        dates: dates(match),
        first: before !== undefined && before.first < first ? before.first : first,
        count: (before?.count ?? 0) + 1,
      });
      break;
    }
  }
  const [best] = [...found.values()].sort((a, b) => b.count - a.count);
  return best && { prefix: best.prefix, dates: best.dates, first: best.first };
}
