/**
 * What needs neither Node nor native code, for browsers: `import ... from "petalface/portable"`.
 * Sessions are the caller's, from onnxruntime-web; graphs are made in Node.
 */
export * from "./backbones/portable.ts";
export { type ErrorCode, PetalfaceError } from "./errors.ts";
export * from "./evaluation/portable.ts";
export * from "./images/portable.ts";
export * from "./quality/portable.ts";
export * from "./tensors/portable.ts";
export * from "./training/portable.ts";
