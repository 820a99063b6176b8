import type { Backbone } from "../../backbones/index.ts";
import type { SessionOptions } from "../../runtime/index.ts";

/** Weights from which on memory matters more than a tenth of the time (docs/speed.md). */
const manyWeights = 2 ** 27;

/**
 * How the engine runs training graphs. Nothing there is compared bit for bit with another graph, so
 * it may choose memory layouts too: 15 to 20 % faster on convolutional networks.
 */
export const trainingSession = (backbone: Pick<Backbone, "parameters">, options: SessionOptions): SessionOptions => ({
  ...options,
  optimisation: "free",
  prepack: backbone.parameters < manyWeights,
});
