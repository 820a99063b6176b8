import { intOf, intsOf } from "../attributes.ts";
import type { Dim } from "../dim.ts";
import { productOf } from "../ops.ts";
import { geometryOf, inputGradient } from "./conv.ts";
import { type Call, cannot, known, type Rule } from "./rule.ts";

const places = (x: string, { o }: Call): number[] => [...Array(o.rank(x)).keys()].slice(2);

/** How many elements of the input each window of an AveragePool counts, per place, [1, 1, ...]. */
function counts(call: Call, geometry: ReturnType<typeof geometryOf>): string | number {
  const {
    o,
    node,
    x: [x],
  } = call;
  const { kernel, strides, dilations, before, after, wide, narrow } = geometry;
  const padded = [...before, ...after].some((count) => count > 0);
  if (intOf(node, "ceil_mode", 0) === 1) throw cannot(node, "ceil_mode has no gradient here");
  if (!padded || intOf(node, "count_include_pad", 0) === 1) return kernel.reduce((product, size) => product * size, 1);
  const alongAxes = kernel.map((size, axis) =>
    Array.from({ length: narrow[axis] as number }, (_, place) => {
      const first = place * (strides[axis] as number) - (before[axis] as number);
      const taps = Array.from({ length: size }, (__, tap) => first + tap * (dilations[axis] as number));
      return taps.filter((at) => at >= 0 && at < (wide[axis] as number)).length;
    }),
  );
  const all = alongAxes.reduce<number[]>(
    (table, axis) => table.flatMap((left) => axis.map((count) => left * count)),
    [1],
  );
  return o.cast(o.floats(all, [1, 1, ...narrow]), o.dtype(x));
}

/** Rules of pooling. */
export const pool: Readonly<Record<string, Rule>> = {
  // Every element of a window gets an equal share: the input gradient of a depthwise convolution with ones.
  AveragePool: (call) => {
    const {
      o,
      node,
      x: [x],
      y,
      g,
    } = call;
    const taps = intsOf(node, "kernel_shape") ?? [];
    const group = known(node, o.shape(x)[1]);
    const geometry = { ...geometryOf(call, taps, x, y), group };
    return [() => inputGradient(o, o.div(g, counts(call, geometry)), o.full(1, [group, 1, ...taps], g), geometry)];
  },
  GlobalAveragePool: (call) => {
    const {
      o,
      node,
      x: [x],
      g,
    } = call;
    return [() => o.div(g, known(node, productOf(o.shape(x).slice(2))))];
  },
  GlobalMaxPool: (call) => {
    const {
      o,
      x: [x],
      y,
      g,
    } = call;
    return [
      () => {
        const mask = o.cast(o.equal(x, y), o.dtype(x));
        return o.mul(mask, o.div(g, o.reduceSum(mask, places(x, call))));
      },
    ];
  },
  // The walker makes MaxPool put out where in the flat input each maximum lies.
  MaxPool: ({ o, node, x: [x], g }) => [
    () => {
      const size: Dim = productOf(o.shape(x));
      const indices = o.flat(node.outputs[1] as string);
      return o.reshape(o.scatterAddElements(o.full(0, [size], o.flat(x)), indices, o.flat(g)), o.shape(x));
    },
  ],
};
