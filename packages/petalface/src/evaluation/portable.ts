export { bootstrap, estimate, pValue } from "./bootstrap.ts";
export { fewestPeople, holm, significance, tailP, tooFew } from "./significance.ts";
export type { Estimate } from "./types.ts";
