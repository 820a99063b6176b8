import { type GraphBuilder, itemAt, type Ops, ops } from "onnx-grad";
import type { Backbone } from "../../backbones/index.ts";
import { wholeGreyOf } from "../grey.ts";
import type { QualityMeasure } from "../types.ts";
import { type QualityWeights, requireTensors } from "../weights.ts";
import { fitAggd } from "./aggd.ts";
import { blurred, halved } from "./opencv-filters.ts";

/** Neighbours whose products with a pixel are looked at: rows and columns. */
const shifts = [
  [0, 1],
  [1, 0],
  [1, 1],
  [-1, 1],
] as const;

const features = 36;
const worst = 100;
/**
 * Mean square of the normalised image below which there is nothing but rounding in it: a constant
 * image.
 */
const nothing = 1e-6;

/**
 * Names and dimensions of the weights: support vectors, their factors, ranges of the features, and
 * `[gamma, rho]`.
 */
const needed = {
  support: [-1, features],
  alpha: [-1],
  minimum: [features],
  maximum: [features],
  kernel: [2],
} as const;

/**
 * Normalised image (mean subtracted, divided by the deviation, both local) and its four products:
 * `[N, 5, size * size]`.
 */
function maps(b: GraphBuilder, o: Ops, x: string, size: number): string {
  const mean = blurred(b, o, x, size);
  const variance = o.sub(blurred(b, o, o.mul(x, x), size), o.mul(mean, mean));
  const deviation = o.sqrt(o.relu(variance));
  const full = o.div(o.sub(x, mean), o.add(deviation, 1 / 255));
  const normal = o.where(o.less(variance, 0), 0, full);
  const padded = o.pad(normal, [0, 1, 1, 0, 1, 1]);
  const products = shifts.map(([row, column]) =>
    o.mul(normal, o.slice(padded, [1 + row, 1 + column], [1 + row + size, 1 + column + size], [1, 2])),
  );
  const stack = o.concat(
    [normal, ...products].map((map) => o.unsqueeze(map, [1])),
    1,
  );
  return b.add("Reshape", [stack, o.ints([0, 5, -1])]);
}

/**
 * The 36 features `[N, 36]` as OpenCV's quality module computes them, and the mean square of the
 * normalised image `[N]`.
 */
export function brisqueFeatures(
  b: GraphBuilder,
  backbone: Backbone,
  image: string,
): { readonly features: string; readonly power: string } {
  const o = ops(b);
  const full = o.mul(wholeGreyOf(b, o, backbone, image, [9798, 19235, 3735], 15), 1 / 255);
  const scales = [
    [full, backbone.size],
    [halved(b, o, full, backbone.size), Math.round(backbone.size / 2)],
  ] as const;
  const fits = scales.map(([x, size]) => fitAggd(b, o, maps(b, o, x, size)));
  const columns = fits.flatMap(({ shape, mean, left, right }) => {
    const spread = o.mul(o.add(left, right), 0.5);
    const at = (value: string, map: number): string => o.slice(value, [map], [map + 1], [1]);
    return [
      at(shape, 0),
      at(spread, 0),
      ...shifts.flatMap((_, i) => [shape, mean, left, right].map((value) => at(value, i + 1))),
    ];
  });
  const [first] = fits;
  if (first === undefined) throw new Error("no scales");
  return { features: o.concat(columns, 1), power: o.squeeze(o.slice(first.power, [0], [1], [1]), [1]) };
}

/**
 * BRISQUE (Mittal, Moorthy and Bovik, IEEE Transactions on Image Processing 21, 2012) with OpenCV's
 * numerics, so that the public model of OpenCV's quality module applies: 36 statistics of the
 * locally normalised image, then a support vector machine. 0 (best) to 100; lower is better. A
 * constant image is 100 here: OpenCV's statistics of it are not numbers, which it reports as 0, the
 * best.
 */
export function brisque(weights: QualityWeights): QualityMeasure {
  requireTensors("brisque", weights, needed);
  const tensor = (name: keyof typeof needed): Float32Array => weights.tensors.get(name)?.data ?? new Float32Array();
  return {
    name: "brisque",
    description: "36 statistics of natural images and a support vector machine; OpenCV's model",
    weights,
    build(b, backbone, image) {
      const o = ops(b);
      const [gamma = 0, rho = 0] = tensor("kernel");
      const { features: raw, power } = brisqueFeatures(b, backbone, image);
      const minimum = tensor("minimum");
      const slope = tensor("maximum").map((high, i) => 2 / (high - itemAt(minimum, i)));
      const scaled = o.sub(o.mul(o.sub(raw, o.floats(minimum)), o.floats(slope)), 1);
      const vectors = tensor("alpha").length;
      const difference = o.sub(o.unsqueeze(scaled, [1]), o.floats(tensor("support"), [vectors, features]));
      const kernel = o.exp(o.mul(o.reduceSumSquare(difference, [2], false), -gamma));
      const sum = o.squeeze(o.matmul(kernel, o.floats(tensor("alpha"), [vectors, 1])), [1]);
      const score = o.clip(o.sub(sum, rho), 0, worst);
      const usable = o.and(o.equal(sum, sum), o.greater(power, nothing));
      return o.where(usable, score, worst);
    },
  };
}
