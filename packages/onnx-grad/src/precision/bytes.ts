import { floatData, type Tensor } from "../graph/tensor.ts";

/** A weight as signed bytes -127..127; `scales` says for each output what one step is worth. */
export interface SignedBytes {
  readonly dims: readonly number[];
  readonly bytes: Int8Array;
  readonly scales: Float32Array;
}

/** How {@link toBytes} chooses the scales. */
export interface ByteOptions {
  /** Axis of the weight along which its outputs lie. */
  readonly axis: number;
  /**
   * Whether the weight is multiplied as signed bytes with unsigned ones, so that neighbours must
   * fit 16 bits.
   */
  readonly signed: boolean;
}

/**
 * Rounds a float32 weight to the nearest of 255 steps, one scale for each output.
 *
 * Processors without VNNI multiply unsigned with signed bytes by an instruction that adds the
 * products of two neighbouring inputs in 16 bits and cuts what is beyond them (`vpmaddubsw` of AVX2
 * and AVX-512BW). Two neighbours of 127 steps with inputs of 255 need 64,770, and 32,767 is the
 * most. So with `signed` the scale is such that the positive parts of any two neighbours add up to
 * at most 128 steps, and the negative ones too: 255 * 128 = 32,640. That is exact on every
 * processor, and finer than the usual seven bits, where every weight is at most 64 steps.
 * Neighbours are those of both orders of a convolution's kernel that engines use: channels first
 * and channels last.
 */
export function toBytes(tensor: Tensor, { axis, signed }: ByteOptions): SignedBytes {
  const [dims, values] = [tensor.dims, floatData(tensor)];
  const scales = new Float32Array(dims[axis]);
  const orders = signed ? inputOrders(dims, axis) : [];
  const inner = product(dims.slice(axis + 1));
  const outputOf = (at: number): number => Math.floor(at / inner) % scales.length;
  const widen = (output: number, size: number): void => {
    if (size / 127 > scales[output]) scales[output] = size / 127;
  };
  for (let at = 0; at < values.length; at++) widen(outputOf(at), Math.abs(values[at]));
  for (const order of orders)
    for (let output = 0; output < scales.length; output++)
      for (let i = 1; i < order.length; i++) {
        const a = values[order[i - 1] + output * inner];
        const b = values[order[i] + output * inner];
        // Parts of unlike signs cannot add up.
        if (a > 0 === b > 0) widen(output, Math.abs(a + b));
      }
  // A channel of zeros keeps them with any scale; its bias is rounded by it, so it gets a fine one.
  const least = scales.reduce((least, scale) => (scale > 0 ? Math.min(least, scale) : least), Number.POSITIVE_INFINITY);
  const safe = scales.map((scale) => (scale > 0 ? scale : Number.isFinite(least) ? least : 1));
  const bytes = Int8Array.from(values, (value, at) => Math.round(value / safe[outputOf(at)]));
  return { dims, bytes, scales: safe };
}

/**
 * Places of the first output's weights, in each order in which an engine may lay its inputs side by
 * side.
 */
function inputOrders(dims: readonly number[], axis: number): Int32Array[] {
  const others = dims.map((_, at) => at).filter((at) => at !== axis);
  const [channels, ...taps] = others;
  const last = channels === undefined ? [] : [...taps, channels];
  return (taps.length === 0 ? [others] : [others, last]).map((axes) => placesIn(dims, axes));
}

/**
 * Places of all elements whose indices are 0 on the axes that are not named, the last named axis
 * fastest.
 */
function placesIn(dims: readonly number[], axes: readonly number[]): Int32Array {
  let places = [0];
  for (const axis of axes) {
    const stride = product(dims.slice(axis + 1));
    places = places.flatMap((place) => Array.from({ length: dims[axis] }, (_, i) => place + i * stride));
  }
  return Int32Array.from(places);
}

const product = (dims: readonly number[]): number => dims.reduce((all, dim) => all * dim, 1);
