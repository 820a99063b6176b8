import { intOf, intsOf } from "../graph/attributes.ts";
import type { Attributes, Node } from "../graph/graph.ts";
import { itemAt } from "../graph/item-at.ts";
import { int64 } from "../graph/tensor.ts";
import { numberOf, type Target, trimmed, type Upgrade, without } from "./target.ts";

/**
 * Attributes that became inputs in operator set `before`, in order; one that is not there leaves
 * its input absent.
 */
const toInputs =
  (before: number, ...names: readonly string[]): Upgrade =>
  (b, node) => {
    if (b.opset >= before) return [node];
    const inputs = [itemAt(node.inputs, 0)];
    for (const name of names) {
      const values = intsOf(node, name);
      inputs.push(values === undefined ? "" : b.constant(int64(values), name));
    }
    return [{ ...node, inputs: trimmed(inputs), attributes: without(node.attributes, ...names) }];
  };

/** A float attribute as a scalar input. */
const scalarOf = (b: Target, node: Node, name: string): string => {
  const attribute = node.attributes[name];
  const value = attribute !== undefined && "float" in attribute ? attribute.float : undefined;
  return value === undefined ? "" : b.constant(numberOf(value, b.type(itemAt(node.inputs, 0)).dtype), name);
};

const clip: Upgrade = (b, node) => {
  if (b.opset >= 11) return [node];
  const inputs = [itemAt(node.inputs, 0), scalarOf(b, node, "min"), scalarOf(b, node, "max")];
  return [{ ...node, inputs: trimmed(inputs), attributes: {} }];
};

const pad: Upgrade = (b, node) => {
  if (b.opset >= 11) return [node];
  const pads = b.constant(int64(intsOf(node, "pads") ?? []), "pads");
  const inputs = [itemAt(node.inputs, 0), pads, scalarOf(b, node, "value")];
  return [{ ...node, inputs: trimmed(inputs), attributes: without(node.attributes, "pads", "value") }];
};

const split: Upgrade = (b, node) => {
  if (b.opset >= 18) return [node];
  const attribute = intsOf(node, "split");
  const count: Attributes = { num_outputs: { int: node.outputs.length } };
  if (b.opset >= 13) return node.inputs[1] ? [node] : [{ ...node, attributes: { ...node.attributes, ...count } }];
  const attributes = without(node.attributes, "split");
  if (attribute === undefined) return [{ ...node, attributes: { ...attributes, ...count } }];
  return [{ ...node, inputs: [itemAt(node.inputs, 0), b.constant(int64(attribute), "split")], attributes }];
};

const topK: Upgrade = (b, node) => {
  if (b.opset >= 10) return [node];
  const count = b.constant(int64([intOf(node, "k", 0)]), "k");
  return [{ ...node, inputs: [itemAt(node.inputs, 0), count], attributes: without(node.attributes, "k") }];
};

const reductionsOf18 =
  "ReduceMean ReduceMax ReduceMin ReduceL1 ReduceL2 ReduceSumSquare ReduceLogSumExp ReduceLogSum ReduceProd";

/** Operators whose attributes became inputs. */
export const formUpgrades: Readonly<Record<string, Upgrade>> = {
  Clip: clip,
  Pad: pad,
  Split: split,
  TopK: topK,
  Scatter: (_, node) => [{ ...node, op: "ScatterElements" }],
  Slice: toInputs(10, "starts", "ends", "axes"),
  Squeeze: toInputs(13, "axes"),
  Unsqueeze: toInputs(13, "axes"),
  ReduceSum: toInputs(13, "axes"),
  ...Object.fromEntries(reductionsOf18.split(" ").map((op) => [op, toInputs(18, "axes")])),
};
