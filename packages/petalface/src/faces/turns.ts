import type { Pixels } from "../images/index.ts";
import type { Point } from "./geometry.ts";

/** Quarter turns clockwise. */
export type Turn = 0 | 1 | 2 | 3;

/**
 * A photo rotated clockwise; the photo itself where the rotation is 0. No pixel changes its value.
 */
export function turnPixels(photo: Pixels, turn: Turn): Pixels {
  if (turn === 0) return photo;
  const { width, height, data } = photo;
  const [across, down] = turn === 2 ? [width, height] : [height, width];
  const rotated = new Uint8Array(data.length);
  // Where the rotated photo's first pixel lies in the photo, and the steps to its neighbours on the
  // right and below.
  const [first, right, below] = {
    1: [(height - 1) * width, -width, 1],
    2: [width * height - 1, -1, -width],
    3: [width - 1, width, -1],
  }[turn];
  let to = 0;
  for (let y = 0; y < down; y++) {
    for (let x = 0, from = 3 * (first + y * below); x < across; x++, to += 3, from += 3 * right) {
      rotated[to] = data[from];
      rotated[to + 1] = data[from + 1];
      rotated[to + 2] = data[from + 2];
    }
  }
  return { width: across, height: down, data: rotated };
}

/** Where a point of a rotated photo lies in the photo, whose sides these are. */
export function turnBack(turn: Turn, width: number, height: number): (point: Point) => Point {
  const places: Readonly<Record<Turn, (point: Point) => Point>> = {
    0: (point) => point,
    1: ([x, y]) => [y, height - 1 - x],
    2: ([x, y]) => [width - 1 - x, height - 1 - y],
    3: ([x, y]) => [width - 1 - y, x],
  };
  return places[turn];
}
