import { OnnxGradError } from "../graph/errors.ts";
import type { Graph, Node } from "../graph/graph.ts";
import { itemAt } from "../graph/item-at.ts";
import { prune } from "../graph/prune.ts";
import { failNode } from "../infer/call.ts";
import { type Target, targetOf } from "../upgrade/target.ts";
import { withoutLater } from "./attributes.ts";
import { formDowngrades } from "./forms.ts";
import { normDowngrades } from "./norm.ts";
import type { Downgrade } from "./rule.ts";

/** The oldest operator set that graphs are brought to. */
export const oldestOpset = 11;

/**
 * Operators whose form changed after operator set 11, or that are written as others where a set
 * lacks them.
 */
const downgrades: ReadonlyMap<string, Downgrade> = new Map(Object.entries({ ...formDowngrades, ...normDowngrades }));

/**
 * Operators that mean the same from operator set 11 on; {@link withoutLater} sees to their newer
 * attributes.
 */
const since11: ReadonlySet<string> = new Set(
  `Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh AveragePool Cast Ceil Concat Constant
  ConstantOfShape Conv ConvInteger ConvTranspose Cos Cosh CumSum DepthToSpace DequantizeLinear Div
  DynamicQuantizeLinear Elu Equal Erf Exp Expand EyeLike Flatten Floor Gather GatherElements GatherND Gemm
  GlobalAveragePool GlobalMaxPool Greater HardSigmoid Identity InstanceNormalization IsInf IsNaN LRN LeakyRelu
  Less Log LpNormalization MatMul MatMulInteger MaxPool Mean Mod Mul Neg NonZero Not OneHot Or PRelu Pow
  QuantizeLinear Range Reciprocal Reshape Round ScatterElements ScatterND Selu Shape Sigmoid Sign Sin Sinh Size
  Slice Softplus Softsign SpaceToDepth Sqrt Sub Sum Tan Tanh ThresholdedRelu Tile TopK Transpose Where Xor`.split(
    /\s+/,
  ),
);

/**
 * Operators that came later and are written as nothing else here, with the set that brought them.
 */
const later: Readonly<Record<string, number>> = {
  Celu: 12,
  Einsum: 12,
  Trilu: 14,
  Mish: 18,
};

/** Operators that took only floating-point numbers before this operator set. */
const floatsBefore: Readonly<Record<string, number>> = { Max: 12, Min: 12, Clip: 12, Relu: 14 };

/**
 * The same computation in an older operator set, for programs that read nothing newer: inputs
 * become attributes again, and operators that the older set lacks are written as others
 * (LayerNormalization, Gelu, HardSwish). Those round differently. Nodes of other domains stay. A
 * graph that is old enough is returned as it is.
 *
 * @param opset the operator set wanted, from {@link oldestOpset} on
 * @throws OnnxGradError for an older one, or naming the node that the older set cannot express
 */
export function downgradeOpset(graph: Graph, opset: number): Graph {
  if (graph.opset <= opset) return graph;
  if (!Number.isInteger(opset) || opset < oldestOpset)
    throw new OnnxGradError(`operator set ${opset} cannot be written; the oldest is ${oldestOpset}`);
  const types = new Map(graph.types);
  const constants = new Map(graph.constants);
  const target = targetOf(graph, opset, types, constants);
  const nodes = graph.nodes.flatMap((node) => (node.domain === "" ? downgraded(target, node) : [node]));
  return prune({ ...graph, opset, nodes, types, constants });
}

function downgraded(b: Target, node: Node): Node[] {
  if (node.op === "If") {
    const bodies = Object.entries(node.attributes).map(([name, value]) => [
      name,
      "graph" in value ? { graph: downgradeOpset(value.graph, b.to) } : value,
    ]);
    return [{ ...node, attributes: Object.fromEntries(bodies) }];
  }
  const since = floatsBefore[node.op] ?? 0;
  if (b.to < since && !b.type(itemAt(node.inputs, 0)).dtype.startsWith("float"))
    failNode(node, `takes whole numbers only from operator set ${since} on, and ${b.to} is wanted`);
  if (since > 0) return [node];
  const rule = downgrades.get(node.op);
  if (rule !== undefined) return rule(b, withoutLater(b, node));
  if (since11.has(node.op) || b.to >= (later[node.op] ?? Number.POSITIVE_INFINITY)) return [withoutLater(b, node)];
  return failNode(node, `operator set ${b.to} has nothing for it`);
}
