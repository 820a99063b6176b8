import { printShape } from "../graph/dim.ts";
import type { Node, ValueType } from "../graph/graph.ts";
import { attentionShapes } from "./attention.ts";
import { checkAttributes } from "./attributes.ts";
import { callOf, failNode, MAX_ELEMENTS, MAX_RANK, type ShapeRule } from "./call.ts";
import type { InferContext } from "./context.ts";
import { convShapes } from "./conv.ts";
import { createShapes } from "./create.ts";
import { einsumShapes } from "./einsum.ts";
import { elementwiseShapes } from "./elementwise.ts";
import { gatherShapes } from "./gather.ts";
import { linearShapes } from "./linear.ts";
import { normShapes } from "./norm.ts";
import { quantiseShapes } from "./quantise.ts";
import { reduceShapes } from "./reduce.ts";
import { resampleShapes } from "./resample.ts";
import { shapeShapes } from "./shape.ts";
import { sliceShapes } from "./slice.ts";

/** Shape rules by operator; operators of another domain are keyed `domain:operator`. */
const shapeRules: ReadonlyMap<string, ShapeRule> = new Map(
  [
    elementwiseShapes,
    linearShapes,
    einsumShapes,
    attentionShapes,
    convShapes,
    resampleShapes,
    shapeShapes,
    sliceShapes,
    gatherShapes,
    reduceShapes,
    normShapes,
    createShapes,
    quantiseShapes,
  ].flatMap((rules) => Object.entries(rules)),
);

/** Operators that have no rule for a reason, and what to do about it. */
const WHY_NOT: readonly (readonly [RegExp, string])[] = [
  [
    /^(Random(Normal|Uniform)(Like)?|Multinomial|Bernoulli|(Bias|Bitmask)\w*Dropout)$/,
    "it draws random numbers, so one image would get other results every time; export the model in evaluation mode",
  ],
  [
    /^(QLinear\w+|QGemm|QAttention|MatMulNBits|DynamicQuantizeMatMul|MatMulIntegerToFloat|QMoE|MatMulBnb4)$/,
    "its weights are integers of 8 bits or fewer, which onnx-grad does not read; take the float model that this one was made from",
  ],
];

/**
 * The types of a node's outputs, in order. Throws OnnxGradError naming node and operator if it
 * cannot be typed.
 */
export function inferNode(node: Node, context: InferContext): ValueType[] {
  const rule = shapeRules.get(ruleKey(node.op, node.domain));
  if (rule === undefined) {
    const why = WHY_NOT.find(([ops]) => ops.test(node.op))?.[1];
    if (why !== undefined) failNode(node, why);
    const domain = node.domain === "" ? "" : ` of domain "${node.domain}"`;
    failNode(node, `onnx-grad has no shape rule for this operator${domain}`);
  }
  checkAttributes(node);
  const types = rule(callOf(node, context));
  for (const { shape } of types) {
    if (shape.length > MAX_RANK) failNode(node, `its output would have ${shape.length} dimensions`);
    const bad = shape.some((dim) => typeof dim === "number" && !(Number.isSafeInteger(dim) && dim >= 0));
    if (bad) failNode(node, `its output would have shape ${printShape(shape)}`);
    if (shape.reduce<number>((product, dim) => product * (typeof dim === "number" ? dim : dim.times), 1) > MAX_ELEMENTS)
      failNode(node, `its output would have shape ${printShape(shape)}, more than any memory holds`);
  }
  return types;
}

const ruleKey = (op: string, domain: string): string =>
  domain === "" || domain === "ai.onnx" ? op : `${domain}:${op}`;
