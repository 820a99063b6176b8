export { type AddOptions, GraphBuilder } from "./builder.ts";
export { type CheckOptions, type CheckResult, checkGradients } from "./check.ts";
export { type CopyOptions, copyGraph } from "./copy.ts";
export { readTensor } from "./decode.ts";
export { type DifferentiateOptions, differentiate } from "./differentiate.ts";
export {
  type Dim,
  isStatic,
  printDim,
  printShape,
  type Shape,
  type SymbolicDim,
  sameDim,
  sameShape,
  timesDim,
} from "./dim.ts";
export { OnnxGradError } from "./errors.ts";
export { foldConstants } from "./fold.ts";
export type { Attribute, Attributes, Graph, Node, ValueType } from "./graph.ts";
export { type InferContext, inferNode } from "./infer.ts";
export { type LowerOptions, lower, type Pass, type Target } from "./lower.ts";
export { encodeModel, type ReadOptions, readModel, type WriteOptions, writeModel } from "./model.ts";
export { type Operand, type Ops, ops, type Window } from "./ops.ts";
export { placeModel } from "./place.ts";
export { halfBits, toHalf } from "./precision/half.ts";
export { type QuantiseOptions, quantise, quantisedValues } from "./precision/quantise.ts";
export { type ProveOptions, proveBatch } from "./prove-batch.ts";
export { type ProveRowsFeeds, proveRows, type RowsProblem } from "./rows/prove.ts";
export { imageOf, traceRows, type ValueRows } from "./rows.ts";
export type { Run } from "./run.ts";
export type { BatchPlace } from "./set-batch/place.ts";
export { type SetBatchOptions, setBatch } from "./set-batch.ts";
export {
  type Constant,
  type DType,
  type ExternalTensor,
  float32,
  int64,
  isExternal,
  sizeOf,
  type Tensor,
  type TypedArrays,
} from "./tensor.ts";
export { upgradeOpset } from "./upgrade.ts";
