import { entryOf, float32, type Graph, itemAt, type Node, type ValueType } from "onnx-grad";
import type { Preprocessing } from "../models/index.ts";

/** Whether two ways of feeding differ by less than float32 can tell. */
export function sameFeeding(a: Preprocessing, b: Preprocessing): boolean {
  const close = (x: number, y: number): boolean => Math.abs(x - y) <= 1e-7 * Math.max(Math.abs(x), Math.abs(y));
  const all = (x: readonly number[], y: readonly number[]): boolean =>
    x.length === y.length && x.every((value, i) => close(value, itemAt(y, i)));
  return a.channels === b.channels && all(a.mean, b.mean) && all(a.scale, b.scale);
}

/**
 * The graph with an input that is fed in another way: planes are reversed, and numbers scaled and
 * shifted in front of it, as far as needed. The zeros around the image of a first convolution stay
 * those of the network's own input, so nothing can be taken into its weights.
 *
 * @param input name of the image input, `[N, 3, size, size]` float32; it keeps its name
 * @param wants how the graph wants to be fed
 * @param fed how it will be fed
 */
export function withFeeding(graph: Graph, input: string, wants: Preprocessing, fed: Preprocessing): Graph {
  if (sameFeeding(wants, fed)) return graph;
  const type = entryOf(graph.types, input);
  const types = new Map(graph.types);
  const constants = new Map(graph.constants);
  const taken = new Set([...types.keys(), ...constants.keys()]);
  const nodes: Node[] = [];
  const fresh = (stem: string): string => {
    let name = `petalface/${stem}`;
    for (let i = 1; taken.has(name); i++) name = `petalface/${stem}_${i}`;
    taken.add(name);
    return name;
  };
  const value = (stem: string, valueType: ValueType): string => {
    const name = fresh(stem);
    types.set(name, valueType);
    return name;
  };
  const add = (op: string, inputs: readonly string[], stem: string): string => {
    const output = value(stem, type);
    nodes.push({ op, domain: "", name: output, inputs, outputs: [output], attributes: {} });
    return output;
  };
  /** One number for each plane, in the order of the planes that the graph wants. */
  const perPlane = (values: readonly number[], stem: string): string => {
    const name = fresh(stem);
    const planes = wants.channels === "bgr" ? values.toReversed() : values;
    constants.set(name, float32(planes, [1, 3, 1, 1]));
    return name;
  };
  let fedNow = input;
  if (wants.channels !== fed.channels) {
    const plane: ValueType = { dtype: type.dtype, shape: type.shape.map((dim, axis) => (axis === 1 ? 1 : dim)) };
    const planes = ["plane_0", "plane_1", "plane_2"].map((stem) => value(stem, plane));
    const axis = { axis: { int: 1 } };
    const count = { num_outputs: { int: 3 } };
    const name = fresh("planes");
    nodes.push({ op: "Split", domain: "", name, inputs: [input], outputs: planes, attributes: { ...axis, ...count } });
    const reversed = value("reversed", type);
    nodes.push({
      op: "Concat",
      domain: "",
      name: reversed,
      inputs: planes.toReversed(),
      outputs: [reversed],
      attributes: axis,
    });
    fedNow = reversed;
  }
  // From c = (x - m) s to (x - M) S: c S / s + (m - M) S.
  const factor = wants.scale.map((scale, i) => scale / itemAt(fed.scale, i));
  const shift = wants.mean.map((mean, i) => (itemAt(fed.mean, i) - mean) * itemAt(wants.scale, i));
  const isOne = factor.every((each) => Math.abs(each - 1) < 1e-7);
  const isNone = shift.every((each) => Math.abs(each) < 1e-7);
  if (fed.mean.every((mean) => mean === 0) && fed.scale.every((scale) => scale === 1)) {
    // Pixels as they are: in the order in which petalface itself computes.
    if (!wants.mean.every((mean) => mean === 0)) fedNow = add("Sub", [fedNow, perPlane(wants.mean, "mean")], "centred");
    if (!isOne) fedNow = add("Mul", [fedNow, perPlane(wants.scale, "scale")], "scaled");
  } else {
    if (!isOne) fedNow = add("Mul", [fedNow, perPlane(factor, "factor")], "scaled");
    if (!isNone) fedNow = add("Add", [fedNow, perPlane(shift, "shift")], "shifted");
  }
  const to = fedNow;
  const rest = graph.nodes.map((node) => ({
    ...node,
    inputs: node.inputs.map((name) => (name === input ? to : name)),
  }));
  return { ...graph, nodes: [...nodes, ...rest], types, constants };
}
