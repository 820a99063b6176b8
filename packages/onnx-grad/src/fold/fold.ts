import { type Dim, sameShape } from "../graph/dim.ts";
import { OnnxGradError } from "../graph/errors.ts";
import type { Graph, Node, ValueType } from "../graph/graph.ts";
import { itemAt } from "../graph/item-at.ts";
import { freshNames } from "../graph/names.ts";
import { prune } from "../graph/prune.ts";
import { type Constant, int64 } from "../graph/tensor.ts";
import { callOf } from "../infer/call.ts";
import type { InferContext } from "../infer/context.ts";
import { contextOf } from "../infer/context.ts";
import { inferNode } from "../infer/infer.ts";
import { padsOf } from "../infer/slice.ts";
import { gatherIsReshape, trackAffines } from "./affine.ts";
import { evaluate } from "./evaluate.ts";
import { isNumeric, type Known, knownOf, tensorOfKnown } from "./values.ts";

/**
 * Evaluates shape arithmetic: what follows from shapes and small integer constants becomes a
 * constant, reshapes to shapes that hold the open batch get -1 in its place. Identity, casts to the
 * same type, reshapes to the same shape, pads of nothing and dropout (which does nothing outside
 * training) go away, and so do nodes and constants that no output needs. Names of inputs and
 * outputs stay. Throws OnnxGradError naming a node that cannot be typed.
 */
export function foldConstants(graph: Graph): Graph {
  return typeGraph(graph);
}

/**
 * Types a graph of which only the types of the inputs are known, folding it as
 * {@link foldConstants} does: shapes of reshapes follow from the folded arithmetic. Nodes must be
 * in topological order.
 */
export function typeGraph(draft: Graph): Graph {
  const types = new Map<string, ValueType>();
  const constants = new Map<string, Constant>(draft.constants);
  const knowns = new Map<string, Known>();
  const aliases = new Map<string, string>();
  const values = [...draft.inputs, ...constants.keys(), ...draft.nodes.flatMap((node) => node.outputs)];
  const fresh = freshNames(new Set(values));
  const outputs = new Set(draft.outputs);
  const nodes: Node[] = [];

  for (const name of draft.inputs) {
    const type = draft.types.get(name);
    if (type === undefined) throw new OnnxGradError(`input "${name}" of graph "${draft.name}" has no type`);
    types.set(name, type);
  }
  const known = (name: string): Known | undefined => {
    const found = knowns.get(name);
    const constant = found === undefined ? constants.get(name) : undefined;
    const value = constant && knownOf(constant);
    if (value !== undefined) knowns.set(name, value);
    return found ?? value;
  };
  const context: InferContext = {
    ...contextOf(draft.opset, types, constants),
    dims: (name) => known(name)?.values,
  };

  const affines = trackAffines(context);

  for (const original of draft.nodes) {
    const inputs = original.inputs.map((input) => aliases.get(input) ?? input);
    let node: Node = { ...original, inputs };
    const inferred = inferNode(node, context);
    node.outputs.forEach((output, index) => {
      if (output === "") return;
      const type = inferred[index];
      if (type === undefined) throw new OnnxGradError(`${node.op} node "${node.name}" has no output ${index}`);
      types.set(output, type);
    });
    const [output = ""] = node.outputs;
    const type = itemAt(inferred, 0);
    const [input = ""] = inputs;
    if (isNothing(node, context, type)) {
      if (!outputs.has(output)) {
        aliases.set(output, input);
        continue;
      }
      node = { ...node, op: "Identity", domain: "", inputs: [input], outputs: [output], attributes: {} };
    }
    const inputsKnown = inputs.map((name) => (name === "" ? undefined : known(name)));
    const value = evaluate(node, type, inputsKnown, context);
    if (value !== undefined) {
      knowns.set(output, value);
      if (isNumeric(value) && !outputs.has(output)) {
        constants.set(output, tensorOfKnown(value));
        types.delete(output);
        continue;
      }
    }
    affines.note(node, type);
    nodes.push(settleReshape(node, type, gatherIsReshape(node, affines, context), context, constants, fresh));
  }
  return prune({ ...draft, nodes, types, constants });
}

/** Operators that do nothing where the shape stays the same. */
const SAME_SHAPE: ReadonlySet<string> = new Set(["Reshape", "Expand", "Flatten"]);

/** Whether a node hands its first input on unchanged and nothing else of it is used. */
function isNothing(node: Node, context: InferContext, type: ValueType): boolean {
  if (node.domain !== "") return false;
  if (node.op === "Identity") return true;
  if (node.op === "Cast" || node.op === "CastLike") return context.type(itemAt(node.inputs, 0)).dtype === type.dtype;
  if (SAME_SHAPE.has(node.op)) return sameShape(context.type(itemAt(node.inputs, 0)).shape, type.shape);
  // PyTorch's exporters write the pads of a window that fits all the same.
  if (node.op === "Pad") return padsOf(callOf(node, context)).every(([before, after]) => before === 0 && after === 0);
  if (node.op !== "Dropout" || (node.outputs[1] ?? "") !== "") return false;
  const training = node.inputs[2] ?? "";
  return training === "" || context.tensor(training)?.data[0] === 0;
}

/**
 * A reshape whose target is computed from shapes gets a constant one, with -1 in place of the open
 * batch, and so does another node that `isReshape`.
 */
function settleReshape(
  node: Node,
  type: ValueType,
  isReshape: boolean,
  context: InferContext,
  constants: Map<string, Constant>,
  fresh: (stem: string) => string,
): Node {
  const [data = "", target = ""] = node.inputs;
  const computed = node.op === "Reshape" && node.domain === "" && context.tensor(target) === undefined;
  if (!isReshape && !computed) return node;
  const open = type.shape.filter((dim) => typeof dim !== "number").length;
  if (open > 1 || type.shape.includes(0)) return node;
  const name = fresh(`${target}_folded`);
  constants.set(name, int64(type.shape.map((dim: Dim) => (typeof dim === "number" ? dim : -1))));
  return { ...node, op: "Reshape", inputs: [data, name], attributes: {} };
}
