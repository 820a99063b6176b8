export { bootstrap, estimate, pValue } from "./bootstrap.ts";
export type { Estimate } from "./types.ts";
