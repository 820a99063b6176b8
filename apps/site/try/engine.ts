import mjs from "onnxruntime-web/ort-wasm-simd-threaded.mjs?url";
import wasm from "onnxruntime-web/ort-wasm-simd-threaded.wasm?url";
import * as ort from "onnxruntime-web/wasm";

// One thread: several need headers that a static host may not send.
ort.env.wasm.numThreads = 1;
ort.env.wasm.wasmPaths = { mjs, wasm };

export { openMeasure } from "./measure.ts";
export { openRecogniser } from "./recogniser.ts";
