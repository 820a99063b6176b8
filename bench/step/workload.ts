/**
 * What one benchmark of a training step computes, written to a folder that every contender reads.
 */

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { sizeOf } from "onnx-grad";
import { type AdapterConfig, initialTheta, type Layout, layoutOf } from "petalface/adapters";
import { normaliseRows } from "petalface/matching";
import { drawer } from "../skeleton/statistics.ts";
import type { Network } from "./networks.ts";

/** A network with its adapter and the numbers of one batch. All contenders start from the same. */
export interface Workload {
  readonly network: Network;
  readonly config: AdapterConfig;
  readonly layout: Layout;
  readonly batch: number;
  readonly theta: Float32Array;
  readonly input: Float32Array;
  readonly alpha: Float32Array;
  readonly target: Float32Array;
}

/** Options of AdamW and of the loss that all contenders use. */
export const recipe = { rate: 1e-3, weightDecay: 1e-2, clip: 5, distilWeight: 20 } as const;

/**
 * Draws a workload: both projections random, so that every gradient is alive from the first step.
 */
export async function makeWorkload(network: Network, batch: number): Promise<Workload> {
  const { backbone, config } = network;
  const layout = layoutOf(backbone, config);
  const draw = drawer(batch);
  const theta = await initialTheta(backbone, layout, 0);
  for (const slot of layout.slots)
    if (slot.role === "up") for (let i = 0; i < slot.length; i++) theta[slot.offset + i] = 0.02 * (2 * draw() - 1);
  const fill = (length: number, f: () => number) => Float32Array.from({ length }, f);
  const perImage = sizeOf(network.inputShape);
  const target = normaliseRows(
    fill(batch * backbone.width, () => 2 * draw() - 1),
    backbone.width,
  );
  return {
    network,
    config,
    layout,
    batch,
    theta,
    input: fill(batch * perImage, () => 2 * draw() - 1),
    alpha: fill(batch, draw),
    target,
  };
}

/**
 * Writes the workload where every contender finds it, its network already lying there as
 * `model.onnx`: `spec.json` and raw little-endian float32 files.
 */
export async function writeWorkload(workload: Workload, folder: string): Promise<void> {
  const { network, config, layout, batch } = workload;
  for (const name of ["theta", "input", "alpha", "target"] as const)
    await writeFile(join(folder, `${name}.f32`), workload[name]);
  const slots = layout.slots.map(({ of, role, dims, offset }) => ({ of, role, dims, offset }));
  const spec = {
    name: network.name,
    batch,
    inputShape: network.inputShape,
    inputName: network.backbone.input,
    outputName: network.backbone.output,
    width: network.backbone.width,
    gate: config.gate,
    rank: config.rank,
    scale: config.scale,
    slots,
    recipe,
  };
  await writeFile(join(folder, "spec.json"), JSON.stringify(spec));
}
