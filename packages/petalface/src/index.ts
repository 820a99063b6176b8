export * from "./api/index.ts";
export { PetalfaceError } from "./errors.ts";
