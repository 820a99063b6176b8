import type { Ops } from "../../build/ops.ts";
import { geometryOf } from "../../gradient/rules/conv.ts";
import { padsFor } from "../../gradient/rules/shape.ts";
import { intOf, intsOf } from "../../graph/attributes.ts";
import { isStatic } from "../../graph/dim.ts";
import type { Graph, Node } from "../../graph/graph.ts";
import { itemAt } from "../../graph/item-at.ts";
import type { Pass } from "../pass.ts";
import { replaceNodes } from "../rewrite.ts";

/** Padding that no maximum comes from. */
const lowest = -3.4028234663852886e38;

/** All index tuples below `sizes`, the last running fastest. */
const tuples = (sizes: readonly number[]): number[][] =>
  sizes.reduce<number[][]>(
    (all, size) => all.flatMap((head) => Array.from({ length: size }, (_, i) => [...head, i])),
    [[]],
  );

/** Where in the flat plane of sizes `wide` a place lies. */
const flat = (place: readonly number[], wide: readonly number[]): number =>
  place.reduce((sum, at, axis) => sum * itemAt(wide, axis) + at, 0);

/**
 * The maxima, and where in the flat input each lies (int64, as MaxPool puts out): of the taps that
 * equal the maximum, the first. Undefined for an open batch, which training graphs do not have.
 */
function pooled(o: Ops, node: Node): [string, string] | undefined {
  const x = itemAt(node.inputs, 0);
  const shape = o.shape(x);
  if (!isStatic(shape) || intOf(node, "storage_order", 0) !== 0) return undefined;
  const [batch = 1, channels = 1] = shape;
  const { storage_order: _, ...attributes } = node.attributes;
  const y = o.builder.add("MaxPool", [x], attributes);
  const taps = intsOf(node, "kernel_shape") ?? [];
  const call = { o, node, x: [x, "", "", "", "", ""], y, g: "", grads: [] } as const;
  const { strides, dilations, before, wide, narrow } = geometryOf(call, taps, x, y);
  const axes = taps.map((__, axis) => axis + 2);
  // The last window may reach beyond the stated padding (ceil_mode).
  const after = taps.map((size, i) => {
    const reach =
      (itemAt(narrow, i) - 1) * itemAt(strides, i) + (size - 1) * itemAt(dilations, i) + 1 - itemAt(before, i);
    return Math.max(reach - itemAt(wide, i), 0);
  });
  const border = padsFor(axes.length + 2, axes, before, after);
  const padded = border.every((count) => count === 0)
    ? x
    : o.builder.add("Pad", [x, o.ints(border), o.scalar(lowest, o.dtype(x))]);
  const within = tuples(taps).map((tap) => tap.map((t, i) => t * itemAt(dilations, i)));
  const offset = within.reduceRight<string>((later, starts) => {
    const ends = starts.map((start, i) => start + (itemAt(narrow, i) - 1) * itemAt(strides, i) + 1);
    return o.where(o.equal(o.slice(padded, starts, ends, axes, strides), y), o.scalar(flat(starts, wide)), later);
  }, o.scalar(0));
  // Offsets inside a window are small; the rest is added as integers, which stay exact however
  // large the input is.
  const integers = (values: number[], dims: number[]): string =>
    o.builder.constant({ dtype: "int32", dims, data: Int32Array.from(values) }, "places");
  const corners = tuples(narrow).map((place) =>
    flat(
      place.map((at, i) => at * itemAt(strides, i) - itemAt(before, i)),
      wide,
    ),
  );
  const area = wide.reduce((product, size) => product * size, 1);
  const planes = Array.from({ length: batch * channels }, (__, plane) => plane * area);
  const inPlane = o.add(o.cast(offset, "int32"), integers(corners, [1, 1, ...narrow]));
  const places = o.add(inPlane, integers(planes, [batch, channels, ...narrow.map(() => 1)]));
  return [y, o.cast(places, "int64")];
}

/**
 * MaxPool that also puts out the places of its maxima, in plain operators: the WebGPU provider
 * (1.30) fails on that output.
 */
export const maxPlaces: Pass = {
  name: "max-places",
  targets: ["webgpu"],
  exact: false,
  run: (graph: Graph) =>
    replaceNodes(
      graph,
      ({ op, domain, outputs }) => domain === "" && op === "MaxPool" && (outputs[1] ?? "") !== "",
      pooled,
    ),
};
