import type { FloatTensor } from "onnx-grad";
import type { ModelSpec } from "../models/index.ts";

/**
 * The network's input from 8-bit faces: `(pixel - mean) * scale` per channel, channels in the order
 * the network wants. `pixels`: `count x 3 x size x size` RGB planes; the result is float32
 * `[rows, 3, size, size]`, rows past `count` zero.
 */
export function toInput(
  pixels: Uint8Array,
  count: number,
  rows: number,
  size: number,
  spec: Pick<ModelSpec, "mean" | "scale" | "channels">,
): FloatTensor {
  const plane = size * size;
  const data = new Float32Array(rows * 3 * plane);
  for (let image = 0; image < count; image++)
    for (let channel = 0; channel < 3; channel++) {
      const mean = spec.mean[channel];
      const scale = spec.scale[channel];
      const from = (image * 3 + channel) * plane;
      const to = (image * 3 + (spec.channels === "bgr" ? 2 - channel : channel)) * plane;
      for (let i = 0; i < plane; i++) data[to + i] = (pixels[from + i] - mean) * scale;
    }
  return { dtype: "float32", dims: [rows, 3, size, size], data };
}
