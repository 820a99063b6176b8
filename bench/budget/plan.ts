import { itemAt } from "onnx-grad";
import { findSites, type Site, selectSites } from "petalface/adapters";
import type { Backbone } from "petalface/backbones";
import type { TrainingChoices } from "petalface/training";

/** Numbers that an adapter of rank 1 has on some layers. */
const numbersOf = (sites: readonly Site[]): number =>
  sites.reduce((sum, { inputs, outputs, kernel: [high, wide] }) => sum + inputs * high * wide + outputs, 0);

/**
 * The adapter with at most this share of the network's weights: all default layers at the largest
 * rank that fits, or where not even rank 1 does, rank 1 on as many of them as fit, spread over all.
 *
 * @param share in (0, 1]
 * @throws Error where not even one layer fits
 */
export function withinBudget(backbone: Pick<Backbone, "graph" | "parameters">, share: number): TrainingChoices {
  const sites = selectSites(findSites(backbone.graph).sites);
  const most = share * backbone.parameters;
  const rank = Math.floor(most / numbersOf(sites));
  if (rank >= 1) return { preset: "petal", rank };
  for (let count = sites.length - 1; count > 0; count--) {
    // From the last layer backwards, which is among them in any case.
    const chosen = Array.from({ length: count }, (_, i) => {
      return itemAt(sites, sites.length - 1 - Math.floor((i * sites.length) / count));
    });
    if (numbersOf(chosen) <= most) return { preset: "petal", rank: 1, sites: chosen.map(({ name }) => name).join(",") };
  }
  throw new Error(`no layer's adapter fits into ${100 * share} % of the weights`);
}
