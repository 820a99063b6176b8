import { GraphBuilder } from "../build/builder.ts";
import { readTensor } from "../format/decode.ts";
import type { Graph, Node } from "../graph/graph.ts";
import { itemAt } from "../graph/item-at.ts";
import { floatData, type Tensor } from "../graph/tensor.ts";

/** Largest finite binary16. */
const largest = 65504;

const view = new DataView(new ArrayBuffer(4));

/**
 * The binary16 nearest to a number, ties to even, as its 16 bits (IEEE 754-2008, 4.3.1). Beyond the
 * range it is infinite.
 */
export function halfBits(value: number): number {
  view.setFloat32(0, value);
  const bits = view.getUint32(0);
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  // Below 2^-14 the step is 2^-24: adding 0.5 brings float32 to that step, and it rounds to even by
  // itself.
  if (magnitude < 0x38800000) {
    view.setFloat32(0, Math.fround(Math.abs(value) + 0.5));
    return sign | (view.getUint32(0) - 0x3f000000);
  }
  return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
}

/** The number behind the 16 bits of a binary16 (IEEE 754-2008, 3.4). */
export function halfValue(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >>> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15));
}

/**
 * Operators that lose little in half precision. Sums of many terms, norms, exponentials and what
 * divides by them stay in float32.
 */
const HALF: ReadonlySet<string> = new Set(
  (
    "Conv MatMul Gemm Add Sub Mul Relu PRelu LeakyRelu Clip Concat Reshape Transpose Flatten Identity MaxPool AveragePool Slice " +
    "Gather Squeeze Unsqueeze Split Sigmoid Tanh HardSigmoid HardSwish Min Max Neg Pad Expand Tile"
  ).split(" "),
);

/**
 * The same network with weights and most values in binary16: half the size. Inputs and outputs stay
 * float32, as do operators that need it, weights beyond binary16's range, and what `keep` says.
 */
export async function toHalf(graph: Graph, keep: (node: Node) => boolean): Promise<Graph> {
  const b = new GraphBuilder({ name: graph.name, opset: graph.opset });
  for (const input of graph.inputs) b.input(input, typeOf(graph, input));
  b.reserve(graph);
  const halves = new Map<string, string>();
  const wholes = new Map<string, string>(graph.inputs.map((input) => [input, input]));
  const tooLarge = new Set<string>();
  for (const [name, constant] of graph.constants)
    if (constant.dtype === "float32") {
      const numbers = floatData(readTensor(constant));
      if (numbers.some((value) => Math.abs(value) > largest)) tooLarge.add(name);
    }
  const cast = (from: string, to: number): string => b.add("Cast", [from], { to: { int: to } }, { name: "precision" });
  const constantNames = new Map<string, string>();
  const value = async (name: string, half: boolean): Promise<string> => {
    if (name === "") return "";
    const constant = graph.constants.get(name);
    const known = (half ? halves : wholes).get(name);
    if (known !== undefined) return known;
    if (constant !== undefined && (constant.dtype !== "float32" || !half)) {
      const own = constantNames.get(name) ?? b.constant(constant, name);
      constantNames.set(name, own);
      return own;
    }
    if (constant !== undefined) {
      const numbers = floatData(readTensor(constant));
      const halved: Tensor = { dtype: "float16", dims: constant.dims, data: Uint16Array.from(numbers, halfBits) };
      const own = b.constant(halved, `${name}_half`);
      halves.set(name, own);
      return own;
    }
    const other = (half ? wholes : halves).get(name);
    if (other === undefined || typeOf(graph, name).dtype !== "float32") return other ?? name;
    const made = cast(other, half ? 10 : 1);
    (half ? halves : wholes).set(name, made);
    return made;
  };
  for (const node of graph.nodes) {
    const floats = node.outputs.every((output) => output === "" || typeOf(graph, output).dtype === "float32");
    const half = floats && HALF.has(node.op) && !keep(node) && !node.inputs.some((input) => tooLarge.has(input));
    const inputs: string[] = [];
    for (const input of node.inputs) inputs.push(await value(input, half && isFloat(graph, input)));
    const outputs = node.outputs.map((output) => (half && output !== "" ? b.fresh(`${output}_half`) : output));
    b.push({ ...node, inputs, outputs });
    node.outputs.forEach((output, at) => {
      (half ? halves : wholes).set(output, itemAt(outputs, at));
    });
  }
  for (const output of graph.outputs)
    if (!wholes.has(output)) {
      const name = b.fresh("precision");
      const from = halves.get(output) ?? output;
      b.push({ op: "Cast", domain: "", name, inputs: [from], outputs: [output], attributes: { to: { int: 1 } } });
    }
  return { ...b.build(graph.outputs), metadata: graph.metadata };
}

const isFloat = (graph: Graph, name: string): boolean =>
  (graph.constants.get(name)?.dtype ?? graph.types.get(name)?.dtype) === "float32";

function typeOf(graph: Graph, name: string) {
  const type = graph.types.get(name);
  if (type === undefined) throw new Error(`value "${name}" has no type`);
  return type;
}
