/**
 * Adapt a face recogniser to low-resolution faces, measure it, and export it. Each call does what
 * the command of its name does; `docs/library.md` has examples.
 *
 * @module petalface
 */

export * from "./api/index.ts";
export { type ErrorCode, PetalfaceError } from "./errors.ts";
