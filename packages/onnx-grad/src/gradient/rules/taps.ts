import { floatOf, intOf, stringOf } from "../../graph/attributes.ts";
import type { Node } from "../../graph/graph.ts";
import type { Taps } from "./along.ts";
import { cannot } from "./rule.ts";

/** The nearest of `length` places. */
export const clamp = (at: number, length: number): number => Math.min(Math.max(at, 0), length - 1);

/**
 * Where place `at` of a resized axis lies in the input (ONNX, Resize,
 * coordinate_transformation_mode), in float32.
 */
export function origin(node: Node, at: number, scale: number, from: number, to: number): number {
  const half = Math.fround(Math.fround(at + 0.5) / scale);
  const mode = stringOf(node, "coordinate_transformation_mode", "half_pixel");
  if (scale === 1) return at;
  if (mode === "half_pixel") return Math.fround(half - 0.5);
  if (mode === "pytorch_half_pixel") return to > 1 ? Math.fround(half - 0.5) : 0;
  if (mode === "tf_half_pixel_for_nn") return half;
  if (mode === "asymmetric") return Math.fround(at / scale);
  if (mode === "align_corners") return to === 1 ? 0 : Math.fround(Math.fround(at * (from - 1)) / (to - 1));
  if (mode === "half_pixel_symmetric") {
    const share = Math.fround(to / Math.fround(scale * from));
    const offset = Math.fround(Math.fround(from / 2) * Math.fround(1 - share));
    return Math.fround(Math.fround(offset + half) - 0.5);
  }
  throw cannot(node, `coordinate_transformation_mode ${mode} has no gradient here`);
}

/** The place that mode `nearest` reads for a coordinate (ONNX, Resize, nearest_mode). */
export function nearestPlace(node: Node, at: number, length: number): number {
  const mode = stringOf(node, "nearest_mode", "round_prefer_floor");
  if (mode === "floor") return clamp(Math.floor(at), length);
  if (mode === "ceil") return clamp(Math.ceil(at), length);
  return clamp(mode === "round_prefer_ceil" ? Math.floor(at + 0.5) : Math.ceil(at - 0.5), length);
}

/** Keys' weight of a tap at distance `d` in [0, 2]. */
function cubicWeight(a: number, d: number): number {
  if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
}

/** What place `at` reads of an axis, by the mode of a Resize node. */
export function tapsOf(node: Node, at: number, length: number): Taps {
  const mode = stringOf(node, "mode", "nearest");
  if (mode === "nearest") return [[nearestPlace(node, at, length), 1]];
  const left = Math.floor(at);
  if (mode === "linear") {
    const inside = clamp(at, length);
    const [low, part] = [Math.floor(inside), inside - Math.floor(inside)];
    return [
      [low, 1 - part],
      [clamp(low + 1, length), part],
    ];
  }
  if (mode !== "cubic") throw cannot(node, `mode ${mode} has no gradient here`);
  const a = floatOf(node, "cubic_coeff_a", -0.75);
  const outside = intOf(node, "exclude_outside", 0) === 1;
  const taps = [-1, 0, 1, 2]
    .map((step) => [left + step, cubicWeight(a, Math.abs(at - left - step))] as const)
    .filter(([place]) => !outside || (place >= 0 && place < length));
  const total = outside ? taps.reduce((sum, [, weight]) => sum + weight, 0) : 1;
  return taps.map(([place, weight]) => [clamp(place, length), weight / total]);
}
