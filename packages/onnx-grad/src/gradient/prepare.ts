import type { Operand, Ops } from "../build/ops.ts";
import { readTensor } from "../format/decode.ts";
import type { Node } from "../graph/graph.ts";
import { itemAt } from "../graph/item-at.ts";
import { float32 } from "../graph/tensor.ts";

/** Times any normal float32 that is not tiny, this lies beyond every slope. */
const huge = 2 ** 126;

/**
 * The derivative of PRelu: 1 where x > 0, else the slope, exactly. HardSigmoid of x * huge, clamped
 * to [0, 1] in one kernel, is 1 where x > 0; where slopes may be negative, x * huge is clamped to
 * [-huge, 1] in two. The slope or that, whichever is higher, is the derivative while no slope is
 * above 1; on onnxruntime's CPU provider that is a quarter cheaper than Where. The factor is one
 * number: with one for each channel onnxruntime would make a convolution of it, with its own change
 * of memory layout.
 */
export function slopes(o: Ops, x: string, slope: Operand): string {
  const constant = typeof slope === "string" ? o.builder.constantOf(slope) : undefined;
  const known = typeof slope === "number" ? float32(slope) : constant && readTensor(constant);
  if (known?.dtype !== "float32" || o.dtype(x) !== "float32") return o.where(o.greater(x, 0), 1, slope);
  if (known.data.every((value) => value >= 0 && value <= 1)) return o.max(above(o, x), slope);
  if (known.data.every((value) => value <= 1)) return o.max(o.clip(o.mul(x, huge), -huge, 1), slope);
  const each = (f: (value: number) => number) => o.floats(known.data.map(f), known.dims);
  const towards = each((value) => (value > 1 ? -huge : huge));
  const upper = each((value) => Math.max(value, 1));
  const lower = each((value) => Math.min(value, 1));
  return o.max(o.min(o.mul(x, towards), upper), lower);
}

/** 1 where x > 0, else 0. */
const above = (o: Ops, x: string): string =>
  o.builder.add("HardSigmoid", [x], { alpha: { float: huge }, beta: { float: 0 } });

/**
 * Appends a forward node in a form that leaves behind what the backward pass needs, and returns the
 * node that carries the gradient. Values keep their names, results keep their bits.
 * LayerNormalization and MaxPool also put out their statistics and the places of the maxima. PRelu
 * becomes x times its own derivative, which the gradient then reuses; forward and backward together
 * take a quarter of PRelu's time on onnxruntime's CPU provider (1.30).
 */
export function pushPrepared(o: Ops, node: Node, onPath: boolean, live: ReadonlySet<string>): Node {
  const b = o.builder;
  const push = (prepared: Node): Node => {
    b.push(prepared);
    return prepared;
  };
  const withOutputs = (suffixes: readonly string[]): Node => {
    const further = suffixes.map((suffix, i) => node.outputs[i + 1] || b.fresh(`${node.outputs[0]}.${suffix}`));
    return push({ ...node, outputs: [itemAt(node.outputs, 0), ...further] });
  };
  if (node.domain !== "") return push(node);
  if (onPath && node.op === "LayerNormalization") return withOutputs(["mean", "inverse"]);
  if (onPath && node.op === "MaxPool") return withOutputs(["places"]);
  // onnxruntime 1.30 crashes on pieces without a name, and the gradient has to know their size.
  if (node.op === "Split") return push({ ...node, outputs: node.outputs.map((output) => output || b.fresh("unused")) });
  const [x = "", slope = ""] = node.inputs;
  if (node.op === "PRelu" && !live.has(slope)) {
    return push({ ...node, op: "Mul", inputs: [x, slopes(o, x, slope)], attributes: {} });
  }
  return push(node);
}
