export * from "./api/index.ts";
export { type ErrorCode, PetalfaceError } from "./errors.ts";
