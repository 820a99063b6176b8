import { type Graph, type Node, sizeOf } from "onnx-grad";

/**
 * Floating point operations of a graph's products and convolutions (two for a multiply-add); the
 * rest is small in comparison. Shapes must be fixed.
 */
export function flopsOf(graph: Graph): number {
  const shape = (value: string | undefined): number[] =>
    (graph.types.get(value ?? "")?.shape ?? graph.constants.get(value ?? "")?.dims ?? []) as number[];
  const inner = (node: Node): number => {
    if (node.op === "Conv") return sizeOf(shape(node.inputs[1]).slice(1));
    const transposed = node.attributes.transA;
    const first = shape(node.inputs[0]);
    return (transposed !== undefined && "int" in transposed && transposed.int !== 0 ? first.at(-2) : first.at(-1)) ?? 1;
  };
  const products = graph.nodes.filter((node) => ["Conv", "MatMul", "Gemm"].includes(node.op));
  return products.reduce((sum, node) => sum + 2 * sizeOf(shape(node.outputs[0])) * inner(node), 0);
}
