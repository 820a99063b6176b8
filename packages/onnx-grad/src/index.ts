/**
 * Gradients of ONNX graphs as ordinary ONNX graphs: read a model, differentiate it, run it in
 * onnxruntime.
 *
 * @module onnx-grad
 */

export * from "./basics.ts";
export type { BatchPlace } from "./batch/place.ts";
export { type ProveOptions, proveBatch } from "./batch/prove.ts";
export { type ProveRowsFeeds, proveRows, type RowsProblem } from "./batch/rows/prove.ts";
export { imageOf, traceRows, type ValueRows } from "./batch/rows/trace.ts";
export { type SetBatchOptions, setBatch } from "./batch/set-batch.ts";
export { type AddOptions, GraphBuilder } from "./build/builder.ts";
export { type CopyOptions, copyGraph } from "./build/copy.ts";
export { type Operand, type Ops, ops, type Window } from "./build/ops.ts";
export { downgradeOpset, oldestOpset } from "./downgrade/downgrade.ts";
export { foldConstants } from "./fold/fold.ts";
export { readTensor } from "./format/decode.ts";
export { type ExternalFile, externalFiles } from "./format/external.ts";
export {
  type EncodedModel,
  encodeModel,
  encodeWithPlaces,
  type ReadOptions,
  readMetadata,
  readModel,
  type WriteOptions,
  writeModel,
} from "./format/model.ts";
export { otherFormat } from "./format/other.ts";
export { type MappedModel, mapModel, placeModel } from "./format/place.ts";
export { type CheckOptions, type CheckResult, checkGradients } from "./gradient/check.ts";
export { type DifferentiateOptions, differentiate } from "./gradient/differentiate.ts";
export { floatOf, intOf, intsOf, stringOf } from "./graph/attributes.ts";
export {
  type Dim,
  isStatic,
  printDim,
  printShape,
  type Shape,
  type SymbolicDim,
  sameDim,
  sameShape,
  staticDims,
  timesDim,
} from "./graph/dim.ts";
export { type OnnxGradCode, OnnxGradError } from "./graph/errors.ts";
export type { Attribute, Attributes, Graph, Node, ValueType } from "./graph/graph.ts";
export { once } from "./graph/once.ts";
export { prune } from "./graph/prune.ts";
export type { Run } from "./graph/run.ts";
export {
  type Constant,
  type DType,
  type ExternalTensor,
  type FloatTensor,
  float32,
  floatData,
  int64,
  isExternal,
  numbersOf,
  sizeOf,
  type Tensor,
  type TypedArrays,
} from "./graph/tensor.ts";
export type { InferContext } from "./infer/context.ts";
export { inferNode } from "./infer/infer.ts";
export { type LowerOptions, lower, type Pass, type Target } from "./lower/lower.ts";
export { halfBits, toHalf } from "./precision/half.ts";
export { findNegligible, flushNegligible } from "./precision/negligible.ts";
export { type QuantiseOptions, quantise, quantisedValues } from "./precision/quantise.ts";
export { toFloat32 } from "./precision/whole.ts";
export { upgradeOpset } from "./upgrade/upgrade.ts";
