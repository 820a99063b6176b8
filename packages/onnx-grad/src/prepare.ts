import { readTensor } from "./decode.ts";
import type { Node } from "./graph.ts";
import { type Operand, type Ops, positive } from "./ops.ts";

/** The derivative of PRelu: 1 where x > 0, else the slope. Max is faster than Where, and the same if the slopes lie between 0 and 1. */
export function slopes(o: Ops, x: string, slope: Operand): string {
  const constant = typeof slope === "string" ? o.builder.constantOf(slope) : undefined;
  const known = typeof slope === "number" ? [slope] : constant && Array.from(readTensor(constant).data, Number);
  const gentle = known?.every((value) => value >= 0 && value <= 1) ?? false;
  return gentle ? o.max(positive(o, x), slope) : o.where(o.greater(x, 0), 1, slope);
}

/**
 * Appends a forward node in a form that leaves behind what the backward pass needs, and returns the node that carries
 * the gradient. Values keep their names, results keep their bits.
 * LayerNormalization and MaxPool also put out their statistics and the places of the maxima. PRelu becomes x times its own
 * derivative, which the gradient then reuses; that is also twice as fast as PRelu on onnxruntime's CPU provider.
 */
export function pushPrepared(o: Ops, node: Node, onPath: boolean, live: ReadonlySet<string>): Node {
  const b = o.builder;
  const push = (prepared: Node): Node => {
    b.push(prepared);
    return prepared;
  };
  const withOutputs = (suffixes: readonly string[]): Node => {
    const further = suffixes.map((suffix, i) => node.outputs[i + 1] || b.fresh(`${node.outputs[0]}.${suffix}`));
    return push({ ...node, outputs: [node.outputs[0] as string, ...further] });
  };
  if (node.domain !== "") return push(node);
  if (onPath && node.op === "LayerNormalization") return withOutputs(["mean", "inverse"]);
  if (onPath && node.op === "MaxPool") return withOutputs(["places"]);
  const [x, slope] = node.inputs as readonly [string, string];
  if (node.op === "PRelu" && !live.has(slope)) {
    return push({ ...node, op: "Mul", inputs: [x, slopes(o, x, slope)], attributes: {} });
  }
  return push(node);
}
