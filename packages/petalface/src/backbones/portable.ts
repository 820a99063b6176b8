export { toInput } from "./pixels.ts";
