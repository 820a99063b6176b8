export { calibrate } from "./calibrate.ts";
