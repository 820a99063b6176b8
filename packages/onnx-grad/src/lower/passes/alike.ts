import type { Ops } from "../../build/ops.ts";
import { floatOf } from "../../graph/attributes.ts";
import type { Graph, Node } from "../../graph/graph.ts";
import type { Pass } from "../pass.ts";
import { replaceNodes } from "../rewrite.ts";

/** Activations that round differently where onnxruntime computes them inside a convolution. */
const fusedOtherwise: ReadonlySet<string> = new Set(["HardSigmoid", "Sigmoid", "Tanh"]);
/** Operators on feature maps that sum or interpolate in another order in a blocked layout. */
const layoutMatters: ReadonlySet<string> = new Set(["AveragePool", "GlobalAveragePool", "Resize", "Upsample"]);

const isFeatureMap = (graph: Graph, value: string): boolean => {
  const type = graph.types.get(value);
  return type?.dtype === "float32" && type.shape.length === 4;
};

/** What produces each value, and how often it is read. */
function mapOf(graph: Graph) {
  const producers = new Map<string, Node>();
  const uses = new Map<string, number>();
  for (const node of graph.nodes) {
    for (const output of node.outputs) producers.set(output, node);
    for (const input of node.inputs) uses.set(input, (uses.get(input) ?? 0) + 1);
  }
  for (const output of graph.outputs) uses.set(output, (uses.get(output) ?? 0) + 1);
  return { producers, uses };
}

/**
 * Whether a convolution alone makes a value that is read once: its output, or what normalisations,
 * factors and shifts by constants make of it, which onnxruntime folds into its weights.
 */
function convolved(graph: Graph): (value: string) => boolean {
  const { producers, uses } = mapOf(graph);
  const made = (value: string): boolean => {
    const node = producers.get(value);
    if (node === undefined || node.domain !== "" || uses.get(value) !== 1) return false;
    const [x = "", y = ""] = node.inputs;
    if (node.op === "Conv") return true;
    if (node.op === "BatchNormalization") return made(x);
    if (node.op !== "Mul" && node.op !== "Add") return false;
    return graph.constants.has(y) ? made(x) : graph.constants.has(x) && made(y);
  };
  return made;
}

/** Normalisations by constants that no convolution in front takes into its weights. */
function loneNorms(graph: Graph): (node: Node) => boolean {
  const { producers, uses } = mapOf(graph);
  return ({ op, domain, inputs: [x = "", ...others], outputs, attributes }) => {
    if (op !== "BatchNormalization" || domain !== "" || outputs.length > 1 || "training_mode" in attributes)
      return false;
    const folded = producers.get(x)?.op === "Conv" && uses.get(x) === 1;
    return !folded && isFeatureMap(graph, x) && others.every((name) => graph.constants.has(name));
  };
}

/**
 * A normalisation by constants as a convolution of each channel with one number, whose weights the
 * engine computes when it loads the graph.
 */
function asConvolution(o: Ops, node: Node): string[] {
  const [x = "", scale = "", shift = "", mean = "", variance = ""] = node.inputs;
  const channels = o.dim(scale, 0);
  const factor = o.div(scale, o.sqrt(o.add(variance, floatOf(node, "epsilon", 1e-5))));
  const bias = o.sub(shift, o.mul(mean, factor));
  return [o.conv(x, o.reshape(factor, [channels, 1, 1, 1]), { group: channels }, bias)];
}

/** Nothing, computed by the convolution itself: with it, it takes in nothing else. */
const ends = (o: Ops, x: string): string => o.builder.add("LeakyRelu", [x], { alpha: { float: 1 } });
/** Nothing, computed in the plain layout. */
const plain = (o: Ops, x: string): string => o.prelu(x, o.scalar(1));

/**
 * Gives a convolutional network and the same network with adapters the same kernels at
 * onnxruntime's level `all`, so that what a closed adapter leaves alone keeps its bits. There
 * convolutions run in a blocked layout and take in what follows them: an addition, whose sum they
 * then round elsewhere, or an activation. Behind an adapted layer an adapter's addition stands in
 * between, and part of the network is in the plain layout. So, in both networks: convolutions do
 * not absorb additions and curved activations; single batch normalisations, which become
 * convolutions in the blocked layout only, always are; and pools are always in the plain one.
 */
export const alike: Pass = {
  name: "alike",
  targets: ["cpu"],
  exact: true,
  only: "exact",
  run: (graph) => {
    const unified = replaceNodes(graph, loneNorms(graph), asConvolution);
    const alone = convolved(unified);
    const constant = (value: string): boolean => unified.constants.has(value);
    const takenIn = ({ op, domain, inputs }: Node): boolean =>
      domain === "" &&
      (((op === "Add" || op === "Sum") && !inputs.some(constant)) || fusedOtherwise.has(op)) &&
      inputs.some(alone);
    const laidOut = ({ op, domain, inputs: [x = ""] }: Node): boolean =>
      domain === "" && layoutMatters.has(op) && isFeatureMap(unified, x);
    return replaceNodes(
      unified,
      (node) => takenIn(node) || laidOut(node),
      (o, { op, inputs, outputs, attributes }) => {
        if (outputs.length > 1) return undefined;
        const [x = "", ...others] = inputs;
        const now = layoutMatters.has(op)
          ? [plain(o, x), ...others]
          : inputs.map((value) => (alone(value) && isFeatureMap(unified, value) ? ends(o, value) : value));
        return [o.builder.add(op, now, attributes)];
      },
    );
  },
};
