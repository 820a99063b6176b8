import { stringOf } from "../graph/attributes.ts";
import { OnnxGradError } from "../graph/errors.ts";
import type { Graph } from "../graph/graph.ts";
import { callOf, failNode } from "../infer/call.ts";
import { equationOf } from "../infer/einsum.ts";
import { attention } from "./attention.ts";
import { formUpgrades } from "./forms.ts";
import { normUpgrades } from "./norm.ts";
import { resampleUpgrades } from "./resample.ts";
import { targetOf, type Upgrade } from "./target.ts";
import { samePads } from "./window.ts";

/** The operator set whose forms the gradient rules know. */
export const modernOpset = 18;

/**
 * onnxruntime refuses ellipses that stand for different numbers of axes; letters in their place
 * mean the same.
 */
const einsum: Upgrade = (b, node) => {
  const { operands, output } = equationOf(callOf(node, b));
  const terms = stringOf(node, "equation", "").replaceAll(/\s/g, "").split("->")[0]?.split(",");
  const hidden = operands.flatMap((letters, i) => {
    const term = terms?.[i] ?? "";
    return term.includes("...") ? [letters.length - (term.length - 3)] : [];
  });
  if (new Set(hidden).size < 2) return [node];
  return [{ ...node, attributes: { equation: { string: `${operands.join()}->${output}` } } }];
};

/** Operators whose form changed, or of which onnxruntime cannot run one form. */
const upgrades: ReadonlyMap<string, Upgrade> = new Map(
  Object.entries({
    ...formUpgrades,
    ...normUpgrades,
    ...resampleUpgrades,
    Einsum: einsum,
    Attention: attention,
    Conv: samePads,
  }),
);

/**
 * Operators that kept one meaning from operator set 7 on (they gained only element types or
 * optional attributes).
 */
const unchanged: ReadonlySet<string> = new Set(
  `Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh AveragePool Cast CastLike Ceil Celu Concat Constant
  ConstantOfShape ConvInteger ConvTranspose Cos Cosh CumSum DepthToSpace DequantizeLinear Div DynamicQuantizeLinear
  Elu Equal Erf Exp Expand EyeLike Flatten Floor Gather GatherElements GatherND Gelu Gemm GlobalAveragePool
  GlobalMaxPool Greater GreaterOrEqual HardSigmoid HardSwish Identity InstanceNormalization IsInf IsNaN LRN
  LayerNormalization LeakyRelu Less LessOrEqual Log LpNormalization MatMul MatMulInteger Max MaxPool Mean Min Mish Mod
  Mul Neg NonZero Not OneHot Or PRelu Pow QuantizeLinear RMSNormalization Range Reciprocal Relu Reshape Round
  ScatterElements ScatterND Selu Shape Sigmoid Sign SimplifiedLayerNormalization Sin Sinh Size Softplus Softsign
  SpaceToDepth Sqrt Sub Sum Swish Tan Tanh ThresholdedRelu Tile Transpose Trilu Where Xor`.split(/\s+/),
);

/**
 * The same computation in a later operator set (18 unless asked otherwise), so that one set of
 * gradient rules serves models from operator set 7 on. Nodes in forms that onnxruntime cannot run,
 * or runs in a way that leaves nothing for a gradient (Attention), are rewritten at any version.
 * Graphs in which nothing has to change are returned as they are. Throws {@link OnnxGradError} for
 * operator sets before 7 and for operators it does not know.
 */
export function upgradeOpset(graph: Graph, opset: number = modernOpset): Graph {
  if (graph.opset < 7)
    throw new OnnxGradError(`operator set ${graph.opset} is too old: export the model with 7 or later`);
  const to = Math.max(graph.opset, opset);
  const types = new Map(graph.types);
  const constants = new Map(graph.constants);
  const target = targetOf(graph, to, types, constants);
  let changed = to > graph.opset;
  const nodes = graph.nodes.flatMap((node) => {
    if (node.domain !== "") return [node];
    const upgrade = upgrades.get(node.op);
    if (upgrade === undefined && to > graph.opset && !unchanged.has(node.op)) {
      failNode(node, `cannot be brought from operator set ${graph.opset} to ${to}; export the model with ${to}`);
    }
    const result = upgrade?.(target, node) ?? [node];
    changed ||= result.length !== 1 || result[0] !== node;
    return result;
  });
  return changed ? { ...graph, opset: to, nodes, types, constants } : graph;
}
