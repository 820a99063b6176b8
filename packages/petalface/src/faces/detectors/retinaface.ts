import { itemAt } from "onnx-grad";
import type { Detection } from "../nms.ts";
import { type Prior, priorsOf, variances } from "../priors.ts";
import { floats, lastDim, type Recognise, requireRows } from "./layout.ts";
import { fivePoints } from "./scrfd.ts";

const levels = [
  { stride: 8, sides: [16, 32] },
  { stride: 16, sides: [64, 128] },
  { stride: 32, sides: [256, 512] },
];

/**
 * RetinaFace (Deng et al., CVPR 2020) in the widespread PyTorch form (biubug6/Pytorch_Retinaface,
 * MobileNet 0.25 and ResNet-50): boxes `[1, n, 4]`, scores of background and face `[1, n, 2]` after
 * the softmax, points `[1, n, 10]`, all relative to prior boxes. BGR minus (104, 117, 123).
 */
export const recogniseRetinaface: Recognise = ({ outputs }) => {
  const named = (width: number): string | undefined => outputs.find((port) => lastDim(port) === width)?.name;
  const [boxes, scores, points] = [named(4), named(2), named(10)];
  if (outputs.length !== 3 || boxes === undefined || scores === undefined || points === undefined) return undefined;
  const priors = keepLast((width: number, height: number) => priorsOf(levels, width, height));
  return {
    kind: "retinaface",
    hasPoints: true,
    mean: [104, 117, 123],
    scale: 1,
    channels: "bgr",
    threshold: 0.6,
    overlap: 0.4,
    multiple: 32,
    decode(results, width, height, least) {
      const [score, box, five] = [floats(results, scores), floats(results, boxes), floats(results, points)];
      const grid = priors(width, height);
      requireRows("retinaface", score.length / 2, grid.length, width, height);
      return grid.flatMap((prior, at): Detection[] => {
        const value = itemAt(score, 2 * at + 1);
        if (!(value >= least)) return [];
        const moved = (value: number, axis: 0 | 1): number =>
          (axis === 0 ? prior.x : prior.y) + value * variances.centre * prior.side;
        return [
          {
            score: value,
            box: decodeBox(box, at, prior),
            points: fivePoints(five, 10 * at, moved),
          },
        ];
      });
    },
  };
};

/**
 * A box from its offsets against a prior: shift of the centre in sides, logarithm of the growth
 * (Liu et al., SSD, 2016).
 */
export function decodeBox(offsets: Float32Array, at: number, { x, y, side }: Prior): Detection["box"] {
  const value = (place: number): number => itemAt(offsets, 4 * at + place);
  const middle = [x + value(0) * variances.centre * side, y + value(1) * variances.centre * side] as const;
  const half = (place: number): number => (Math.exp(value(place) * variances.side) * side) / 2;
  const [across, down] = [half(2), half(3)];
  return [middle[0] - across, middle[1] - down, middle[0] + across, middle[1] + down];
}

/** A function of two numbers that remembers its last answer: most photos of a set have one size. */
export function keepLast<T>(make: (width: number, height: number) => T): (width: number, height: number) => T {
  let last: { readonly width: number; readonly height: number; readonly made: T } | undefined;
  return (width, height) => {
    if (last?.width !== width || last.height !== height) last = { width, height, made: make(width, height) };
    return last.made;
  };
}
