export type { Estimate } from "./results/types.ts";
export { bootstrap, estimate, pValue } from "./statistics/bootstrap.ts";
export { fewestPeople, holm, significance, tailP, tooFew } from "./statistics/significance.ts";
