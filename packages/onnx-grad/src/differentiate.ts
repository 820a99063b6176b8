import { intOf } from "./attributes.ts";
import { GraphBuilder } from "./builder.ts";
import { isStatic, printShape, sameDim, sameShape } from "./dim.ts";
import { OnnxGradError } from "./errors.ts";
import type { Graph, Node } from "./graph.ts";
import { type Ops, ops } from "./ops.ts";
import { cannot, type Inputs } from "./rules/rule.ts";
import { rules } from "./rules.ts";
import { sizeOf } from "./tensor.ts";

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
  /** What happens to a `wrt` that the loss does not depend on: an error unless `zeros` is asked for. */
  readonly unreached?: "error" | "zeros";
}

const floats: readonly string[] = ["float32", "float64", "float16"];

/**
 * Adds to a graph the nodes that compute the gradient of `loss` by each of `wrt` (reverse mode, ahead of time).
 * The outputs of the result are the loss, the gradients and the asked-for others. Only nodes between `wrt` and `loss`
 * are walked, each once. The graph must be of operator set 18 or later (`upgradeOpset` makes it so).
 * Throws {@link OnnxGradError} for a loss that is no single number, a `wrt` it does not depend on, or an operator
 * between them without a rule.
 */
export function differentiate(graph: Graph, options: DifferentiateOptions): Graph {
  if (graph.opset < 18)
    throw new OnnxGradError(`operator set ${graph.opset} is too old to differentiate: call upgradeOpset first`);
  const { loss, wrt } = options;
  const prepared = withStatistics(graph);
  const b = new GraphBuilder(prepared);
  const o = ops(b);
  for (const name of wrt) {
    if (!floats.includes(b.type(name).dtype))
      throw new OnnxGradError(`"${name}" is ${b.type(name).dtype}: only floating point values have gradients`);
  }
  const lossType = b.type(loss);
  if (!isStatic(lossType.shape) || sizeOf(lossType.shape) !== 1 || !floats.includes(lossType.dtype)) {
    throw new OnnxGradError(
      `loss "${loss}" must be one floating point number; it is ${lossType.dtype} ${printShape(lossType.shape)}`,
    );
  }

  const names = options.names ?? wrt.map((name) => b.fresh(`${name}.grad`));
  if (names.length !== wrt.length)
    throw new OnnxGradError(`${wrt.length} values to differentiate by but ${names.length} names`);

  const gradients = walk(o, pathOf(o, prepared.nodes, loss, wrt), loss, wrt);
  wrt.forEach((name, i) => {
    let gradient = gradients.get(name);
    if (gradient === undefined) {
      if (options.unreached !== "zeros") throw new OnnxGradError(`loss "${loss}" does not depend on "${name}"`);
      gradient = o.full(0, b.shape(name), name);
    }
    b.push({
      op: "Identity",
      domain: "",
      name: b.fresh("Gradient"),
      inputs: [gradient],
      outputs: [names[i] as string],
      attributes: {},
    });
  });
  return b.build([loss, ...names, ...(options.outputs ?? [])]);
}

/** LayerNormalization nodes also put out the mean and the inverse deviation, which their gradient reuses. */
function withStatistics(graph: Graph): Graph {
  const types = new Map(graph.types);
  const unique = (stem: string): string => (types.has(stem) || graph.constants.has(stem) ? unique(`${stem}_`) : stem);
  const nodes = graph.nodes.map((node) => {
    if (node.op !== "LayerNormalization" || node.domain !== "" || node.outputs[2]) return node;
    const type = types.get(node.inputs[0] as string) ?? { dtype: "float32" as const, shape: [] };
    const axis = intOf(node, "axis", -1);
    const first = axis < 0 ? axis + type.shape.length : axis;
    const outputs = ["", ".mean", ".inverse"].map(
      (suffix, i) => node.outputs[i] || unique(`${node.outputs[0]}${suffix}`),
    );
    for (const name of outputs.slice(1))
      types.set(name, { ...type, shape: type.shape.map((dim, i) => (i < first ? dim : 1)) });
    return { ...node, outputs };
  });
  return { ...graph, nodes, types };
}

/** The nodes that `loss` needs and that depend on `wrt`, and the values among them that carry a gradient. */
interface Path {
  readonly nodes: readonly Node[];
  readonly live: ReadonlySet<string>;
}

function pathOf(o: Ops, nodes: readonly Node[], loss: string, wrt: readonly string[]): Path {
  const live = new Set(wrt);
  const dependent = nodes.filter((node) => {
    if (!node.inputs.some((input) => live.has(input))) return false;
    const outputs = node.outputs.filter((output) => output !== "" && floats.includes(o.dtype(output)));
    for (const output of outputs) live.add(output);
    return outputs.length > 0;
  });
  const needed = new Set([loss]);
  const path = dependent.toReversed().filter((node) => {
    if (!node.outputs.some((output) => needed.has(output))) return false;
    for (const input of node.inputs) needed.add(input);
    return true;
  });
  return { nodes: path, live };
}

/** Walks the path from the loss back. Returns the gradient of every value that one arrived at. */
function walk(o: Ops, path: Path, loss: string, wrt: readonly string[]): Map<string, string> {
  const arrived = new Map<string, string[]>([[loss, [o.full(1, o.shape(loss), loss)]]]);
  const finished = new Map<string, string>();
  const finish = (value: string): string | undefined => {
    const parts = arrived.get(value);
    if (parts === undefined) return undefined;
    const known = finished.get(value);
    if (known !== undefined) return known;
    const total = o.expand(o.sum(parts.map((part) => unbroadcast(o, part, value))), o.shape(value), value);
    finished.set(value, total);
    return total;
  };

  for (const node of path.nodes) {
    const grads = node.outputs.map((output) => (output === "" ? undefined : finish(output)));
    if (grads.every((grad) => grad === undefined)) continue;
    const rule = node.domain === "" ? rules.get(node.op) : undefined;
    if (rule === undefined) throw cannot(node, "this operator has no rule");
    const y = node.outputs[0] as string;
    const x = [...node.inputs, ...Array<string>(6).fill("")] as unknown as Inputs;
    const thunks = rule({ o, node, x, y, g: grads[0] ?? "", grads });
    node.inputs.forEach((input, i) => {
      if (!path.live.has(input)) return;
      const thunk = thunks[i];
      if (thunk === undefined) throw cannot(node, `it has no gradient by its input ${i} "${input}"`);
      const part = thunk();
      arrived.set(input, [...(arrived.get(input) ?? []), part]);
    });
  }
  for (const name of wrt) finish(name);
  return finished;
}

/** Sums a gradient over the axes along which `value` was broadcast. Axes where the gradient is the thinner stay thin. */
function unbroadcast(o: Ops, gradient: string, value: string): string {
  const [from, to] = [o.shape(gradient), o.shape(value)];
  if (sameShape(from, to)) return gradient;
  const extra = from.length - to.length;
  const axes = from.flatMap((dim, i) => (i < extra || (to[i - extra] === 1 && !sameDim(dim, 1)) ? [i] : []));
  const summed = o.reduceSum(gradient, axes, true);
  if (extra <= 0) return summed;
  return o.reshape(summed, o.shape(summed).slice(extra));
}
