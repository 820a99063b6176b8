import { floatOf, intOf, stringOf } from "../attributes.ts";
import type { Node } from "../graph.ts";
import { callOf } from "../infer/call.ts";
import { resizingOf } from "../infer/resize.ts";
import { padsOf } from "../infer/slice.ts";
import { back, type Taps } from "./along.ts";
import { cannot, known, type Rule } from "./rule.ts";
import { padsFor } from "./shape.ts";

const clamp = (at: number, length: number): number => Math.min(Math.max(at, 0), length - 1);

/** Where place `at` of a resized axis lies in the input (ONNX, Resize, coordinate_transformation_mode), in float32. */
function origin(node: Node, at: number, scale: number, from: number, to: number): number {
  const half = Math.fround(Math.fround(at + 0.5) / scale);
  const mode = stringOf(node, "coordinate_transformation_mode", "half_pixel");
  if (scale === 1) return at;
  if (mode === "half_pixel") return Math.fround(half - 0.5);
  if (mode === "pytorch_half_pixel") return to > 1 ? Math.fround(half - 0.5) : 0;
  if (mode === "asymmetric") return Math.fround(at / scale);
  if (mode === "align_corners") return to === 1 ? 0 : Math.fround(Math.fround(at * (from - 1)) / (to - 1));
  if (mode === "half_pixel_symmetric") {
    const centre = from / 2;
    return Math.fround(centre * (1 - to / Math.fround(scale * from)) + half - 0.5);
  }
  throw cannot(node, `coordinate_transformation_mode ${mode} has no gradient here`);
}

/** The place that mode `nearest` reads for a coordinate (ONNX, Resize, nearest_mode). */
function nearest(node: Node, at: number): number {
  const mode = stringOf(node, "nearest_mode", "round_prefer_floor");
  if (mode === "floor") return Math.floor(at);
  if (mode === "ceil") return Math.ceil(at);
  return mode === "round_prefer_ceil" ? Math.floor(at + 0.5) : Math.ceil(at - 0.5);
}

/** Keys' weight of a tap at distance `d` in [0, 2]. */
function cubicWeight(a: number, d: number): number {
  if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
}

/** What place `at` reads of an axis, by the mode of a Resize node. */
function tapsOf(node: Node, at: number, length: number): Taps {
  const mode = stringOf(node, "mode", "nearest");
  if (mode === "nearest") return [[clamp(nearest(node, at), length), 1]];
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

/** Resizing is a linear map along one axis after the other. */
const resize: Rule = ({ o, node, x: [x], y, g }) => [
  () => {
    if (intOf(node, "antialias", 0) !== 0) throw cannot(node, "antialias has no gradient here; export it without");
    const { scales } = resizingOf(callOf(node, o.builder));
    return scales.reduceRight((value, scale, axis) => {
      if (scale === 1) return value;
      const [from, to] = [x, y].map((name) => known(node, o.shape(name)[axis])) as [number, number];
      const taps = Array.from({ length: to }, (_, at) => tapsOf(node, origin(node, at, scale, from, to), from));
      return back(o, node, value, axis, from, taps);
    }, g);
  },
];

/** The place that a padded axis reads at `at`, counted from the start of its `length` places. */
function padded(mode: string, at: number, length: number): number {
  if (mode === "edge") return clamp(at, length);
  const period = mode === "wrap" ? length : Math.max(2 * length - 2, 1);
  const place = ((at % period) + period) % period;
  return mode === "wrap" || place < length ? place : period - place;
}

/** Constant padding is cut off; elements that were repeated around the others add up. */
const pad: Rule = ({ o, node, x: [x], g }) => [
  () => {
    const shape = o.shape(x);
    const mode = stringOf(node, "mode", "constant");
    const pads = padsOf(callOf(node, o.builder));
    if (mode === "constant") {
      const minus = pads.map(([before, after]) => [-before, -after] as const);
      const [starts, ends] = [minus.map(([before]) => before), minus.map(([, after]) => after)];
      return o.pad(g, padsFor(shape.length, [...shape.keys()], starts, ends));
    }
    if (!["edge", "reflect", "wrap"].includes(mode)) throw cannot(node, `mode ${mode} has no gradient here`);
    return pads.reduceRight((value, [before, after], axis) => {
      if (before === 0 && after === 0) return value;
      const length = known(node, shape[axis]);
      // Negative pads cut first; what is left is then repeated.
      const start = Math.max(-before, 0);
      const rest = length - start - Math.max(-after, 0);
      const taps = Array.from(
        { length: length + before + after },
        (_, at): Taps => [[start + padded(mode, at - Math.max(before, 0), rest), 1]],
      );
      return back(o, node, value, axis, length, taps);
    }, g);
  },
];

/** Rules of operators that read places of an axis several times or between places. */
export const resample: Readonly<Record<string, Rule>> = { Resize: resize, Pad: pad };
