import { foldConstants } from "../fold/fold.ts";
import { readTensor } from "../format/decode.ts";
import { dtypeCode } from "../graph/dtypes.ts";
import type { Attribute, Graph, Node, ValueType } from "../graph/graph.ts";
import type { Constant, DType, Tensor } from "../graph/tensor.ts";
import { halfValue } from "./half.ts";

const isOther = (dtype: DType | undefined): boolean => dtype === "float16" || dtype === "float64";

/**
 * The same network with all its float16 and float64 numbers, inputs and outputs included, in
 * float32. Weights are converted one by one and held in memory. float16 loses nothing; float64 is
 * rounded. A graph without such numbers is returned as it is.
 *
 * @throws OnnxGradError if a weight cannot be read from its file
 */
export function toFloat32(graph: Graph): Graph {
  const dtypes = [...graph.types.values(), ...graph.constants.values()].map(({ dtype }) => dtype);
  if (!dtypes.some(isOther)) return graph;
  const constants = new Map<string, Constant>();
  for (const [name, constant] of graph.constants)
    constants.set(name, isOther(constant.dtype) ? wholeTensor(readTensor(constant)) : constant);
  const types = new Map<string, ValueType>();
  for (const [name, type] of graph.types)
    types.set(name, isOther(type.dtype) ? { dtype: "float32", shape: type.shape } : type);
  return foldConstants({ ...graph, constants, types, nodes: graph.nodes.map(wholeNode) });
}

/** The tensor in float32; integers and float32 as they are. */
function wholeTensor(tensor: Tensor): Tensor {
  const { dims } = tensor;
  if (tensor.dtype === "float16") return { dtype: "float32", dims, data: Float32Array.from(tensor.data, halfValue) };
  if (tensor.dtype === "float64") return { dtype: "float32", dims, data: Float32Array.from(tensor.data) };
  return tensor;
}

/** Attributes that name an element type. */
const TYPE_ATTRIBUTES: Readonly<Record<string, string>> = { Cast: "to", EyeLike: "dtype" };

function wholeNode(node: Node): Node {
  const named = node.domain === "" ? TYPE_ATTRIBUTES[node.op] : undefined;
  const others = [dtypeCode("float16"), dtypeCode("float64")];
  const attributes = Object.entries(node.attributes).map(([name, attribute]): [string, Attribute] => {
    if ("tensor" in attribute) return [name, { tensor: wholeTensor(attribute.tensor) }];
    if (name === named && "int" in attribute && others.includes(attribute.int))
      return [name, { int: dtypeCode("float32") }];
    return [name, attribute];
  });
  return { ...node, attributes: Object.fromEntries(attributes) };
}
