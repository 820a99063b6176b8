import { type Ops, productOf } from "../../build/ops.ts";
import { intOf, intsOf, stringOf } from "../../graph/attributes.ts";
import { itemAt } from "../../graph/item-at.ts";
import { once } from "../../graph/once.ts";
import { sizeOf } from "../../graph/tensor.ts";
import { cannot, type GradientCall, type GradientRules, known } from "./rule.ts";
import { padsFor, spread, spreadPlane } from "./shape.ts";

/** Geometry of a convolution per spatial axis: all numbers, padding resolved. */
export interface Geometry {
  readonly group: number;
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  /** Padding before and after. */
  readonly before: readonly number[];
  readonly after: readonly number[];
  /** Spatial size of the side that the kernel slides over, and of the other side. */
  readonly wide: readonly number[];
  readonly narrow: readonly number[];
}

const spatial = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 2);

/** Geometry of a node whose kernel slides over `wide` and yields `narrow`. */
export function geometryOf(
  { o, node }: GradientCall,
  kernel: readonly number[],
  wideName: string,
  narrowName: string,
): Geometry {
  const numbers = (name: string) =>
    o
      .shape(name)
      .slice(2)
      .map((dim) => known(node, dim));
  const ones = kernel.map(() => 1);
  const strides = intsOf(node, "strides") ?? ones;
  const dilations = intsOf(node, "dilations") ?? ones;
  const [wide, narrow] = [numbers(wideName), numbers(narrowName)];
  const auto = stringOf(node, "auto_pad", "NOTSET");
  const pads = intsOf(node, "pads") ?? [...ones, ...ones].map(() => 0);
  const axes = kernel.map((size, i) => {
    const reach = (itemAt(narrow, i) - 1) * itemAt(strides, i) + (size - 1) * itemAt(dilations, i) + 1;
    const total = Math.max(reach - itemAt(wide, i), 0);
    if (auto === "SAME_UPPER") return [Math.floor(total / 2), Math.ceil(total / 2)] as const;
    if (auto === "SAME_LOWER") return [Math.ceil(total / 2), Math.floor(total / 2)] as const;
    return auto === "VALID" ? ([0, 0] as const) : ([itemAt(pads, i), itemAt(pads, i + kernel.length)] as const);
  });
  const group = intOf(node, "group", 1);
  return {
    group,
    kernel,
    strides,
    dilations,
    wide,
    narrow,
    before: axes.map(([b]) => b),
    after: axes.map(([, a]) => a),
  };
}

const isPointwise = ({ kernel, before, after }: Geometry): boolean =>
  [...kernel].every((size) => size === 1) && [...before, ...after].every((count) => count === 0);

/** A kernel [out, in / group, ...] as [in, out / group, ...] with mirrored taps. */
function mirrored(o: Ops, kernel: string, group: number): string {
  const [out = 1, inner = 1, ...taps] = o.dims(kernel);
  const axes = spatial(taps.length);
  const flipped = o.flip(kernel, axes);
  if (out === group && inner === 1) return flipped;
  if (group === 1) return o.transpose(flipped, [1, 0, ...axes]);
  const apart = o.reshape(flipped, [group, out / group, inner, ...taps]);
  const swapped = o.transpose(apart, [0, 2, 1, ...axes.map((axis) => axis + 1)]);
  return o.reshape(swapped, [group * inner, out / group, ...taps]);
}

/** Zeros between the places of a value, as many as the strides stepped over. */
function spreadBy(o: Ops, x: string, strides: readonly number[]): string {
  if (strides.length === 2) return spreadPlane(o, x, itemAt(strides, 0), itemAt(strides, 1));
  return spatial(strides.length).reduce((value, axis, i) => spread(o, value, axis, itemAt(strides, i)), x);
}

/**
 * Gradient of a convolution's input: the gradient of the output, spread by the strides, convolved
 * with the mirrored kernel. For constant kernels onnxruntime mirrors once, when the session starts.
 */
export function inputGradient(o: Ops, g: string, kernel: string, geometry: Geometry): string {
  const { group, strides, dilations, before, wide, narrow } = geometry;
  const mirroredKernel = mirrored(o, kernel, group);
  const axes = spatial(strides.length);
  const rest = (length: number[]): number[] => length.map((size, i) => itemAt(wide, i) - size);
  if (isPointwise(geometry)) {
    const full = spreadBy(o, o.conv(g, mirroredKernel, { group }), strides);
    const sizes = narrow.map((size, i) => size * itemAt(strides, i));
    return o.pad(
      full,
      padsFor(
        axes.length + 2,
        axes,
        sizes.map(() => 0),
        rest(sizes),
      ),
    );
  }
  const reach = geometry.kernel.map((size, i) => (size - 1) * itemAt(dilations, i));
  const lengths = narrow.map((size, i) => size * itemAt(strides, i));
  const starts = reach.map((r, i) => r - itemAt(before, i));
  const ends = reach.map((r, i) => itemAt(wide, i) - itemAt(lengths, i) - itemAt(starts, i) + r);
  const cropped = [...starts, ...ends].map((count) => Math.min(count, 0));
  const padded = [...starts, ...ends].map((count) => Math.max(count, 0));
  const n = axes.length;
  const input = o.pad(spreadBy(o, g, strides), padsFor(n + 2, axes, cropped.slice(0, n), cropped.slice(n)));
  return o.conv(input, mirroredKernel, { group, dilations, pads: padded });
}

/**
 * What one tap of the kernel sees: a strided window of the padded input, as large as the output.
 */
function seenBy(o: Ops, padded: string, tap: readonly number[], { strides, dilations, narrow }: Geometry): string {
  const axes = spatial(tap.length);
  const starts = tap.map((t, i) => t * itemAt(dilations, i));
  const ends = starts.map((start, i) => start + (itemAt(narrow, i) - 1) * itemAt(strides, i) + 1);
  const sizes = o.shape(padded).slice(2);
  const whole = starts.every((start, i) => start === 0 && ends[i] === sizes[i] && strides[i] === 1);
  return whole ? padded : o.slice(padded, starts, ends, axes, strides);
}

/**
 * Sum over images and places of `x` times `g`, per group: [N, g I, ...], [N, g O, ...] -> [g O, I]
 * (in one piece, no taps).
 */
function correlate(o: Ops, x: string, g: string, group: number): string {
  const batch = itemAt(o.shape(x), 0);
  const [inner = 1, ...places] = o.dims(x, 1);
  const outer = o.dim(g, 1);
  const area = places.reduce((product, size) => product * size, 1);
  if (group > 1) {
    const X = o.reshape(x, [batch, group, inner / group, area]);
    const G = o.reshape(g, [batch, group, outer / group, area]);
    return o.reshape(o.reduceSum(o.matmul(G, o.swap(X)), [0], false), [outer, inner / group]);
  }
  const [X, G] = [o.reshape(x, [batch, inner, area]), o.reshape(g, [batch, outer, area])];
  if (inner * outer > area * (inner + outer)) {
    // One product over images and places: turning both is cheaper than a matrix per image.
    const joined = (value: string, rows: number) =>
      o.reshape(o.transpose(value, [1, 0, 2]), [rows, productOf([batch, area])]);
    return o.gemm(joined(G, outer), joined(X, inner), { transB: true });
  }
  // The transposed operand is copied: let it be the thinner one.
  if (outer < inner) return o.transpose(o.reduceSum(o.matmul(X, o.swap(G)), [0], false), [1, 0]);
  return o.reduceSum(o.matmul(G, o.swap(X)), [0], false);
}

/**
 * Kernel gradient of a depthwise convolution: every channel of every image is convolved with its
 * own gradient, as one grouped convolution with strides and dilations exchanged, and the images are
 * summed.
 */
function depthwiseKernelGradient(o: Ops, x: string, g: string, kernel: string, geometry: Geometry): string {
  const { before, after, strides, dilations, wide, narrow, kernel: taps } = geometry;
  const [batch, channels] = [o.dim(x, 0), o.dim(x, 1)];
  const group = batch * channels;
  const each = o.conv(o.reshape(x, [1, group, ...wide]), o.reshape(g, [group, 1, ...narrow]), {
    group,
    strides: dilations,
    dilations: strides,
    pads: [...before, ...after],
  });
  const sizes = o.shape(each).slice(2);
  const axes = spatial(taps.length);
  const whole = taps.every((size, i) => size === sizes[i]);
  const cropped = whole
    ? each
    : o.slice(
        each,
        taps.map(() => 0),
        taps,
        axes,
      );
  return o.reshape(o.reduceSum(o.reshape(cropped, [batch, channels, ...taps]), [0], false), o.shape(kernel));
}

/** All index tuples below `sizes`, the last running fastest. */
const tuples = (sizes: readonly number[]): number[][] =>
  sizes.reduce<number[][]>(
    (all, size) => all.flatMap((head) => Array.from({ length: size }, (_, i) => [...head, i])),
    [[]],
  );

/**
 * What each place of the input gave to the output, seen from the input: for every tap the gradient
 * `g`, spread by the strides and shifted, [N, taps out, ...wide]. Where `g` has few channels, one
 * product with it gives the gradient of the kernel, and one that of the input.
 */
function shiftedTaps(o: Ops, g: string, { kernel, strides, before, dilations, wide }: Geometry): string {
  const axes = spatial(kernel.length);
  const [batch, outer] = [itemAt(o.shape(g), 0), o.dim(g, 1)];
  const apart = spreadBy(o, g, strides);
  const margin = kernel.map((size, i) => (size - 1) * itemAt(dilations, i) - itemAt(before, i));
  const rest = o.dims(apart, 2).map((length, i) => itemAt(wide, i) - length + itemAt(before, i));
  const padded = o.pad(apart, padsFor(axes.length + 2, axes, margin, rest));
  const shifted = tuples(kernel).map((tap) => {
    const starts = tap.map((t, i) => (itemAt(kernel, i) - 1 - t) * itemAt(dilations, i));
    const ends = starts.map((start, i) => start + itemAt(wide, i));
    return o.slice(padded, starts, ends, axes);
  });
  return o.reshape(o.concat(shifted, 1), [batch, shifted.length * outer, ...wide]);
}

/** Kernel gradient from {@link shiftedTaps}. */
function thinKernelGradient(o: Ops, x: string, shifted: string, kernel: string): string {
  const [outer = 1, inner = 1, ...taps] = o.dims(kernel);
  const count = taps.reduce((product, size) => product * size, 1);
  const gradient = o.reshape(correlate(o, x, shifted, 1), [count, outer, inner]);
  return o.reshape(o.transpose(gradient, [1, 2, 0]), o.shape(kernel));
}

/** Input gradient from {@link shiftedTaps}. */
function thinInputGradient(o: Ops, x: string, shifted: string, kernel: string): string {
  const [outer = 1, inner = 1, ...taps] = o.dims(kernel);
  const count = taps.reduce((product, size) => product * size, 1);
  const batch = itemAt(o.shape(x), 0);
  const area = sizeOf(o.dims(x, 2));
  const weights = o.transpose(o.reshape(kernel, [outer, inner, count]), [1, 2, 0]);
  const product = o.matmul(
    o.reshape(weights, [inner, count * outer]),
    o.reshape(shifted, [batch, count * outer, area]),
  );
  return o.reshape(product, o.shape(x));
}

/**
 * Gradient of the kernel [out, in / group, ...taps]: for each tap, what it saw times the gradient.
 */
function kernelGradient(o: Ops, x: string, g: string, kernel: string, geometry: Geometry): string {
  const { group, before, after } = geometry;
  const n = before.length;
  const [batch, channels] = o.shape(x);
  if (group > 1 && channels === group && o.shape(g)[1] === group && typeof batch === "number") {
    return depthwiseKernelGradient(o, x, g, kernel, geometry);
  }
  const padded = o.pad(x, padsFor(n + 2, spatial(n), before, after));
  const taps = tuples(geometry.kernel).map((tap) => correlate(o, seenBy(o, padded, tap, geometry), g, group));
  if (taps.length === 1) return o.reshape(itemAt(taps, 0), o.shape(kernel));
  return o.reshape(
    o.concat(
      taps.map((tap) => o.unsqueeze(tap, [2])),
      2,
    ),
    o.shape(kernel),
  );
}

/** Sizes of a kernel's taps. */
const tapsOf = ({ o, node }: GradientCall, kernel: string): number[] =>
  o
    .shape(kernel)
    .slice(2)
    .map((dim) => known(node, dim));

/**
 * Rules of convolutions in one, two or three dimensions, with groups, strides, dilations and
 * padding.
 */
export const conv: GradientRules = {
  Conv: (call) => {
    const { o, y, g } = call;
    const [x, kernel] = call.x;
    const geometry = geometryOf(call, tapsOf(call, kernel), x, y);
    const [outer = 1, inner = 1] = o.dims(kernel);
    const spreadOut = geometry.strides.reduce((product, step) => product * step, outer);
    const ofBias = () => o.reduceSum(g, [0, ...spatial(geometry.kernel.length)], false);
    // Frozen kernels are laid out when the session starts, so a convolution is as good for them.
    const isTrained = o.builder.constantOf(kernel) === undefined;
    if (isTrained && geometry.group === 1 && spreadOut < inner && !isPointwise(geometry)) {
      const shifted = once(() => shiftedTaps(o, g, geometry));
      return [
        () => thinInputGradient(o, x, shifted(), kernel),
        () => thinKernelGradient(o, x, shifted(), kernel),
        ofBias,
      ];
    }
    return [() => inputGradient(o, g, kernel, geometry), () => kernelGradient(o, x, g, kernel, geometry), ofBias];
  },
  // A transposed convolution is the input gradient of a Conv, so its own input gradient is that
  // Conv.
  ConvTranspose: (call) => {
    const { o, node, y, g } = call;
    const [x, kernel] = call.x;
    if (intsOf(node, "output_shape")) throw cannot(node, "give it pads instead of output_shape");
    const geometry = geometryOf(call, tapsOf(call, kernel), y, x);
    const { group, strides, dilations, before, after } = geometry;
    return [
      () => o.conv(g, kernel, { group, strides, dilations, pads: [...before, ...after] }),
      () => kernelGradient(o, g, x, kernel, geometry),
      () => o.reduceSum(g, [0, ...spatial(geometry.kernel.length)], false),
    ];
  },
};
