/**
 * What one benchmark of a training step computes, written to a folder that every contender reads.
 */

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { sizeOf } from "onnx-grad";
import { initialTheta, layoutOf } from "petalface/adapters";
import { normaliseRows } from "petalface/matching";
import { drawer, drawFloats } from "../skeleton/statistics.ts";
import type { Network } from "./networks.ts";

/** Options of AdamW and of the loss that all contenders use. */
export const recipe = { rate: 1e-3, weightDecay: 1e-2, clip: 5, distilWeight: 20 } as const;

/**
 * Draws a workload, both projections random, so that every gradient is alive from the first step.
 * Writes it where every contender finds it, its network already lying there as `model.onnx`:
 * `spec.json` and raw little-endian float32 files.
 */
export async function writeWorkload(network: Network, batch: number, folder: string): Promise<void> {
  const { backbone, config } = network;
  const layout = layoutOf(backbone, config);
  const draw = drawer(batch);
  const theta = await initialTheta(backbone, layout, 0);
  for (const slot of layout.slots) if (slot.role === "up") theta.set(drawFloats(draw, slot.length, 0.02), slot.offset);
  const perImage = sizeOf(network.inputShape);
  const target = normaliseRows(drawFloats(draw, batch * backbone.width), backbone.width);
  const numbers = {
    theta,
    input: drawFloats(draw, batch * perImage),
    alpha: drawFloats(draw, batch, 0.5, 0.5),
    target,
  };
  for (const [name, values] of Object.entries(numbers)) await writeFile(join(folder, `${name}.f32`), values);
  const slots = layout.slots.map(({ of, role, dims, offset }) => ({ of, role, dims, offset }));
  const spec = {
    name: network.name,
    batch,
    inputShape: network.inputShape,
    inputName: backbone.input,
    outputName: backbone.output,
    width: backbone.width,
    gate: config.gate,
    rank: config.rank,
    scale: config.scale,
    slots,
    recipe,
  };
  await writeFile(join(folder, "spec.json"), JSON.stringify(spec));
}
