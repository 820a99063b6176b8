import { entryOf, floatData, itemAt, readTensor } from "onnx-grad";
import type { Backbone } from "../backbones/index.ts";
import { type Random, random } from "../random.ts";
import type { Layout } from "./layout.ts";
import { weightLengths } from "./magnitude.ts";

/** Names of {@link LoraInit}. */
export const loraInitNames = ["uniform", "trunc-normal", "normal"] as const;

/**
 * What adapters start from:
 * - `uniform`: the down projection uniform in +-1/sqrt(fan in) (the initialisation of Hu et al.
 *   2021's code), the up projection zero, so that the adapted model starts as the frozen one;
 * - `trunc-normal`: both from N(0, 0.02 squared), cut at +-2: what the released code's Swin and ViT
 *   do to every product;
 * - `normal`: convolutions both from N(0, 0.1 squared), products down from N(0, 1 / rank squared)
 *   and up zero: the released code's IResNet.
 */
export type LoraInit = (typeof loraInitNames)[number];

/**
 * Theta before the first step. Trained weights of the backbone itself start as they are. Depends on
 * the seed alone.
 */
export async function initialTheta(
  backbone: Backbone,
  layout: Layout,
  seed: number,
  init: LoraInit = "uniform",
): Promise<Float32Array> {
  const theta = new Float32Array(layout.length);
  const generator = random("theta", seed);
  const convolutions = new Set(layout.sites.filter(({ op }) => op === "Conv").map(({ name }) => name));
  for (const slot of layout.slots) {
    const { offset, length, role, dims } = slot;
    if (role === "weight") {
      theta.set(floatData(readTensor(entryOf(backbone.graph.constants, slot.of))), offset);
      continue;
    }
    if (role === "magnitude") {
      const site = itemAt(
        layout.sites.filter(({ name }) => name === slot.of),
        0,
      );
      const constant = entryOf(backbone.graph.constants, site.weight);
      theta.set(weightLengths(site, constant, floatData(readTensor(constant))), offset);
      continue;
    }
    const rank = itemAt(dims, role === "down" ? 0 : 1);
    const draw = drawOf(init, generator, {
      role,
      rank,
      fanIn: length / itemAt(dims, 0),
      conv: convolutions.has(slot.of),
    });
    if (draw !== undefined) for (let i = 0; i < length; i++) theta[offset + i] = draw();
  }
  return theta;
}

/** How one number of a projection is drawn; undefined for zeros. */
function drawOf(
  init: LoraInit,
  generator: Random,
  { role, rank, fanIn, conv }: { role: "down" | "up"; rank: number; fanIn: number; conv: boolean },
): (() => number) | undefined {
  switch (init) {
    case "uniform": {
      const bound = 1 / Math.sqrt(fanIn);
      return role === "down" ? () => (2 * generator.uniform() - 1) * bound : undefined;
    }
    case "trunc-normal":
      return () => {
        let drawn = 0.02 * generator.normal();
        while (Math.abs(drawn) > 2) drawn = 0.02 * generator.normal();
        return drawn;
      };
    case "normal":
      if (conv) return () => 0.1 * generator.normal();
      return role === "down" ? () => generator.normal() / rank : undefined;
  }
}
