export * from "./portable.ts";
export { readSafetensors } from "./read.ts";
