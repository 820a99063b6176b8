import { type Dim, type Shape, sameShape } from "../graph/dim.ts";
import type { Node, ValueType } from "../graph/graph.ts";
import type { InferContext } from "../infer/context.ts";
import { broadcast, sameSize, sizeOfShape } from "../infer/dims.ts";

/**
 * Integers that grow evenly along every axis: element `i` is the sum of `offset` and
 * `i[axis] * strides[axis]`.
 */
export interface Affine {
  readonly shape: Shape;
  readonly offset: number;
  /** 0 along axes of size 1. */
  readonly strides: readonly number[];
}

/**
 * Follows index arithmetic that reaches over the open batch, as PyTorch's exporters write it for
 * `as_strided`. `of` tells what is known of a value; `note` learns of a node what it can.
 */
export interface Affines {
  of(name: string): Affine | undefined;
  note(node: Node, type: ValueType): void;
}

/** Affines of a graph in the making. */
export function trackAffines(context: InferContext): Affines {
  const found = new Map<string, Affine>();
  const of = (name: string): Affine | undefined => found.get(name) ?? constantAffine(name, context);
  return {
    of,
    note(node, type) {
      if (node.domain !== "" || (type.dtype !== "int64" && type.dtype !== "int32")) return;
      const affine = derive(node, type, of, context);
      if (affine !== undefined) found.set(node.outputs[0], affine);
    },
  };
}

function derive(node: Node, { shape }: ValueType, of: Affines["of"], context: InferContext): Affine | undefined {
  const [a = "", b = "", c = ""] = node.inputs;
  if (node.op === "Range") {
    const [start, step] = [scalarOf(a, context), scalarOf(c, context)];
    return start === undefined || step === undefined ? undefined : { shape, offset: start, strides: [step] };
  }
  // Only what an open Range leads to is worth following; constants are folded elsewhere.
  if (shape.every((dim) => typeof dim === "number")) return undefined;
  const x = of(a);
  if (node.op === "Identity" || node.op === "Cast") return x;
  if (node.op === "Unsqueeze") return x && unsqueezed(x, shape);
  const y = of(b);
  if (x === undefined || y === undefined) return undefined;
  if (node.op === "Add") return added(x, y);
  if (node.op === "Mul") return scaled(x, y, shape) ?? scaled(y, x, shape);
  return undefined;
}

/** The only number of a value, if it is known. */
function scalarOf(name: string, context: InferContext): number | undefined {
  const [value, ...others] = context.dims?.(name) ?? [];
  return typeof value === "number" && others.length === 0 ? value : undefined;
}

function unsqueezed(x: Affine, shape: Shape): Affine | undefined {
  let next = 0;
  const strides = shape.map((dim) => {
    // Axes of 1 have stride 0 wherever they come from, so only the others must be matched in order.
    if (dim === 1) return 0;
    while (x.shape[next] === 1) next++;
    return x.strides[next++] ?? 0;
  });
  return { ...x, shape, strides };
}

function added(x: Affine, y: Affine): Affine | undefined {
  const shape = broadcast(x.shape, y.shape);
  if (shape === undefined) return undefined;
  const strideOf = (value: Affine, axis: number): number =>
    value.strides[axis - shape.length + value.shape.length] ?? 0;
  return {
    shape,
    offset: x.offset + y.offset,
    strides: shape.map((_, axis) => strideOf(x, axis) + strideOf(y, axis)),
  };
}

function scaled(x: Affine, factor: Affine, shape: Shape): Affine | undefined {
  if (factor.shape.some((dim) => dim !== 1) || !sameShape(x.shape, shape)) return undefined;
  const times = factor.offset;
  return { shape, offset: x.offset * times, strides: x.strides.map((stride) => stride * times) };
}

/** An integer constant in memory as an affine, if it is one. */
function constantAffine(name: string, context: InferContext): Affine | undefined {
  const tensor = name === "" ? undefined : context.tensor(name);
  if (tensor === undefined || (tensor.dtype !== "int64" && tensor.dtype !== "int32")) return undefined;
  const { dims, data } = tensor;
  if (data.length === 0) return undefined;
  const offset = Number(data[0]);
  const strides = dims.map(() => 0);
  for (let axis = dims.length - 1, width = 1; axis >= 0; axis--) {
    if (dims[axis] > 1) strides[axis] = Number(data[width]) - offset;
    width *= dims[axis];
  }
  for (let i = 0; i < data.length; i++) {
    let expected = offset;
    for (let axis = dims.length - 1, rest = i; axis >= 0; axis--) {
      const dim = dims[axis];
      expected += (rest % dim) * strides[axis];
      rest = Math.floor(rest / dim);
    }
    if (Number(data[i]) !== expected) return undefined;
  }
  return { shape: dims, offset, strides };
}

/**
 * Whether a Gather from a flat vector takes every element once and in order, which makes it a
 * reshape to its output's shape.
 */
export function gatherIsReshape(node: Node, affines: Affines, context: InferContext): boolean {
  const [data = "", indices = ""] = node.inputs;
  if (node.op !== "Gather" || node.domain !== "") return false;
  const from = context.type(data).shape;
  const index = from.length === 1 ? affines.of(indices) : undefined;
  if (index === undefined || index.offset !== 0) return false;
  const [whole, taken] = [sizeOfShape(from), sizeOfShape(index.shape)];
  if (whole === undefined || taken === undefined || !sameSize(whole, taken)) return false;
  let width: Dim = 1;
  for (let axis = index.shape.length - 1; axis >= 0; axis--) {
    const dim = index.shape[axis];
    if (dim === 1) continue;
    // An open axis must be the outermost: strides of those outside it would depend on the batch.
    if (index.strides[axis] !== width) return false;
    width = typeof dim === "number" ? width * dim : Number.NaN;
  }
  return true;
}
