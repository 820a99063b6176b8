import type { Pass } from "./pass.ts";
import { activations } from "./passes/activations.ts";
import { apartRows } from "./passes/apart-rows.ts";
import { fewBuffers } from "./passes/few-buffers.ts";
import { logSoftmax } from "./passes/log-softmax.ts";
import { longProducts } from "./passes/long-products.ts";
import { maxPlaces } from "./passes/max-places.ts";
import { spaceToDepth } from "./passes/space-to-depth.ts";
import { sums } from "./passes/sums.ts";
import { turnedProducts } from "./passes/turned-products.ts";
import { winograd } from "./passes/winograd.ts";

/** All passes in the order in which they run: decompositions first, then fusions, which bring in operators that have no shape rule. */
export const passes: readonly Pass[] = [
  fewBuffers,
  maxPlaces,
  logSoftmax,
  sums,
  activations,
  spaceToDepth,
  turnedProducts,
  apartRows,
  longProducts,
  winograd,
];
