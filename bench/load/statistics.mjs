/** Of numbers sorted ascending; `NaN` of none. */
export function percentile(sorted, fraction) {
  if (sorted.length === 0) return NaN;
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * fraction))];
}

export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return Number.isInteger(middle) ? (sorted[middle - 1] + sorted[middle]) / 2 : sorted[Math.floor(middle)];
}

/** Median and spread of the rounds; `null` where nothing could be measured. */
export function summary(values) {
  if (values.length === 0 || values.some((value) => !Number.isFinite(value))) return null;
  return { median: rounded(median(values)), min: rounded(Math.min(...values)), max: rounded(Math.max(...values)) };
}

/** Four significant digits. */
export const rounded = (value) => Number(value.toPrecision(4));
