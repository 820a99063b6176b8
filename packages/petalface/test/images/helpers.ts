import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import type { Pixels } from "../../src/images/index.ts";

const repository = fileURLToPath(new URL("../../../../", import.meta.url));

/** A path inside the shared folder, and whether it is there. */
export function shared(...parts: string[]): { readonly path: string; readonly exists: boolean } {
  const path = resolve(repository, process.env.PETALFACE_SHARED ?? "../shared", ...parts);
  return { path, exists: existsSync(path) };
}

/** Pixels by formula. */
export function paint(
  width: number,
  height: number,
  colour: (x: number, y: number, channel: number) => number,
): Pixels {
  const data = new Uint8Array(width * height * 3);
  for (let at = 0; at < data.length; at++) {
    const pixel = Math.floor(at / 3);
    data[at] = colour(pixel % width, Math.floor(pixel / width), at % 3);
  }
  return { width, height, data };
}

/** Smooth, different in every corner and channel. */
export function gradient(side: number): Pixels {
  return paint(
    side,
    side,
    (x, y, channel) => [(x * 255) / side, (y * 255) / side, ((x + y) * 127) / side][channel] ?? 0,
  );
}

/** Any pixels of any small size. */
export function arbitraryPixels(most = 40): fc.Arbitrary<Pixels> {
  const side = fc.integer({ min: 1, max: most });
  return fc
    .tuple(side, side)
    .chain(([width, height]) =>
      fc
        .uint8Array({ minLength: width * height * 3, maxLength: width * height * 3 })
        .map((data) => ({ width, height, data: new Uint8Array(data) })),
    );
}

export function mean(values: ArrayLike<number>): number {
  let sum = 0;
  for (let at = 0; at < values.length; at++) sum += values[at];
  return sum / values.length;
}

/** Largest difference of two equally long lists. */
export function worst(one: ArrayLike<number>, other: ArrayLike<number>): number {
  if (one.length !== other.length) return Number.POSITIVE_INFINITY;
  let most = 0;
  for (let at = 0; at < one.length; at++) most = Math.max(most, Math.abs(one[at] - other[at]));
  return most;
}
