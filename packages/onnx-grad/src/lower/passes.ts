import type { Pass } from "./pass.ts";

/** All passes in the order in which they run: decompositions first, then fusions, which bring in operators that have no shape rule. */
export const passes: readonly Pass[] = [];
