import { type GraphBuilder, type Ops, once } from "onnx-grad";
import { logGamma } from "./gamma.ts";

/** The shapes that are tried: 0.2, 0.201, ... below 10. */
const shapes = Float64Array.from({ length: 9800 }, (_, i) => 0.2 + 0.001 * i);

/**
 * Gamma(2/s)^2 / (Gamma(1/s) Gamma(3/s)): the squared mean over the mean square of a generalised
 * Gaussian of shape s. Grows with s.
 */
const ratioOf = (shape: number): number =>
  Math.exp(2 * logGamma(2 / shape) - logGamma(1 / shape) - logGamma(3 / shape));

/**
 * Factor of the mean of an asymmetric generalised Gaussian: Gamma(2/s) / sqrt(Gamma(1/s)
 * Gamma(3/s)).
 */
const meanFactorOf = (shape: number): number =>
  Math.exp(logGamma(2 / shape) - (logGamma(1 / shape) + logGamma(3 / shape)) / 2);

/**
 * Blocks that the limits between neighbouring shapes are cut into, and limits in a block: 99 x 99
 * holds all of them.
 */
const blocks = 99;

/**
 * Limits of the ratio between neighbouring shapes, row after row; the last are beyond any ratio.
 */
const limitsOfRatios = once(() =>
  Float64Array.from({ length: blocks * blocks }, (_, i) =>
    i + 1 < shapes.length ? (ratioOf(shapes[i]) + ratioOf(shapes[i + 1])) / 2 : 2,
  ),
);

/** Fits of M maps for each image, each `[N, M]`. */
export interface AggdFits {
  readonly shape: string;
  /** Mean, and mean squares left and right of zero. */
  readonly mean: string;
  readonly left: string;
  readonly right: string;
  /** Mean square. */
  readonly power: string;
}

/**
 * Fits an asymmetric generalised Gaussian (Lasmar, Stitou and Berthoumieu, ICIP 2009) to the values
 * of each map by moments. The shape is that of the grid whose ratio is nearest; the ratio grows
 * with the shape, so the grid is searched in two steps of 99 comparisons. A map without values on
 * one side of zero gives NaN.
 *
 * @param maps `[N, M, K]`
 */
export function fitAggd(b: GraphBuilder, o: Ops, maps: string): AggdFits {
  const count = o.dim(maps, 2);
  const total = (x: string): string => o.reduceSum(x, [2], false);
  const squares = o.reduceSumSquare(maps, [2], false);
  const rightSquares = o.reduceSumSquare(o.relu(maps), [2], false);
  const left = o.div(o.sub(squares, rightSquares), total(o.cast(o.less(maps, 0), "float32")));
  const right = o.div(rightSquares, total(o.cast(o.greater(maps, 0), "float32")));
  const [leftDeviation, rightDeviation] = [o.sqrt(left), o.sqrt(right)];
  const skew = o.div(leftDeviation, rightDeviation);
  const skewSquared = o.mul(skew, skew);
  const size = o.div(o.reduceL1(maps, [2], false), count);
  const power = o.div(squares, count);
  const plus1 = (x: string): string => o.add(x, 1);
  const ratio = o.div(
    o.mul(o.div(o.mul(size, size), power), o.mul(plus1(o.mul(skewSquared, skew)), plus1(skew))),
    o.mul(plus1(skewSquared), plus1(skewSquared)),
  );
  const index = nearestShape(b, o, ratio);
  const table = (value: (shape: number) => number): string => o.gather(o.floats(shapes.map(value)), index);
  const mean = o.mul(o.sub(rightDeviation, leftDeviation), table(meanFactorOf));
  return { shape: table((shape) => shape), mean, left, right, power };
}

/** Index of the grid's shape for each ratio: how many limits lie below it. */
function nearestShape(b: GraphBuilder, o: Ops, ratio: string): string {
  const column = o.unsqueeze(ratio, [2]);
  const below = (values: string): string => o.reduceSum(o.cast(o.greater(column, values), "float32"), [2], false);
  const limits = limitsOfRatios();
  const ends = limits.filter((_, i) => i % blocks === blocks - 1);
  const block = o.clip(below(o.floats(ends)), 0, blocks - 1);
  const rows = o.gather(o.floats(limits, [blocks, blocks]), o.cast(block, "int64"));
  return b.add("Cast", [o.add(o.mul(block, blocks), below(rows))], { to: { int: 7 } });
}
