import { type Dim, isStatic, printShape, type Shape, sameDim, sameShape } from "../graph/dim.ts";
import { dtypeCode } from "../graph/dtypes.ts";
import { OnnxGradError } from "../graph/errors.ts";
import type { Attributes } from "../graph/graph.ts";
import { itemAt } from "../graph/item-at.ts";
import { type DType, float32, int64, sizeOf, type Tensor } from "../graph/tensor.ts";
import type { GraphBuilder } from "./builder.ts";

/**
 * An operand of an elementwise operator: the name of a value, or a number that becomes a scalar of
 * the other operand's dtype.
 */
export type Operand = string | number;

/**
 * Geometry of a convolution or pooling window. Absent fields take ONNX's defaults; pads are all
 * starts, then all ends.
 */
export interface Window {
  readonly strides?: readonly number[];
  readonly pads?: readonly number[];
  readonly dilations?: readonly number[];
  readonly group?: number;
}

/** The builders that {@link ops} makes. */
export type Ops = ReturnType<typeof ops>;

const ints = (values: readonly number[]) => ({ ints: values });
const int = (value: number) => ({ int: value });

/** A constant tensor filled with one number. Throws for dtypes that gradients never have. */
export function filled(value: number, dims: readonly number[], dtype: DType): Tensor {
  const size = sizeOf(dims);
  if (dtype === "float32") return { dtype, dims, data: new Float32Array(size).fill(value) };
  if (dtype === "float64") return { dtype, dims, data: new Float64Array(size).fill(value) };
  if (dtype === "int64") return { dtype, dims, data: new BigInt64Array(size).fill(BigInt(value)) };
  if (dtype === "int32") return { dtype, dims, data: new Int32Array(size).fill(value) };
  if (dtype === "bool") return { dtype, dims, data: new Uint8Array(size).fill(value) };
  throw new OnnxGradError(`cannot make a ${dtype} constant; cast the value to float32 first`);
}

/**
 * One small builder per operator over `b`, in the forms of operator set 18 and later. Values are
 * names. Scalars and shape constants are made once. Builders drop work that changes nothing (a
 * transpose into the same order).
 */
export function ops(b: GraphBuilder) {
  const interned = new Map<string, string>();
  const intern = (key: string, make: () => Tensor, stem: string): string => {
    const known = interned.get(key);
    if (known !== undefined) return known;
    const name = b.constant(make(), stem);
    interned.set(key, name);
    return name;
  };

  const shape = (x: string): Shape => b.shape(x);
  const rank = (x: string): number => b.shape(x).length;
  const dtype = (x: string): DType => b.type(x).dtype;
  const scalar = (value: number, type: DType = "float32"): string =>
    intern(`${type} ${value}`, () => filled(value, [], type), "scalar");
  const vector = (values: readonly number[]): string => intern(`ints ${values.join()}`, () => int64(values), "ints");
  /** The shape of a value, from one axis on, whose dimensions must be known there. */
  const dims = (x: string, from = 0): readonly number[] => {
    const all = shape(x).slice(from);
    if (!isStatic(all)) throw new OnnxGradError(`"${x}" ${printShape(all)} is open; fix the batch with setBatch first`);
    return all;
  };
  /** The length of one axis (-1: the last), which must be known; that of the others need not be. */
  const dim = (x: string, along: number): number => {
    const length = shape(x).at(along);
    if (typeof length === "number") return length;
    throw new OnnxGradError(`axis ${along} of "${x}" ${printShape(shape(x))} is no known number`);
  };
  const axis = (x: string, value: number): number => (value < 0 ? value + rank(x) : value);

  const unary =
    (op: string, attributes: Attributes = {}) =>
    (x: string): string =>
      b.add(op, [x], attributes);
  const binary =
    (op: string) =>
    (x: Operand, y: Operand): string => {
      if (typeof x === "string") return b.add(op, [x, typeof y === "number" ? scalar(y, dtype(x)) : y]);
      return b.add(op, typeof y === "string" ? [scalar(x, dtype(y)), y] : [scalar(x), scalar(y)]);
    };
  const reduce =
    (op: string) =>
    (x: string, axes: readonly number[] = shape(x).map((_, i) => i), keepdims = true): string =>
      axes.length === 0 ? x : b.add(op, [x, vector(axes)], { keepdims: int(keepdims ? 1 : 0) });

  const transpose = (x: string, perm: readonly number[]): string =>
    perm.every((from, to) => from === to) ? x : b.add("Transpose", [x], { perm: ints(perm) });

  /**
   * Where a dimension is open it is copied from the same place of `x`, or left to ONNX's -1 (once).
   */
  const reshape = (x: string, to: Shape): string => {
    const from = shape(x);
    if (sameShape(from, to)) return x;
    let open = 0;
    const target = to.map((dim, i) => {
      if (typeof dim === "number") return dim;
      const here = from[i];
      if (here !== undefined && sameDim(here, dim)) return 0;
      open++;
      return -1;
    });
    if (open > 1)
      throw new OnnxGradError(`cannot reshape ${printShape(from)} to ${printShape(to)}: two open dimensions`);
    return b.add("Reshape", [x, vector(target)]);
  };

  const where = (condition: string, x: Operand, y: Operand): string => {
    const like = typeof x === "string" ? dtype(x) : typeof y === "string" ? dtype(y) : "float32";
    const operand = (value: Operand) => (typeof value === "number" ? scalar(value, like) : value);
    return b.add("Where", [condition, operand(x), operand(y)]);
  };

  /**
   * Broadcasts `x` to `to`; `like` is a value of that shape, used where an open dimension has to
   * come from somewhere.
   */
  const expand = (x: string, to: Shape, like?: string): string => {
    const from = shape(x);
    if (sameShape(from, to)) return x;
    const offset = to.length - from.length;
    const target: number[] = [];
    for (const [i, dim] of to.entries()) {
      const here = from[i - offset];
      if (typeof dim === "number") target.push(dim);
      else if (here !== undefined && sameDim(here, dim)) target.push(1);
    }
    if (target.length === to.length) return b.add("Expand", [x, vector(target)]);
    if (like === undefined) throw new OnnxGradError(`cannot expand ${printShape(from)} to ${printShape(to)}`);
    return where(
      intern("false", () => filled(0, [], "bool"), "false"),
      like,
      x,
    );
  };

  const window = ({ strides, pads, dilations, group }: Window): Attributes => ({
    ...(strides && { strides: ints(strides) }),
    ...(pads && { pads: ints(pads) }),
    ...(dilations && { dilations: ints(dilations) }),
    ...(group !== undefined && { group: int(group) }),
  });
  const optional = (...inputs: readonly (string | undefined)[]): string[] => {
    const all = inputs.map((input) => input ?? "");
    while (all.at(-1) === "") all.pop();
    return all;
  };

  const slice = (
    x: string,
    starts: readonly number[],
    ends: readonly number[],
    axes: readonly number[],
    steps: readonly number[] = axes.map(() => 1),
  ): string => b.add("Slice", [x, ...[starts, ends, axes, steps].map(vector)]);

  return {
    builder: b,
    shape,
    dims,
    dim,
    rank,
    dtype,
    /** `value` counted from the front. */
    axis,
    scalar,
    /** An int64 vector. */
    ints: vector,
    /** A float32 constant. */
    floats: (values: ArrayLike<number>, dims?: readonly number[]): string => b.constant(float32(values, dims)),
    /** A tensor of one number in the dtype of `like`. Throws if the shape is open. */
    full: (value: number, to: Shape, like: string): string => {
      if (!isStatic(to)) return expand(scalar(value, dtype(like)), to, like);
      return intern(`full ${dtype(like)} ${value} ${to.join()}`, () => filled(value, to, dtype(like)), "full");
    },

    add: binary("Add"),
    sub: binary("Sub"),
    mul: binary("Mul"),
    div: binary("Div"),
    pow: binary("Pow"),
    less: binary("Less"),
    lessOrEqual: binary("LessOrEqual"),
    greater: binary("Greater"),
    greaterOrEqual: binary("GreaterOrEqual"),
    equal: binary("Equal"),
    min: binary("Min"),
    max: binary("Max"),
    and: binary("And"),
    or: binary("Or"),
    prelu: binary("PRelu"),
    not: unary("Not"),
    neg: unary("Neg"),
    abs: unary("Abs"),
    sign: unary("Sign"),
    sqrt: unary("Sqrt"),
    exp: unary("Exp"),
    log: unary("Log"),
    sin: unary("Sin"),
    cos: unary("Cos"),
    acos: unary("Acos"),
    tanh: unary("Tanh"),
    sigmoid: unary("Sigmoid"),
    erf: unary("Erf"),
    softplus: unary("Softplus"),
    relu: unary("Relu"),
    reciprocal: unary("Reciprocal"),
    identity: unary("Identity"),
    /** `x` held within [low, high]. */
    clip: (x: string, low: number, high: number): string =>
      b.add("Clip", [x, scalar(low, dtype(x)), scalar(high, dtype(x))]),
    /** The sum of one or more values. */
    sum: (values: readonly string[]): string =>
      values.length === 1 ? itemAt(values, 0) : b.add(values.length === 2 ? "Add" : "Sum", values),
    cast: (x: string, to: DType): string => (dtype(x) === to ? x : b.add("Cast", [x], { to: int(dtypeCode(to)) })),
    where,

    matmul: (x: string, y: string): string => b.add("MatMul", [x, y]),
    /** A product in Einstein's notation. */
    einsum: (equation: string, ...inputs: readonly string[]): string =>
      b.add("Einsum", inputs, { equation: { string: equation } }),
    /** `alpha * x' y' + beta * c` of matrices, where `'` transposes on request. */
    gemm: (
      x: string,
      y: string,
      options: { c?: string; transA?: boolean; transB?: boolean; alpha?: number; beta?: number } = {},
    ): string =>
      b.add("Gemm", optional(x, y, options.c), {
        ...(options.transA && { transA: int(1) }),
        ...(options.transB && { transB: int(1) }),
        ...(options.alpha !== undefined && { alpha: { float: options.alpha } }),
        ...(options.beta !== undefined && { beta: { float: options.beta } }),
      }),
    conv: (x: string, kernel: string, options: Window = {}, bias?: string): string =>
      b.add("Conv", optional(x, kernel, bias), window(options)),
    convTranspose: (
      x: string,
      kernel: string,
      options: Window & { readonly outputPadding?: readonly number[] } = {},
      bias?: string,
    ): string =>
      b.add("ConvTranspose", optional(x, kernel, bias), {
        ...window(options),
        ...(options.outputPadding && { output_padding: ints(options.outputPadding) }),
      }),

    transpose,
    /** Swaps the last two axes. */
    swap: (x: string): string => {
      const n = rank(x);
      return transpose(x, [...Array(n - 2).keys(), n - 1, n - 2]);
    },
    reshape,
    /** Joins all axes. */
    flat: (x: string): string => (rank(x) === 1 ? x : b.add("Reshape", [x, vector([-1])])),
    squeeze: (x: string, axes: readonly number[]): string => b.add("Squeeze", [x, vector(axes)]),
    unsqueeze: (x: string, axes: readonly number[]): string => b.add("Unsqueeze", [x, vector(axes)]),
    expand,
    tile: (x: string, repeats: readonly number[]): string =>
      repeats.every((count) => count === 1) ? x : b.add("Tile", [x, vector(repeats)]),
    concat: (values: readonly string[], along: number): string =>
      values.length === 1 ? itemAt(values, 0) : b.add("Concat", values, { axis: int(along) }),
    /** Cuts `x` along an axis into pieces of these sizes. */
    split: (x: string, sizes: readonly number[], along = 0): string[] =>
      b.addAll("Split", [x, vector(sizes)], { axis: int(along) }, { outputs: sizes.length }),
    slice,
    /** Mirrors `x` along axes of known length. */
    flip: (x: string, axes: readonly number[]): string => {
      const flipped = axes.filter((a) => shape(x)[a] !== 1);
      if (flipped.length === 0) return x;
      const far = -(2 ** 31);
      return slice(
        x,
        flipped.map(() => -1),
        flipped.map(() => far),
        flipped,
        flipped.map(() => -1),
      );
    },
    /** Zeros around `x`: all starts, then all ends. Negative counts crop. */
    pad: (x: string, pads: readonly number[]): string =>
      pads.every((count) => count === 0) ? x : b.add("Pad", [x, vector(pads)]),
    gather: (x: string, indices: string, along = 0): string => b.add("Gather", [x, indices], { axis: int(along) }),
    gatherElements: (x: string, indices: string, along = 0): string =>
      b.add("GatherElements", [x, indices], { axis: int(along) }),
    gatherNd: (x: string, indices: string): string => b.add("GatherND", [x, indices]),
    /** `x` with `updates` in place of what is at `indices` along an axis. */
    scatterElements: (x: string, indices: string, updates: string, along = 0): string =>
      b.add("ScatterElements", [x, indices, updates], { axis: int(along) }),
    /** `x` with rows of `updates` in place of those at `indices` [..., depth]. */
    scatterRows: (x: string, indices: string, updates: string): string => b.add("ScatterND", [x, indices, updates]),
    /** `x` with `updates` added at `indices` along an axis; indices may repeat. */
    scatterAddElements: (x: string, indices: string, updates: string, along = 0): string =>
      b.add("ScatterElements", [x, indices, updates], { axis: int(along), reduction: { string: "add" } }),
    /** `x` with rows of `updates` added at `indices` [..., depth]; indices may repeat. */
    scatterAddRows: (x: string, indices: string, updates: string): string =>
      b.add("ScatterND", [x, indices, updates], { reduction: { string: "add" } }),

    reduceSum: reduce("ReduceSum"),
    reduceMean: reduce("ReduceMean"),
    reduceMax: reduce("ReduceMax"),
    reduceMin: reduce("ReduceMin"),
    reduceProd: reduce("ReduceProd"),
    reduceL1: reduce("ReduceL1"),
    reduceL2: reduce("ReduceL2"),
    reduceSumSquare: reduce("ReduceSumSquare"),
    softmax: (x: string, along = -1): string => b.add("Softmax", [x], { axis: int(along) }),
    /**
     * Running sums along an axis: of the elements before only, if `exclusive`; from the end, if
     * `reverse`.
     */
    cumSum: (x: string, along: number, options: { exclusive?: boolean; reverse?: boolean } = {}): string =>
      b.add("CumSum", [x, intern(`int ${along}`, () => int64(along), "axis")], {
        exclusive: int(Number(options.exclusive ?? false)),
        reverse: int(Number(options.reverse ?? false)),
      }),
    logSoftmax: (x: string, along = -1): string => b.add("LogSoftmax", [x], { axis: int(along) }),
    /** The number of elements of `x`, as a scalar of its dtype, whatever the open dimension is. */
    count: (x: string): string => {
      const all = shape(x);
      if (isStatic(all)) return scalar(sizeOf(all), dtype(x));
      return b.add("Cast", [b.add("Size", [x])], { to: int(dtypeCode(dtype(x))) });
    },
  };
}

/** The product of dimensions of which at most one is open. */
export function productOf(dims: Shape): Dim {
  return dims.reduce<Dim>((product, dim) => {
    if (typeof product === "number" && typeof dim === "number") return product * dim;
    if (typeof product === "number")
      return { symbol: (dim as { symbol: string }).symbol, times: product * (dim as { times: number }).times };
    if (typeof dim === "number") return { symbol: product.symbol, times: product.times * dim };
    throw new OnnxGradError(`two open dimensions in ${printShape(dims)}`);
  }, 1);
}

/**
 * 1 where x > 0, else 0, as numbers of x's dtype: multiplying by it is faster than Where on
 * onnxruntime's CPU provider.
 */
export const positive = (o: Ops, x: string): string => o.cast(o.greater(x, 0), o.dtype(x));
