import { filled, type Ops } from "../../build/ops.ts";
import { intOf, intsOf, stringOf } from "../../graph/attributes.ts";
import type { Shape } from "../../graph/dim.ts";
import { itemAt, tupleOf } from "../../graph/item-at.ts";
import { once } from "../../graph/once.ts";
import { type GradientRule, type GradientRules, intsAt, known } from "./rule.ts";

/**
 * Up to this length an axis is spread by a matrix product: that beats Pad, which copies single
 * elements.
 */
const longestSpreadMatrix = 256;

/**
 * Puts `step - 1` zeros after each element along an axis of known length: n becomes n * step.
 * The last axis goes through a product with a matrix of zeros and ones, where that is cheap.
 */
export function spread(o: Ops, x: string, axis: number, step: number): string {
  if (step === 1) return x;
  const shape = o.shape(x);
  const length = o.dim(x, axis);
  const to = shape.map((dim, i) => (i === axis ? length * step : dim));
  if (axis === shape.length - 1 && shape.length > 1 && length <= longestSpreadMatrix) {
    return o.matmul(x, spreadMatrix(o, x, length, step, 1));
  }
  const apart = o.unsqueeze(x, [axis + 1]);
  const pads = Array<number>(2 * (shape.length + 1)).fill(0);
  pads[shape.length + 1 + axis + 1] = step - 1;
  return o.reshape(o.pad(apart, pads), to);
}

/** Spreads the last two axes at once, rows by `down` and columns by `along`. */
export function spreadPlane(o: Ops, x: string, down: number, along: number): string {
  const shape = o.shape(x);
  const [height, width] = [o.dim(x, -2), o.dim(x, -1)];
  if (width > longestSpreadMatrix || (down === 1 && along === 1)) {
    return spread(o, spread(o, x, shape.length - 2, down), shape.length - 1, along);
  }
  const lines = o.matmul(x, spreadMatrix(o, x, width, along, down));
  return o.reshape(lines, [...shape.slice(0, -2), height * down, width * along]);
}

/**
 * [length, rows * length * step]: puts elements `step` apart into the first of `rows` rows, zeros
 * into the others.
 */
function spreadMatrix(o: Ops, like: string, length: number, step: number, rows: number): string {
  const width = rows * length * step;
  const tensor = filled(0, [length, width], o.dtype(like));
  for (let i = 0; i < length; i++) tensor.data[i * width + i * step] = 1;
  return o.builder.constant(tensor, "spread");
}

/** Pads written for some axes, for all of them: starts, then ends. */
export function padsFor(
  rank: number,
  axes: readonly number[],
  starts: readonly number[],
  ends: readonly number[],
): number[] {
  const pads = Array<number>(2 * rank).fill(0);
  axes.forEach((axis, i) => {
    pads[axis] = itemAt(starts, i);
    pads[rank + axis] = itemAt(ends, i);
  });
  return pads;
}

/** Back into the shape of the input. */
const reshaped: GradientRule = ({ o, x: [x], g }) => [() => o.reshape(g, o.shape(x))];

/** Every element goes back where it was read from, the others get zero. */
const slice: GradientRule = (call) => {
  const { o, node, g } = call;
  const [x] = call.x;
  return [
    () => {
      const shape = o.shape(x);
      const starts = intsAt(call, 1) ?? [];
      const axes = (intsAt(call, 3) ?? starts.map((_, i) => i)).map((axis) => o.axis(x, axis));
      const steps = intsAt(call, 4) ?? axes.map(() => 1);
      const before = Array<number>(axes.length).fill(0);
      const after = Array<number>(axes.length).fill(0);
      const reversed = axes.filter((_, i) => itemAt(steps, i) < 0);
      let full = o.flip(g, reversed);
      axes.forEach((axis, i) => {
        const step = itemAt(steps, i);
        if (shape[axis] === o.shape(g)[axis]) return;
        const size = known(node, shape[axis]);
        const count = known(node, o.shape(g)[axis]);
        const start = itemAt(starts, i);
        const first = Math.min(Math.max(start < 0 ? start + size : start, 0), step < 0 ? size - 1 : size);
        const lowest = step < 0 ? first + step * (count - 1) : first;
        full = spread(o, full, axis, Math.abs(step));
        before[i] = lowest;
        after[i] = size - lowest - count * Math.abs(step);
      });
      return o.pad(full, padsFor(shape.length, axes, before, after));
    },
  ];
};

const tile: GradientRule = (call) => {
  const { o, g } = call;
  const [x] = call.x;
  return [
    () => {
      const repeats = intsAt(call, 1) ?? [];
      const shape: Shape = o.shape(x).flatMap((dim, i) => (repeats[i] === 1 ? [dim] : [itemAt(repeats, i), dim]));
      const axes: number[] = [];
      let at = 0;
      for (const count of repeats) {
        if (count !== 1) axes.push(at++);
        at++;
      }
      return o.reduceSum(o.reshape(g, shape), axes, false);
    },
  ];
};

/** Rules of operators that only move elements. */
export const shape: GradientRules = {
  Reshape: reshaped,
  Flatten: reshaped,
  Squeeze: reshaped,
  Unsqueeze: reshaped,
  Transpose: ({ o, node, g }) => [
    () => {
      const perm = intsOf(node, "perm") ?? [...Array(o.rank(g)).keys()].reverse();
      return o.transpose(
        g,
        perm.map((_, i) => perm.indexOf(i)),
      );
    },
  ],
  Expand: ({ g }) => [() => g],
  Tile: tile,
  Slice: slice,
  Concat: ({ o, node, g }) => {
    const axis = o.axis(g, intOf(node, "axis", 0));
    const pieces = once(() =>
      o.split(
        g,
        node.inputs.map((input) => known(node, o.shape(input)[axis])),
        axis,
      ),
    );
    return node.inputs.map((_, i) => () => itemAt(pieces(), i));
  },
  Split: ({ o, node, x: [x], grads }) => {
    const zeros = (output: string) => o.full(0, o.shape(output), output);
    const pieces = () => node.outputs.map((output, i) => grads[i] ?? zeros(output));
    return [() => o.concat(pieces(), o.axis(x, intOf(node, "axis", 0)))];
  },
  DepthToSpace: ({ o, node, x: [x], g }) => [
    () => {
      const block = intOf(node, "blocksize", 1);
      if (stringOf(node, "mode", "DCR") !== "CRD")
        return o.builder.add("SpaceToDepth", [g], { blocksize: { int: block } });
      const [batch, channels] = tupleOf(o.shape(x).slice(0, 2), 2);
      const [height, width] = tupleOf(o.dims(x, 2), 2);
      const apart = o.reshape(g, [batch, known(node, channels) / block ** 2, height, block, width, block]);
      return o.reshape(o.transpose(apart, [0, 1, 3, 5, 2, 4]), o.shape(x));
    },
  ],
  SpaceToDepth: ({ o, node, g }) => [() => o.builder.add("DepthToSpace", [g], node.attributes)],
  Trilu: ({ o, node, x, g }) => [() => o.builder.add("Trilu", x[1] === "" ? [g] : [g, x[1]], node.attributes)],
};
