import { floatOf, intOf } from "../graph/attributes.ts";
import type { Attributes, Node } from "../graph/graph.ts";
import { float32, int64 } from "../graph/tensor.ts";
import { attentionSizes } from "../infer/attention.ts";
import { callOf, failNode } from "../infer/call.ts";
import { inferNode } from "../infer/infer.ts";
import { numberOf, replacement, type Upgrade } from "./target.ts";

/** Stands for minus infinity, which would make NaN of a row that sees nothing. */
const lowest = -3.4028234663852886e38;

/** Most entries of a causal mask. */
const largestMask = 2 ** 24;

/**
 * Attention spelt out, softmax(scale Q K' + mask) V: its gradient is that of its parts, and
 * onnxruntime's kernel keeps none of what that needs. Heads of keys and values are repeated where
 * queries have more.
 */
export const attention: Upgrade = (b, node) => {
  const sizes = attentionSizes(callOf(node, b));
  if (floatOf(node, "softcap", 0) !== 0) failNode(node, "softcap is not supported");
  const [y = ""] = node.outputs;
  const [q = "", k = "", v = "", mask = ""] = node.inputs;
  const { dtype } = b.type(q);
  const nodes: Node[] = [];
  const emit = (op: string, inputs: readonly string[], attributes: Attributes = {}, output?: string): string => {
    const draft = replacement(op, inputs, output ?? y, attributes);
    const [type] = inferNode(draft, b);
    if (type === undefined) failNode(node, "it has no output");
    const name = output ?? b.value(`${y}_${op}`, type);
    nodes.push(replacement(op, inputs, name, attributes));
    return name;
  };
  const reshape = (x: string, to: number[], output?: string) =>
    emit("Reshape", [x, b.constant(int64(to), "shape")], {}, output);
  const transpose = (x: string, ...perm: number[]) => emit("Transpose", [x], { perm: { ints: perm } });
  const { heads, keyHeads, size, valueSize } = sizes;

  /** [batch, heads, tokens, size]; keys and values once for every head of the queries. */
  const split = (x: string, own: number, each: number): string => {
    const apart = sizes.apart ? x : transpose(reshape(x, [0, 0, own, each]), 0, 2, 1, 3);
    if (own === heads) return apart;
    const places = Array.from({ length: heads }, (_, head) => Math.floor((head * own) / heads));
    return emit("Gather", [apart, b.constant(int64(places), "heads")], { axis: { int: 1 } });
  };
  const scale = b.constant(numberOf(floatOf(node, "scale", 1 / Math.sqrt(size)), dtype), "scale");
  const keys = transpose(split(k, keyHeads, size), 0, 1, 3, 2);
  let scores = emit("MatMul", [emit("Mul", [split(q, heads, size), scale]), keys]);
  if (intOf(node, "is_causal", 0) !== 0) {
    const { queries, keys: seen } = sizes;
    if (typeof queries !== "number" || typeof seen !== "number") failNode(node, "the number of tokens is open");
    if (queries * seen > largestMask) failNode(node, `a mask of ${queries} x ${seen} tokens is too large`);
    const later = Float32Array.from({ length: queries * seen }, (_, i) =>
      i % seen > Math.floor(i / seen) ? lowest : 0,
    );
    scores = emit("Add", [scores, b.constant(float32(later, [queries, seen]), "causal")]);
  }
  if (mask !== "") {
    const hidden = () => b.constant(numberOf(lowest, dtype), "hidden");
    scores = b.type(mask).dtype === "bool" ? emit("Where", [mask, scores, hidden()]) : emit("Add", [scores, mask]);
  }
  const weights = emit("Softmax", [scores], { axis: { int: -1 } });
  const values = split(v, keyHeads, valueSize);
  if (sizes.apart) emit("MatMul", [weights, values], {}, y);
  else reshape(transpose(emit("MatMul", [weights, values]), 0, 2, 1, 3), [0, 0, heads * valueSize], y);
  return nodes;
};
