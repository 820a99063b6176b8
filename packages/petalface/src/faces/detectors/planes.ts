import type { Pixels } from "../../images/index.ts";
import type { Layout } from "./layout.ts";

/** Writes pixels as the planes that a layout wants; `input` has the size of three planes. */
export function fillPlanes(input: Float32Array, { data }: Pixels, { mean, scale, channels }: Layout): void {
  const area = input.length / 3;
  for (let plane = 0; plane < 3; plane++) {
    const shift = mean[plane];
    const start = plane * area;
    for (let at = 0, from = channels === "rgb" ? plane : 2 - plane; at < area; at++, from += 3)
      input[start + at] = (data[from] - shift) * scale;
  }
}
