/** The value below which a share of the values lies, by the nearest rank; NaN if there are none. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

export const median = (values: readonly number[]) => percentile(values, 0.5);

/** To so many digits after the point, for results that people read. */
export const rounded = (value: number, digits = 1) => Number(value.toFixed(digits));
