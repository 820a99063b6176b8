import type { Pass } from "../pass.ts";
import { activations } from "./activations.ts";
import { alike } from "./alike.ts";
import { apartRows } from "./apart-rows.ts";
import { fewBuffers } from "./few-buffers.ts";
import { logSoftmax } from "./log-softmax.ts";
import { longProducts } from "./long-products.ts";
import { maxPlaces } from "./max-places.ts";
import { spaceToDepth } from "./space-to-depth.ts";
import { sums } from "./sums.ts";
import { transposedProducts } from "./transposed-products.ts";
import { winograd } from "./winograd.ts";

/**
 * All passes in the order in which they run: decompositions first, then fusions, which bring in
 * operators that have no shape rule. `alike` is last: it is about what is still a convolution then.
 */
export const passes: readonly Pass[] = [
  fewBuffers,
  maxPlaces,
  logSoftmax,
  sums,
  activations,
  spaceToDepth,
  transposedProducts,
  apartRows,
  longProducts,
  winograd,
  alike,
];
