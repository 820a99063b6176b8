import type { Tensor } from "onnx-grad";
import { lastOf } from "onnx-grad";
import type { FivePoints, Point } from "../geometry.ts";
import type { Detection } from "../nms.ts";
import { floats, lastDim, type Recognise } from "./layout.ts";

/**
 * Pixels between the cells of each level, and boxes a cell, by the number of levels that a file
 * has.
 */
const grids: ReadonlyMap<number, { readonly strides: readonly number[]; readonly boxes: number }> = new Map([
  [3, { strides: [8, 16, 32], boxes: 2 }],
  [5, { strides: [8, 16, 32, 64, 128], boxes: 1 }],
]);

/**
 * SCRFD (Guo et al., ICLR 2022), as insightface exports it: for each level scores `[n, 1]`,
 * distances to the four edges `[n, 4]` and, in the files called `bnkps`, five points `[n, 10]`, all
 * in strides from the corner of the cell. Files with a leading 1 in these shapes are read too.
 */
export const recogniseScrfd: Recognise = ({ inputs, outputs }) => {
  const named = (width: number): string[] => outputs.filter((port) => lastDim(port) === width).map(({ name }) => name);
  const [scores, boxes, points] = [named(1), named(4), named(10)];
  const grid = grids.get(scores.length);
  const whole = boxes.length === scores.length && (points.length === 0 || points.length === scores.length);
  if (grid === undefined || !whole || outputs.length !== scores.length + boxes.length + points.length) return undefined;
  if (inputs.length !== 1) return undefined;
  return {
    kind: "scrfd",
    hasPoints: points.length > 0,
    mean: [127.5, 127.5, 127.5],
    scale: 1 / 128,
    channels: "rgb",
    threshold: 0.5,
    overlap: 0.4,
    multiple: Math.max(32, lastOf(grid.strides)),
    decode(results, width, _height, least) {
      const [score, box, five] = [scores, boxes, points].map((names) => finestFirst(results, names));
      return grid.strides.flatMap((stride, level) =>
        decodeLevel(
          { score: score?.[level], box: box?.[level], points: five?.[level] },
          { stride, boxes: grid.boxes, columns: Math.floor(width / stride) },
          least,
        ),
      );
    },
  };
};

/**
 * Outputs of all levels, finest first: the finest has most cells, whatever the outputs are called.
 */
function finestFirst(results: Readonly<Record<string, Tensor>>, names: readonly string[]): Float32Array[] {
  return names.map((name) => floats(results, name)).sort((one, other) => other.length - one.length);
}

function decodeLevel(
  level: {
    readonly score: Float32Array | undefined;
    readonly box: Float32Array | undefined;
    readonly points: Float32Array | undefined;
  },
  grid: { readonly stride: number; readonly boxes: number; readonly columns: number },
  least: number,
): Detection[] {
  const { score, box, points } = level;
  const { stride, boxes, columns } = grid;
  const found: Detection[] = [];
  if (score === undefined || box === undefined) return found;
  for (let at = 0; at < score.length; at++) {
    const value = score[at];
    if (!(value >= least)) continue;
    const cell = Math.floor(at / boxes);
    const x = (cell % columns) * stride;
    const y = Math.floor(cell / columns) * stride;
    const edge = (side: number): number => box[4 * at + side] * stride;
    found.push({
      score: value,
      box: [x - edge(0), y - edge(1), x + edge(2), y + edge(3)],
      points: points && fivePoints(points, 10 * at, (value, axis) => (axis === 0 ? x : y) + value * stride),
    });
  }
  return found;
}

/** Five points from ten numbers `x y x y ...`, each through a function. */
export function fivePoints(
  numbers: Float32Array,
  start: number,
  place: (value: number, axis: 0 | 1) => number,
): FivePoints {
  const at = (point: number): Point => [place(numbers[start + 2 * point], 0), place(numbers[start + 2 * point + 1], 1)];
  return [at(0), at(1), at(2), at(3), at(4)];
}
