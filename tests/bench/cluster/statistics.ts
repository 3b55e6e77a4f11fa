/** Small statistics over rounds. */

/** The middle value; the mean of the two middle ones when their number is even; NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  if (sorted.length % 2 === 1) return sorted[middle]!;
  return (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The median of one member of many results. */
export function medianOf<T>(items: readonly T[], value: (item: T) => number): number {
  return median(items.map(value));
}
