import type { Dim, Shape } from "../graph/dim.ts";
import { OnnxGradError } from "../graph/errors.ts";
import type { Node, ValueType } from "../graph/graph.ts";
import { type DType, numbersOf, type Tensor } from "../graph/tensor.ts";
import type { InferContext } from "./context.ts";

/** From the node and the types of its inputs to the types of its outputs. */
export type ShapeRule = (call: ShapeCall) => ValueType[];

/** ShapeRules by operator. */
export type ShapeRules = Readonly<Record<string, ShapeRule>>;

/**
 * A node with its surroundings, as a shape rule sees it. Every accessor throws an error that names
 * the node.
 */
export interface ShapeCall {
  readonly node: Node;
  readonly opset: number;
  /** Whether the optional input is there. */
  has(index: number): boolean;
  type(index: number): ValueType;
  shape(index: number): Shape;
  dtype(index: number): DType;
  /** The numbers of an input where it is a constant in memory. */
  known(index: number): Tensor | undefined;
  /** The numbers of an input that must be a constant. */
  tensor(index: number): Tensor;
  /** A constant integer input as plain numbers. */
  integers(index: number): number[];
  /** An integer vector that may hold the open batch (a reshape target, say). */
  dims(index: number): readonly Dim[];
  int(name: string, fallback: number): number;
  ints(name: string): readonly number[] | undefined;
  text(name: string, fallback: string): string;
  fail(message: string): never;
}

/**
 * Most dimensions that a tensor may have; far beyond real models, it keeps hostile ones from taking
 * long.
 */
export const MAX_RANK = 64;

/** Most elements that a tensor may have for each image of the batch: terabytes. */
export const MAX_ELEMENTS = 2 ** 40;

/**
 * Largest stride, dilation or kernel side: onnxruntime computes places with 32 bits here and there.
 */
export const MAX_STEP = 2 ** 31 - 1;

/** Throws an error that names the node and its operator. */
export function failNode(node: Node, message: string): never {
  throw new OnnxGradError(`${node.op} node "${node.name || node.outputs[0] || "?"}": ${message}`, {
    code: "ONNX_NODE_UNSUPPORTED",
  });
}

/** Wraps a node for its shape rule. */
export function callOf(node: Node, context: InferContext): ShapeCall {
  const fail = (message: string): never => failNode(node, message);
  const name = (index: number): string => node.inputs[index] || fail(`input ${index} is missing`);
  const type = (index: number): ValueType => context.type(name(index));
  const tensor = (index: number): Tensor =>
    context.tensor(name(index)) ?? fail(`input ${index} ("${name(index)}") must be a constant; fold the graph first`);
  const integers = (index: number): number[] => {
    const values = tensor(index);
    if (values.dtype !== "int64" && values.dtype !== "int32")
      fail(`input ${index} ("${name(index)}") must hold integers`);
    return numbersOf(values);
  };
  return {
    node,
    opset: context.opset,
    has: (index) => (node.inputs[index] ?? "") !== "",
    type,
    known: (index) => context.tensor(name(index)),
    shape: (index) => type(index).shape,
    dtype: (index) => type(index).dtype,
    tensor,
    integers,
    dims(index) {
      const values = context.dims?.(name(index));
      if (values !== undefined && !/^int(32|64)$/.test(type(index).dtype))
        fail(`input ${index} ("${name(index)}") must hold integers`);
      return values ?? integers(index);
    },
    int(key, fallback) {
      const attribute = node.attributes[key];
      if (attribute === undefined) return fallback;
      return "int" in attribute ? attribute.int : fail(`attribute "${key}" must be an integer`);
    },
    ints(key) {
      const attribute = node.attributes[key];
      if (attribute === undefined) return undefined;
      return "ints" in attribute ? attribute.ints : fail(`attribute "${key}" must be a list of integers`);
    },
    text(key, fallback) {
      const attribute = node.attributes[key];
      if (attribute === undefined) return fallback;
      return "string" in attribute ? attribute.string : fail(`attribute "${key}" must be a string`);
    },
    fail,
  };
}

/** An axis counted from the front; negative ones count from the end. Fails outside `rank`. */
export function axisOf(call: ShapeCall, axis: number, rank: number): number {
  const positive = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(positive) || positive < 0 || positive >= rank) {
    call.fail(`axis ${axis} is outside its input of rank ${rank}`);
  }
  return positive;
}

/** Axes counted from the front, each at most once. */
export function axesOf(call: ShapeCall, axes: readonly number[], rank: number): number[] {
  if (axes.length > MAX_RANK) call.fail(`it names ${axes.length} axes; no tensor has more than ${MAX_RANK}`);
  const positive = axes.map((axis) => axisOf(call, axis, rank));
  if (new Set(positive).size !== positive.length) call.fail(`axes [${axes}] name an axis twice`);
  return positive;
}

/** A dimension that the rule can only handle as a number. */
export function fixed(call: ShapeCall, dim: Dim | undefined, what: string): number {
  if (typeof dim !== "number") call.fail(`${what} must be a number, only the batch may be open`);
  return dim;
}

/** The element type that all these inputs share. */
export function sharedDType(call: ShapeCall, indices: readonly number[]): DType {
  const dtypes = indices.map((index) => call.dtype(index));
  const [first = "float32"] = dtypes;
  if (dtypes.some((dtype) => dtype !== first)) call.fail(`inputs mix element types ${dtypes.join(" and ")}`);
  return first;
}

/** Those of the optional inputs that are there. */
export const present = (call: ShapeCall, indices: readonly number[]): number[] =>
  indices.filter((index) => call.has(index));
