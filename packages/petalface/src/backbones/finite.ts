/**
 * Which rows hold a number that is not finite. Models that divide by what a picture may lack (its
 * deviation, its norm) give NaN or Infinity for pictures of one colour; one such row makes every
 * mean and measure with it NaN.
 *
 * @param data `count x width`, row-major
 * @returns the numbers of those rows, ascending; mostly none
 */
export function rowsNotFinite(data: Float32Array, width: number): number[] {
  const found: number[] = [];
  for (let start = 0; start < data.length; start += width)
    for (let at = start; at < start + width; at++)
      if (!Number.isFinite(data[at])) {
        found.push(start / width);
        break;
      }
  return found;
}
