import { type Dim, isStatic, sameDim, staticDims, timesDim } from "../graph/dim.ts";
import type { Node, ValueType } from "../graph/graph.ts";
import { itemAt } from "../graph/item-at.ts";
import { type DType, sizeOf } from "../graph/tensor.ts";
import { callOf, type ShapeCall } from "../infer/call.ts";
import type { InferContext } from "../infer/context.ts";
import { addDims, divideDim } from "../infer/dims.ts";
import { concatKnown, gatherKnown, sliceKnown, transposeKnown } from "./rearrange.ts";
import { isNumeric, type Known, knownOf, MAX_KNOWN } from "./values.ts";

/**
 * What evaluation needs of a node: its inputs as far as they are known and the type of its first
 * output.
 */
interface Situation {
  readonly call: ShapeCall;
  readonly known: readonly (Known | undefined)[];
  readonly type: ValueType;
}

/** An operator over known values; undefined where the result is not known before the graph runs. */
type Evaluation = (situation: Situation) => readonly Dim[] | undefined;

/** One element of the result from the elements of the inputs. */
type Scalar = (a: Dim, b: Dim, dtype: DType) => Dim | undefined;

const numbers =
  (compute: (a: number, b: number, dtype: DType) => number): Scalar =>
  (a, b, dtype) =>
    typeof a === "number" && typeof b === "number" ? compute(a, b, dtype) : undefined;

const isFloat = (dtype: DType): boolean => dtype.startsWith("float");

const SCALARS: Readonly<Record<string, Scalar>> = {
  Add: (a, b) => addDims(a, b),
  Sub: (a, b) => (b === 0 ? a : numbers((x, y) => x - y)(a, b, "int64")),
  Mul: (a, b) => (typeof b === "number" ? timesDim(a, b) : typeof a === "number" ? timesDim(b, a) : undefined),
  Div(a, b, dtype) {
    if (typeof b !== "number") return sameDim(a, b) ? 1 : undefined;
    if (typeof a !== "number") return divideDim(a, b);
    return isFloat(dtype) ? a / b : b === 0 ? undefined : Math.trunc(a / b);
  },
  Mod: numbers((a, b) => a - b * Math.floor(a / b)),
  Pow: numbers((a, b) => a ** b),
  Min: numbers((a, b) => Math.min(a, b)),
  Max: numbers((a, b) => Math.max(a, b)),
  Equal: (a, b) => compareDims(a, b, (x, y) => x === y, false),
  Greater: (a, b) => compareDims(a, b, (x, y) => x > y, true),
  Less: (a, b) => compareDims(b, a, (x, y) => x > y, true),
  And: numbers((a, b) => a * b),
  Or: numbers((a, b) => Math.max(a, b)),
  Neg: numbers((a) => -a),
  Not: numbers((a) => 1 - a),
  Abs: numbers((a) => Math.abs(a)),
  Sqrt: numbers(Math.sqrt),
  Floor: numbers(Math.floor),
  Ceil: numbers(Math.ceil),
  Reciprocal: numbers((a) => 1 / a),
};

/**
 * Compares elements; the open batch is at least 1, so against numbers below that the answer is
 * `open`.
 */
function compareDims(a: Dim, b: Dim, test: (a: number, b: number) => boolean, open: boolean): Dim | undefined {
  if (typeof a === "number" && typeof b === "number") return Number(test(a, b));
  if (typeof b === "number") return b < 1 ? Number(open) : undefined;
  if (typeof a === "number") return a < 1 ? 0 : undefined;
  return a.symbol === b.symbol ? Number(test(a.times, b.times)) : undefined;
}

/**
 * Index of the element of a tensor of shape `dims` that broadcasts to element `index` of a tensor
 * of shape `to`.
 */
function sourceIndex(index: number, to: readonly number[], dims: readonly number[]): number {
  let rest = index;
  let source = 0;
  let stride = 1;
  for (let axis = to.length - 1, own = dims.length - 1; own >= 0; axis--, own--) {
    const size = itemAt(to, axis);
    const place = rest % size;
    rest = Math.floor(rest / size);
    const width = itemAt(dims, own);
    if (width !== 1) source += place * stride;
    stride *= width;
  }
  return source;
}

/** Applies `compute` to the broadcast elements of all inputs. */
function broadcastKnown(
  { known, type }: Situation,
  compute: (elements: readonly Dim[]) => Dim | undefined,
): Dim[] | undefined {
  const inputs = known.filter((value) => value !== undefined);
  const shape = type.shape;
  if (inputs.length !== known.length || !isStatic(shape)) return undefined;
  const size = sizeOf(shape);
  const result: Dim[] = [];
  for (let index = 0; index < size; index++) {
    const elements = inputs.map((input) => itemAt(input.values, sourceIndex(index, shape, input.dims)));
    const value = compute(elements);
    if (value === undefined) return undefined;
    result.push(value);
  }
  return result;
}

const scalar =
  (compute: Scalar): Evaluation =>
  (situation) =>
    broadcastKnown(situation, ([a = 0, b = 0]) => compute(a, b, situation.known[0]?.dtype ?? "int64"));

const keep: Evaluation = ({ known: [value] }) => value?.values;

const cast: Evaluation = ({ known: [value], type }) => {
  if (value === undefined || type.dtype === "float16") return undefined;
  if (!isNumeric(value)) return type.dtype === "bool" ? undefined : value.values;
  if (type.dtype === "bool") return value.values.map((item) => Number(item !== 0));
  return isFloat(type.dtype) ? value.values : value.values.map((item) => Math.trunc(item));
};

const shapeOf: Evaluation = ({ call }) => {
  const shape = call.shape(0);
  return shape.slice(call.int("start", 0), call.int("end", shape.length));
};

const transpose: Evaluation = ({ call, known: [data], type }) =>
  data && transposeKnown(call, data, staticDims(type.shape));

const gather: Evaluation = ({ call, known: [data, indices], type }) =>
  data && indices && gatherKnown(call, data, indices, staticDims(type.shape));

const concat: Evaluation = ({ call, known }) => {
  const parts = known.filter((value) => value !== undefined);
  return parts.length === known.length && parts.length > 0 ? concatKnown(call, parts) : undefined;
};

const slice: Evaluation = ({ call, known: [data], type }) => data && sliceKnown(call, data, staticDims(type.shape));

const constantOfShape: Evaluation = ({ call, type }) => {
  if (!isStatic(type.shape)) return undefined;
  const size = sizeOf(type.shape);
  const value = call.node.attributes.value;
  const fill = value !== undefined && "tensor" in value ? knownOf(value.tensor)?.values[0] : 0;
  if (fill === undefined || (isFloat(type.dtype) && size > 1)) return undefined;
  return Array<Dim>(size).fill(fill);
};

const range: Evaluation = ({ known: [start, , delta], type }) => {
  const [length] = type.shape;
  const [first] = start?.values ?? [];
  const [step] = delta?.values ?? [];
  if (typeof length !== "number" || typeof first !== "number" || typeof step !== "number") return undefined;
  if (isFloat(type.dtype)) return undefined;
  return Array.from({ length }, (_, index) => first + index * step);
};

const reduceProd: Evaluation = ({ known: [value] }) => {
  if (value?.dims.length !== 1) return undefined;
  let product: Dim = 1;
  for (const dim of value.values) {
    if (typeof dim === "number") product = timesDim(product, dim);
    else if (typeof product === "number") product = timesDim(dim, product);
    else return undefined;
  }
  return [product];
};

const where: Evaluation = (situation) =>
  broadcastKnown(situation, ([condition, yes, no]) => (condition === 1 ? yes : condition === 0 ? no : undefined));

const EVALUATIONS: ReadonlyMap<string, Evaluation> = new Map([
  ...Object.entries(SCALARS).map(([op, compute]) => [op, scalar(compute)] as const),
  ...["Identity", "Reshape", "Squeeze", "Unsqueeze", "Flatten"].map((op) => [op, keep] as const),
  ["Expand", (situation) => broadcastKnown({ ...situation, known: situation.known.slice(0, 1) }, ([a]) => a)],
  ["Cast", cast],
  // The second input only lends its type.
  ["CastLike", cast],
  ["Shape", shapeOf],
  ["Transpose", transpose],
  ["Gather", gather],
  ["Concat", concat],
  ["Slice", slice],
  ["ConstantOfShape", constantOfShape],
  ["Range", range],
  ["ReduceProd", reduceProd],
  ["Where", where],
]);

/**
 * The value of a node's only output where it follows from shapes and small constants. Throws only
 * for indices out of range.
 */
export function evaluate(
  node: Node,
  type: ValueType,
  known: readonly (Known | undefined)[],
  context: InferContext,
): Known | undefined {
  const evaluation = node.domain === "" && node.outputs.length === 1 ? EVALUATIONS.get(node.op) : undefined;
  if (evaluation === undefined || !isStatic(type.shape)) return undefined;
  // Sizes are bounded before anything is computed: a chain of joins could double them at every
  // node.
  const size = sizeOf(type.shape);
  if (size > MAX_KNOWN || type.dtype === "float16") return undefined;
  const values = evaluation({ call: callOf(node, context), known, type });
  if (values === undefined) return undefined;
  const exact = values.every((value) => Number.isSafeInteger(typeof value === "number" ? value : value.times));
  if (values.length !== size || (!isFloat(type.dtype) && !exact)) return undefined;
  const rounded =
    type.dtype === "float32" ? values.map((value) => (typeof value === "number" ? Math.fround(value) : value)) : values;
  return { dtype: type.dtype, dims: type.shape, values: rounded };
}
