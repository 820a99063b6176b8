import { itemAt, tupleOf } from "onnx-grad";
import type { Detection } from "../nms.ts";
import { type Prior, priorsOf } from "../priors.ts";
import { floats, lastDim, type Recognise, requireRows } from "./layout.ts";
import { decodeBox, keepLast } from "./retinaface.ts";

const levels = [
  { stride: 8, sides: [10, 16, 24] },
  { stride: 16, sides: [32, 48] },
  { stride: 32, sides: [64, 96] },
  { stride: 64, sides: [128, 192, 256] },
];

/**
 * Decoded boxes lie near their priors, whatever the photo shows: this share of them within so many
 * of the prior's sides.
 */
const near = { share: 0.9, sides: 3 };

/**
 * UltraFace (Linzaer, Ultra-Light-Fast-Generic-Face-Detector-1MB), of 320 x 240 or 640 x 480:
 * scores of background and face `[1, n, 2]` and boxes `[1, n, 4]`, no points. RGB, (x - 127) / 128.
 * The boxes are corners in shares of the canvas, or, in files exported without post-processing,
 * offsets from prior boxes; which of the two is seen from the numbers.
 */
export const recogniseUltraface: Recognise = ({ inputs, outputs }) => {
  const named = (width: number): string | undefined => outputs.find((port) => lastDim(port) === width)?.name;
  const [boxes, scores] = [named(4), named(2)];
  if (outputs.length !== 2 || inputs.length !== 1 || boxes === undefined || scores === undefined) return undefined;
  const priors = keepLast((width: number, height: number) => priorsOf(levels, width, height));
  return {
    kind: "ultraface",
    hasPoints: false,
    mean: [127, 127, 127],
    scale: 1 / 128,
    channels: "rgb",
    threshold: 0.7,
    overlap: 0.4,
    multiple: 64,
    decode(results, width, height, least) {
      const [score, box] = [floats(results, scores), floats(results, boxes)];
      const grid = priors(width, height);
      const sides = [width, height, width, height];
      requireRows("ultraface", score.length / 2, grid.length, width, height);
      const decoded = grid.filter((prior, at) => isNear(box, at, prior, sides)).length >= near.share * grid.length;
      return grid.flatMap((prior, at): Detection[] => {
        const value = itemAt(score, 2 * at + 1);
        if (!(value >= least)) return [];
        const corners = sides.map((side, edge) => box[4 * at + edge] * side);
        return [{ score: value, box: decoded ? tupleOf(corners, 4) : decodeBox(box, at, prior) }];
      });
    },
  };
};

/** Whether four numbers, read as corners in shares of the canvas, are a box about the prior. */
function isNear(
  box: Float32Array,
  at: number,
  { x, y, side }: Prior,
  [width = 0, height = 0]: readonly number[],
): boolean {
  const [left = 0, top = 0, right = 0, bottom = 0] = box.subarray(4 * at, 4 * at + 4);
  const limit = near.sides * side;
  return (
    Math.abs(((left + right) / 2) * width - x) < limit &&
    Math.abs(((top + bottom) / 2) * height - y) < limit &&
    right > left &&
    bottom > top
  );
}
