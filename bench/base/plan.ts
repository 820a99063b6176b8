import { shrinkingRecipe } from "petalface/training";
import type { Contender } from "../faces/plan.ts";
import { hybridSites } from "../step/networks.ts";

const adapted = { preset: "petal", ...shrinkingRecipe, sites: hybridSites } as const;

/**
 * What is compared: the same images in the same order, and for each seed the same starting numbers.
 */
export const contenders: readonly Contender[] = [
  { name: "frozen" },
  { name: "float32", options: adapted },
  { name: "int8", options: { ...adapted, base: "int8" } },
];

/** Low resolutions that are measured. */
export const pixels = [16, 8] as const;

/** Differences that are reported: the first minus the second. */
export const pairs = [
  ["float32", "frozen"],
  ["int8", "frozen"],
  ["int8", "float32"],
] as const;
