export { calibrate, sortedQuantile } from "./calibrate.ts";
