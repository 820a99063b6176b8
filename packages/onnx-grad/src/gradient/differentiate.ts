import { GraphBuilder } from "../build/builder.ts";
import { type Ops, ops } from "../build/ops.ts";
import { isStatic, printShape, type Shape, sameDim, sameShape } from "../graph/dim.ts";
import { OnnxGradError } from "../graph/errors.ts";
import type { Graph, Node } from "../graph/graph.ts";
import { itemAt } from "../graph/item-at.ts";
import { sizeOf } from "../graph/tensor.ts";
import { pushPrepared } from "./prepare.ts";
import { cannot, type Inputs } from "./rules/rule.ts";
import { rules } from "./table.ts";

/** What to differentiate. */
export interface DifferentiateOptions {
  /** The value to differentiate: one floating point number. */
  readonly loss: string;
  /** The values to differentiate by: graph inputs, constants or results of nodes. */
  readonly wrt: readonly string[];
  /** Names of the gradients, in the order of `wrt`; `NAME.grad` unless given. */
  readonly names?: readonly string[];
  /** Further values to put out, after the loss and the gradients. */
  readonly outputs?: readonly string[];
  /**
   * Values taken as constants: they keep their numbers, and no gradient passes them ("stop
   * gradient", "detach").
   */
  readonly fixed?: readonly string[];
  /**
   * What happens to a `wrt` that the loss does not depend on: an error unless `zeros` is asked for.
   */
  readonly unreached?: "error" | "zeros";
}

const floats: readonly string[] = ["float32", "float64", "float16"];

/**
 * Adds to a graph the nodes that compute the gradient of `loss` by each of `wrt` (reverse mode,
 * ahead of time). The outputs of the result are the loss, the gradients and the asked-for others.
 * Only nodes between `wrt` and `loss` are walked, each once. The graph must be of operator set 18
 * or later (`upgradeOpset` makes it so). Throws {@link OnnxGradError} for a loss that is not a
 * single number, a `wrt` it does not depend on, or an operator between them without a rule.
 */
export function differentiate(graph: Graph, options: DifferentiateOptions): Graph {
  if (graph.opset < 18)
    throw new OnnxGradError(`operator set ${graph.opset} is too old to differentiate: call upgradeOpset first`);
  const { loss, wrt } = options;
  const path = pathOf(graph, loss, wrt, new Set(options.fixed));
  const b = new GraphBuilder({ ...graph, nodes: [] });
  const o = ops(b);
  for (const name of wrt) {
    const { dtype } = b.type(name);
    if (!floats.includes(dtype))
      throw new OnnxGradError(`"${name}" is ${dtype}: only floating point values have gradients`);
  }
  const { dtype, shape } = b.type(loss);
  if (!isStatic(shape) || sizeOf(shape) !== 1 || !floats.includes(dtype)) {
    throw new OnnxGradError(`loss "${loss}" must be one floating point number; it is ${dtype} ${printShape(shape)}`);
  }
  // Names of nodes still to come are taken.
  for (const node of graph.nodes) b.fresh(node.name);
  const carriers: Node[] = [];
  for (const node of graph.nodes) {
    const onPath = path.nodes.has(node);
    const carrier = pushPrepared(o, node, onPath, path.live);
    if (onPath) carriers.push(carrier);
  }

  const names = options.names ?? wrt.map((name) => b.fresh(`${name}.grad`));
  if (names.length !== wrt.length)
    throw new OnnxGradError(`${wrt.length} values to differentiate by but ${names.length} names`);

  const gradients = walk(o, carriers, path.live, loss, wrt);
  wrt.forEach((name, i) => {
    let gradient = gradients.get(name);
    if (gradient === undefined) {
      if (options.unreached !== "zeros") throw new OnnxGradError(`loss "${loss}" does not depend on "${name}"`);
      gradient = o.full(0, b.shape(name), name);
    }
    b.alias(gradient, itemAt(names, i), "Gradient");
  });
  return b.build([loss, ...names, ...(options.outputs ?? [])]);
}

/**
 * The nodes that `loss` needs and that depend on `wrt`, and the values that carry a gradient if
 * they are on the path.
 */
function pathOf(
  graph: Graph,
  loss: string,
  wrt: readonly string[],
  fixed: ReadonlySet<string>,
): { nodes: Set<Node>; live: Set<string> } {
  const live = new Set(wrt);
  const dependent = graph.nodes.filter((node) => {
    if (!node.inputs.some((input) => live.has(input))) return false;
    const outputs = node.outputs.filter(
      (output) => !fixed.has(output) && floats.includes(graph.types.get(output)?.dtype ?? ""),
    );
    for (const output of outputs) live.add(output);
    return outputs.length > 0;
  });
  const needed = new Set([loss]);
  const nodes = dependent.toReversed().filter((node) => {
    if (!node.outputs.some((output) => needed.has(output))) return false;
    for (const input of node.inputs) needed.add(input);
    return true;
  });
  return { nodes: new Set(nodes), live };
}

/** Walks the path from the loss back. Returns the gradient of every value that one arrived at. */
function walk(
  o: Ops,
  path: readonly Node[],
  live: ReadonlySet<string>,
  loss: string,
  wrt: readonly string[],
): Map<string, string> {
  const arrived = new Map<string, string[]>([[loss, [o.full(1, o.shape(loss), loss)]]]);
  const finished = new Map<string, string>();
  const finish = (value: string): string | undefined => {
    const parts = arrived.get(value);
    if (parts === undefined) return undefined;
    const total =
      finished.get(value) ??
      o.expand(o.sum(parts.map((part) => unbroadcast(o, part, o.shape(value)))), o.shape(value), value);
    finished.set(value, total);
    return total;
  };

  for (const node of path.toReversed()) {
    const grads = node.outputs.map((output) => (output === "" ? undefined : finish(output)));
    if (grads.every((grad) => grad === undefined)) continue;
    const rule = rules.get(node.domain === "" ? node.op : `${node.domain}:${node.op}`);
    if (rule === undefined) throw cannot(node, "this operator has no rule");
    const [y = ""] = node.outputs;
    const [a = "", b = "", c = "", d = "", e = "", f = "", ...more] = node.inputs;
    const x: Inputs = [a, b, c, d, e, f, ...more];
    const g = grads[0] ?? "";
    const thunks = rule({ o, node, x, y, g, grads });
    node.inputs.forEach((input, i) => {
      if (!live.has(input)) return;
      const thunk = thunks[i];
      if (thunk === undefined) throw cannot(node, `it has no gradient by its input ${i} "${input}"`);
      const parts = arrived.get(input);
      if (parts === undefined) arrived.set(input, [thunk()]);
      else parts.push(thunk());
    });
  }
  for (const name of wrt) finish(name);
  return finished;
}

/**
 * Sums a gradient over the axes along which its value was broadcast. Axes where the gradient is the
 * thinner stay thin.
 */
function unbroadcast(o: Ops, gradient: string, to: Shape): string {
  const from = o.shape(gradient);
  if (sameShape(from, to)) return gradient;
  const extra = from.length - to.length;
  const axes = from.flatMap((dim, i) => (i < extra || (to[i - extra] === 1 && !sameDim(dim, 1)) ? [i] : []));
  const summed = o.reduceSum(gradient, axes, true);
  return extra <= 0 ? summed : o.reshape(summed, o.shape(summed).slice(extra));
}
