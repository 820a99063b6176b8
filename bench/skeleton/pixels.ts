import type { Pixels } from "petalface/images";

/** Draws the rows and columns of a picture from the first to before the last onto another one. */
export function paste(
  onto: Pixels,
  from: Pixels,
  [left, top]: readonly [number, number],
  [first, last] = [0, from.width] as readonly [number, number],
  [upper, lower] = [0, from.height] as readonly [number, number],
): void {
  for (let row = upper; row < lower; row++) {
    const line = from.data.subarray(3 * (row * from.width + first), 3 * (row * from.width + last));
    onto.data.set(line, 3 * ((row + top) * onto.width + left + first));
  }
}
