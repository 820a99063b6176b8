/**
 * Where ONNX's protobuf schema lies. This file stays at the root of `src`: the built package is one
 * file in `dist`, and the same relative path must hold for both.
 */
export const schemaUrl = new URL("../schema/onnx.proto", import.meta.url);
