import type { GraphBuilder, Ops } from "onnx-grad";
import type { Backbone } from "../backbones/index.ts";

/** Luma weights of R, G, B (ITU-R BT.601). */
const luma = [0.299, 0.587, 0.114] as const;

/**
 * Grey levels 0..255 of the network's input, `[N, size, size]`: normalisation undone and channels
 * weighted by one convolution.
 *
 * @param weights of R, G and B
 * @param offset added to the weighted sum
 */
export function greyOf(
  b: GraphBuilder,
  o: Ops,
  { spec }: Backbone,
  image: string,
  weights: readonly number[] = luma,
  offset = 0,
): string {
  const kernel = new Float32Array(3);
  let constant = offset;
  for (let channel = 0; channel < 3; channel++) {
    // The input's planes may be in the order B, G, R; mean and scale are those of R, G, B.
    const colour = spec.channels === "bgr" ? 2 - channel : channel;
    const weight = weights[colour];
    kernel[channel] = weight / spec.scale[colour];
    constant += weight * spec.mean[colour];
  }
  const weight = b.constant({ dtype: "float32", dims: [1, 3, 1, 1], data: kernel }, "grey");
  return o.squeeze(o.conv(image, weight, {}, o.floats([constant])), [1]);
}

/**
 * Whole grey levels as a library makes them of 8-bit pixels: `(wR R + wG G + wB B + half) >> bits`.
 * `[N, size, size]`.
 */
export function wholeGreyOf(
  b: GraphBuilder,
  o: Ops,
  backbone: Backbone,
  image: string,
  weights: readonly [number, number, number],
  bits: number,
): string {
  const unit = 2 ** bits;
  // A hair above the half: sums are whole multiples of 1 / unit, and rounding must not drop one
  // that is exactly whole.
  const grey = greyOf(
    b,
    o,
    backbone,
    image,
    weights.map((weight) => weight / unit),
    0.5 + 0.25 / unit,
  );
  return b.add("Floor", [grey]);
}
