import { intOf, intsOf } from "./attributes.ts";
import { OnnxGradError } from "./errors.ts";
import type { Attributes, Graph, Node, ValueType } from "./graph.ts";
import { productOf } from "./ops.ts";
import { type DType, int64, type Tensor } from "./tensor.ts";

/** The operator set whose forms the gradient rules know. */
export const modernOpset = 18;

/** Where an upgrade looks up types and leaves what it adds. */
interface Target {
  type(name: string): ValueType;
  constant(value: Tensor, stem: string): string;
  /** Declares an intermediate value. */
  value(stem: string, type: ValueType): string;
}

/** Rewrites one node of an old operator set; returns the nodes that take its place. */
type Upgrade = (b: Target, node: Node, from: number) => Node[];

const without = (attributes: Attributes, ...names: readonly string[]): Attributes =>
  Object.fromEntries(Object.entries(attributes).filter(([name]) => !names.includes(name)));

/** Moves attributes to inputs, in order; an attribute that is not there leaves its input absent. */
const toInputs =
  (before: number, ...names: readonly string[]): Upgrade =>
  (b, node, from) => {
    if (from >= before) return [node];
    const inputs = [node.inputs[0] as string];
    for (const name of names) {
      const values = intsOf(node, name);
      inputs.push(values === undefined ? "" : b.constant(int64(values), name));
    }
    while (inputs.at(-1) === "") inputs.pop();
    return [{ ...node, inputs, attributes: without(node.attributes, ...names) }];
  };

const numberOf = (value: number, dtype: DType): Tensor =>
  dtype === "float64"
    ? { dtype, dims: [], data: Float64Array.of(value) }
    : { dtype: "float32", dims: [], data: Float32Array.of(value) };

/** A float attribute as a scalar input. */
const scalarOf = (b: Target, node: Node, name: string): string => {
  const attribute = node.attributes[name];
  const value = attribute !== undefined && "float" in attribute ? attribute.float : undefined;
  return value === undefined ? "" : b.constant(numberOf(value, b.type(node.inputs[0] as string).dtype), name);
};

const clip: Upgrade = (b, node, from) => {
  if (from >= 11) return [node];
  const inputs = [node.inputs[0] as string, scalarOf(b, node, "min"), scalarOf(b, node, "max")];
  while (inputs.at(-1) === "") inputs.pop();
  return [{ ...node, inputs, attributes: {} }];
};

const pad: Upgrade = (b, node, from) => {
  if (from >= 11) return [node];
  const pads = b.constant(int64(intsOf(node, "pads") ?? []), "pads");
  const inputs = [node.inputs[0] as string, pads, scalarOf(b, node, "value")];
  while (inputs.at(-1) === "") inputs.pop();
  return [{ ...node, inputs, attributes: without(node.attributes, "pads", "value") }];
};

const split: Upgrade = (b, node, from) => {
  if (from >= 18) return [node];
  const attribute = intsOf(node, "split");
  const count: Attributes = { num_outputs: { int: node.outputs.length } };
  if (from >= 13) return node.inputs[1] ? [node] : [{ ...node, attributes: { ...node.attributes, ...count } }];
  const attributes = without(node.attributes, "split");
  if (attribute === undefined) return [{ ...node, attributes: { ...attributes, ...count } }];
  return [{ ...node, inputs: [node.inputs[0] as string, b.constant(int64(attribute), "split")], attributes }];
};

/** Before 13 these worked on a matrix: all axes from `axis` on were one. */
const softmax: Upgrade = (b, node, from) => {
  if (from >= 13) return [node];
  const [x, y] = [node.inputs[0] as string, node.outputs[0] as string];
  const { dtype, shape } = b.type(x);
  const declared = intOf(node, "axis", 1);
  const axis = declared < 0 ? declared + shape.length : declared;
  const last: Attributes = { axis: { int: -1 } };
  if (axis === shape.length - 1) return [{ ...node, attributes: last }];
  const [rows, columns] = [productOf(shape.slice(0, axis)), productOf(shape.slice(axis))];
  if (typeof columns !== "number") throw new OnnxGradError(`${node.op} node "${node.name}" folds the open batch`);
  const matrix = { dtype, shape: [rows, columns] };
  const [flat, soft] = [b.value(`${y}_flat`, matrix), b.value(`${y}_soft`, matrix)];
  const restored = shape.map((dim, i) => (typeof dim === "number" ? dim : i === 0 && axis === 1 ? 0 : -1));
  const reshape = (input: string, to: number[], output: string): Node => ({
    ...{ op: "Reshape", domain: "", attributes: {}, name: `${output}_reshape` },
    inputs: [input, b.constant(int64(to), "shape")],
    outputs: [output],
  });
  return [
    reshape(x, [typeof rows === "number" ? rows : -1, columns], flat),
    { ...node, inputs: [flat], outputs: [soft], attributes: last },
    reshape(soft, restored, y),
  ];
};

/** `training_mode` and the ratio became inputs; the old forms for inference have neither. */
const dropout: Upgrade = (_, node, from) =>
  from >= 12 ? [node] : [{ ...node, attributes: without(node.attributes, "ratio"), outputs: node.outputs.slice(0, 1) }];

const batchNormalization: Upgrade = (_, node, from) => {
  if (from >= 14) return [node];
  if (from < 9 && intOf(node, "spatial", 1) === 0) {
    throw new OnnxGradError(`BatchNormalization node "${node.name}" has spatial = 0, which no later operator set has`);
  }
  return [{ ...node, attributes: without(node.attributes, "spatial"), outputs: node.outputs.slice(0, 1) }];
};

const reduceAt18 = toInputs(18, "axes");

/** Operators whose form changed between operator sets 7 and 18. */
const upgrades: ReadonlyMap<string, Upgrade> = new Map<string, Upgrade>([
  ["Clip", clip],
  ["Pad", pad],
  ["Split", split],
  ["Softmax", softmax],
  ["LogSoftmax", softmax],
  ["Dropout", dropout],
  ["BatchNormalization", batchNormalization],
  ["Slice", toInputs(10, "starts", "ends", "axes")],
  ["Squeeze", toInputs(13, "axes")],
  ["Unsqueeze", toInputs(13, "axes")],
  ["ReduceSum", toInputs(13, "axes")],
  ...[
    "ReduceMean",
    "ReduceMax",
    "ReduceMin",
    "ReduceL1",
    "ReduceL2",
    "ReduceSumSquare",
    "ReduceLogSumExp",
    "ReduceLogSum",
    "ReduceProd",
  ].map((op) => [op, reduceAt18] as const),
]);

/** Operators that kept one meaning from operator set 7 to 18 (they gained only element types or optional attributes). */
const unchanged: ReadonlySet<string> = new Set(
  `Abs Acos Add And ArgMax ArgMin Asin Atan AveragePool Cast Ceil Concat Constant ConstantOfShape Conv ConvTranspose Cos CumSum
  DepthToSpace Div Einsum Elu Equal Erf Exp Expand EyeLike Flatten Floor Gather GatherElements GatherND Gemm GlobalAveragePool
  GlobalMaxPool Greater GreaterOrEqual HardSigmoid HardSwish Identity InstanceNormalization LRN LayerNormalization LeakyRelu
  Less LessOrEqual Log LpNormalization MatMul Max MaxPool Mean Min Mul Neg Not OneHot Or PRelu Pow Range Reciprocal Relu Reshape
  Resize ScatterElements ScatterND Selu Shape Sigmoid Sign Sin Size Softplus Softsign SpaceToDepth Sqrt Sub Sum Tan Tanh Tile TopK
  Transpose Trilu Where Xor`.split(/\s+/),
);

/**
 * The same computation in a later operator set (18 unless asked otherwise), so that one set of gradient rules serves
 * models from operator set 7 on. Graphs that are there already are returned as they are.
 * Throws {@link OnnxGradError} for operator sets before 7 and for operators it does not know.
 */
export function upgradeOpset(graph: Graph, opset: number = modernOpset): Graph {
  if (graph.opset >= opset) return graph;
  if (graph.opset < 7)
    throw new OnnxGradError(`operator set ${graph.opset} is too old: export the model with 7 or later`);
  const types = new Map(graph.types);
  const constants = new Map(graph.constants);
  let counter = 0;
  const fresh = (stem: string): string => {
    let name = stem;
    while (types.has(name) || constants.has(name)) name = `${stem}_${++counter}`;
    return name;
  };
  const target: Target = {
    type(name) {
      const constant = constants.get(name);
      const type = types.get(name) ?? (constant && { dtype: constant.dtype, shape: constant.dims });
      if (type === undefined) throw new OnnxGradError(`value "${name}" is used but nothing defines it`);
      return type;
    },
    constant(value, stem) {
      const name = fresh(stem);
      constants.set(name, value);
      return name;
    },
    value(stem, type) {
      const name = fresh(stem);
      types.set(name, type);
      return name;
    },
  };
  const nodes = graph.nodes.flatMap((node) => {
    const upgrade = node.domain === "" ? upgrades.get(node.op) : undefined;
    if (upgrade === undefined && node.domain === "" && !unchanged.has(node.op)) {
      throw new OnnxGradError(
        `cannot bring ${node.op} node "${node.name}" from operator set ${graph.opset} to ${opset}; export the model with ${opset}`,
      );
    }
    return upgrade?.(target, node, graph.opset) ?? [node];
  });
  return { ...graph, opset, nodes, types, constants };
}
