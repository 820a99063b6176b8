import { GraphBuilder } from "../build/builder.ts";
import { type Ops, ops } from "../build/ops.ts";
import { readTensor } from "../format/decode.ts";
import type { Graph, Node } from "../graph/graph.ts";
import type { Tensor } from "../graph/tensor.ts";
import { type SignedBytes, toBytes } from "./bytes.ts";

/** How {@link quantise} rounds. */
export interface QuantiseOptions {
  /**
   * Least and largest number of values, as measured on examples; those of {@link quantisedValues}.
   * Without them ranges are computed for every batch.
   */
  readonly ranges?: ReadonlyMap<string, readonly [low: number, high: number]> | undefined;
  /** Nodes that stay as they are. */
  keep(node: Node): boolean;
}

/** A layer whose weight becomes bytes: the weight's place among the inputs is 1. */
interface Layer {
  readonly weight: string;
  /** Axis of the weight along which the outputs lie, and of the layer's output. */
  readonly weightAxis: number;
  readonly outputAxis: number;
}

function layerOf(graph: Graph, node: Node): Layer | undefined {
  const [, weight = ""] = node.inputs;
  const constant = graph.constants.get(weight);
  if (node.domain !== "" || constant?.dtype !== "float32") return undefined;
  const number = (name: string, fallback: number): number => {
    const attribute = node.attributes[name];
    if (attribute === undefined) return fallback;
    return "int" in attribute ? attribute.int : "float" in attribute ? attribute.float : Number.NaN;
  };
  // A channel of a depthwise layer has a range of its own, which one scale for all cannot hold;
  // such layers hold few weights.
  if (node.op === "Conv" && constant.dims.length === 4 && constant.dims[1] > 2)
    return { weight, weightAxis: 0, outputAxis: 1 };
  if (constant.dims.length !== 2) return undefined;
  const rank = graph.types.get(node.outputs[0])?.shape.length ?? 0;
  if (node.op === "MatMul") return { weight, weightAxis: 1, outputAxis: rank - 1 };
  const plain = number("alpha", 1) === 1 && number("beta", 1) === 1 && number("transA", 0) === 0;
  if (node.op === "Gemm" && plain) return { weight, weightAxis: number("transB", 0) === 1 ? 0 : 1, outputAxis: 1 };
  return undefined;
}

/** The values whose ranges a static quantisation needs: inputs of the layers that become bytes. */
export function quantisedValues(graph: Graph, keep: (node: Node) => boolean): string[] {
  const values = graph.nodes.flatMap((node) =>
    !keep(node) && layerOf(graph, node) !== undefined ? [node.inputs[0]] : [],
  );
  return [...new Set(values)];
}

/**
 * The same network with the weights of its layers as bytes: a quarter of the size. Weights are
 * rounded symmetrically to 255 steps, one scale an output channel; with `ranges` the scales are
 * such that no processor overflows (bytes.ts); activations to 256 steps over their range. With
 * `ranges` the graph states its rounding (QuantizeLinear, DequantizeLinear); without, each layer
 * finds the range of its input in every batch (DynamicQuantizeLinear, MatMulInteger, ConvInteger),
 * so that an image's result depends, a little, on the others in its batch.
 */
export async function quantise(graph: Graph, options: QuantiseOptions): Promise<Graph> {
  const b = new GraphBuilder({ ...graph, nodes: [], types: inputTypes(graph) });
  b.reserve(graph);
  const o = ops(b);
  const fixed = options.ranges && fixedRounding(b, o, options.ranges);
  for (const node of graph.nodes) {
    const layer = options.keep(node) ? undefined : layerOf(graph, node);
    if (layer === undefined) b.push(node);
    else {
      const constant = graph.constants.get(layer.weight);
      if (constant === undefined) throw new Error(`no weight "${layer.weight}"`);
      const signed = fixed !== undefined;
      const weight = toBytes(await readTensor(constant), { axis: layer.weightAxis, signed });
      if (fixed === undefined) dynamicLayer(b, o, node, layer, weight);
      else fixed(node, layer, weight);
    }
  }
  return { ...b.build(graph.outputs), metadata: graph.metadata };
}

const inputTypes = (graph: Graph) =>
  new Map(
    graph.inputs.flatMap((name) => {
      const type = graph.types.get(name);
      return type === undefined ? [] : [[name, type] as const];
    }),
  );

/**
 * Layers that state how inputs and weights were rounded. Values are rounded once, however many
 * layers read them. Outputs are not: with them rounded too, MobileFaceNet's embeddings kept a
 * cosine of 0.94 with float32, and keep 0.994 without.
 */
function fixedRounding(b: GraphBuilder, o: Ops, ranges: ReadonlyMap<string, readonly [number, number]>) {
  const done = new Map<string, string>();
  const scaleOf = (value: string): { scale: number; zero: number } => {
    const [low, high] = ranges.get(value) ?? [Number.NaN, Number.NaN];
    const [from, to] = [Math.min(0, low), Math.max(0, high)];
    if (!(Number.isFinite(from) && Number.isFinite(to))) throw new Error(`no range of "${value}"`);
    const scale = to > from ? (to - from) / 255 : 1;
    return { scale, zero: Math.round(-from / scale) };
  };
  const roundTrip = (value: string, from: string): string => {
    const { scale, zero } = scaleOf(value);
    const point = b.constant({ dtype: "uint8", dims: [], data: Uint8Array.of(zero) }, "zero_point");
    const bytes = b.add("QuantizeLinear", [from, o.scalar(scale), point]);
    return b.add("DequantizeLinear", [bytes, o.scalar(scale), point]);
  };
  return (node: Node, layer: Layer, { dims, bytes, scales }: SignedBytes): void => {
    const [input = "", , bias = ""] = node.inputs;
    const x = done.get(input) ?? roundTrip(input, input);
    done.set(input, x);
    const axis = { axis: { int: layer.weightAxis } };
    const stored = b.constant({ dtype: "int8", dims, data: bytes }, `${layer.weight}_int8`);
    // Zero by default; said for onnxruntime's session.x64quantprecision, which refuses the file
    // otherwise.
    const zeros = b.constant(
      { dtype: "int8", dims: [scales.length], data: new Int8Array(scales.length) },
      "zero_points",
    );
    const weight = b.add("DequantizeLinear", [stored, o.floats(scales), zeros], axis);
    const inputs = [x, weight, ...(bias === "" ? [] : [roundedBias(b, o, bias, scaleOf(input).scale, scales)])];
    b.push({ ...node, inputs });
  };
}

/**
 * A bias as 32-bit sums of products of input and weight steps, which 8-bit layers add without
 * rounding.
 */
function roundedBias(b: GraphBuilder, o: Ops, bias: string, inputScale: number, scales: Float32Array): string {
  const tensor = b.tensor(bias);
  if (tensor?.dtype !== "float32" || tensor.dims.length !== 1 || tensor.data.length !== scales.length) return bias;
  const steps = scales.map((scale) => scale * inputScale);
  const values = Int32Array.from(tensor.data, (value, at) => Math.round(value / steps[at]));
  const whole = tensor.data.every((value, at) => Math.abs(value / steps[at]) < 2 ** 31);
  if (!whole) return bias;
  const stored = b.constant({ dtype: "int32", dims: tensor.dims, data: values }, `${bias}_int32`);
  return b.add("DequantizeLinear", [stored, o.floats(steps)], { axis: { int: 0 } });
}

/**
 * A layer that rounds its input by the range it finds there. Weights are bytes from 1 to 255 around
 * 128, which onnxruntime's ConvInteger asks for; products of two unsigned bytes are exact on every
 * processor.
 */
function dynamicLayer(b: GraphBuilder, o: Ops, node: Node, layer: Layer, { dims, bytes, scales }: SignedBytes): void {
  const [input = "", , bias = ""] = node.inputs;
  const [output = ""] = node.outputs;
  const [x = "", scale = "", zero = ""] = b.addAll("DynamicQuantizeLinear", [input], {}, { outputs: 3 });
  const isTransposed = node.op === "Gemm" && layer.weightAxis === 0;
  const unsigned: Tensor = { dtype: "uint8", dims, data: Uint8Array.from(bytes, (value) => value + 128) };
  const stored = b.constant(isTransposed ? transposed(unsigned) : unsigned, `${layer.weight}_uint8`);
  const middle = b.constant({ dtype: "uint8", dims: [], data: Uint8Array.of(128) }, "middle");
  const conv = node.op === "Conv";
  const sums = b.add(conv ? "ConvInteger" : "MatMulInteger", [x, stored, zero, middle], conv ? node.attributes : {});
  const rank = b.shape(sums).length;
  const along = Array.from({ length: rank - layer.outputAxis }, (_, at) => (at === 0 ? scales.length : 1));
  const factors = o.mul(o.floats(scales, along), scale);
  const product = o.mul(o.cast(sums, "float32"), factors);
  const last = bias === "" ? "Identity" : "Add";
  const shaped = bias === "" || !conv ? bias : o.reshape(bias, along);
  b.push({
    op: last,
    domain: "",
    name: b.fresh("dynamic"),
    inputs: bias === "" ? [product] : [product, shaped],
    outputs: [output],
    attributes: {},
  });
}

function transposed({ dims, data }: Tensor & { readonly dtype: "uint8" }): Tensor {
  const [rows = 0, columns = 0] = dims;
  const out = new Uint8Array(data.length);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) out[column * rows + row] = data[row * columns + column];
  return { dtype: "uint8", dims: [columns, rows], data: out };
}
