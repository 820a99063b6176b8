/** At most `most` values, evenly chosen. */
export function evenly(values: ArrayLike<number>, most: number): number[] {
  const count = Math.min(most, values.length);
  return Array.from({ length: count }, (_, at) => values[Math.floor((at * values.length) / count)] ?? 0);
}
