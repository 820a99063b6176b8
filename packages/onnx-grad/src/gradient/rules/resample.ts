import { intOf, stringOf } from "../../graph/attributes.ts";
import { callOf } from "../../infer/call.ts";
import { resizingOf } from "../../infer/resample.ts";
import { padsOf } from "../../infer/slice.ts";
import { back } from "./along.ts";
import { cannot, type GradientRule, type GradientRules, known } from "./rule.ts";
import { padsFor } from "./shape.ts";
import { clamp, origin, tapsOf } from "./taps.ts";

/** Resizing is a linear map along one axis after the other. */
const resize: GradientRule = ({ o, node, x: [x], y, g }) => [
  () => {
    if (intOf(node, "antialias", 0) !== 0) throw cannot(node, "antialias has no gradient here; export it without");
    const { scales } = resizingOf(callOf(node, o.builder));
    return scales.reduceRight((value, scale, axis) => {
      if (scale === 1) return value;
      const [from, to] = [known(node, o.shape(x)[axis]), known(node, o.shape(y)[axis])];
      return back(o, node, value, axis, from, (at) => tapsOf(node, origin(node, at, scale, from, to), from));
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
const pad: GradientRule = ({ o, node, x: [x], g }) => [
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
      return back(o, node, value, axis, length, (at) => [[start + padded(mode, at - Math.max(before, 0), rest), 1]]);
    }, g);
  },
];

/** Rules of operators that read places of an axis several times or between places. */
export const resample: GradientRules = { Resize: resize, Pad: pad };
