import type { Dim } from "../graph/dim.ts";
import { printShape } from "../graph/dim.ts";
import type { Node } from "../graph/graph.ts";
import { entryOf, itemAt } from "../graph/item-at.ts";
import { int64, numbersOf } from "../graph/tensor.ts";
import { failNode } from "../infer/call.ts";
import { fixedShape, type Opening, oldShape } from "./opening.ts";
import { withOpenBatch } from "./place.ts";
import { firstCopy } from "./repeated.ts";

/**
 * Expanding along the batch is what the batch of other values does by itself; a constant that is
 * expanded to it needs a target that follows it.
 */
export function expand(opening: Opening, node: Node): Node {
  const [input = "", target = ""] = node.inputs;
  const to = fixedShape(opening.old.types.get(itemAt(node.outputs, 0))?.shape ?? []);
  const from = oldShape(opening, input);
  const place = opening.places.get(input);
  if (place !== undefined) {
    const axis = place.axis + to.length - from.length;
    if (from[place.axis] !== to[axis]) failNode(node, `it repeats images: ${printShape(from)} to ${printShape(to)}`);
    const name = opening.fresh(`${target}_batch`);
    opening.constants.set(name, int64(to.map((dim, at) => (at === axis ? 1 : dim))));
    return { ...node, inputs: [input, name] };
  }
  const repeats = opening.batch > 1 && to[0] === opening.batch && (from.length < to.length || from[0] === 1);
  if (!repeats) return node;
  return { ...node, inputs: [input, batchTarget(opening, to, 0)] };
}

/**
 * A target `to` whose entry at `axis` is the batch at run time, taken from the shape of a graph
 * input.
 */
function batchTarget(opening: Opening, to: readonly number[], axis: number): string {
  const { nodes, constants, dims, fresh, symbol, types } = opening;
  const image = itemAt(
    opening.old.inputs.filter((name) => opening.places.has(name)),
    0,
  );
  const add = (op: string, inputs: string[], attributes: Node["attributes"], value: readonly Dim[]): string => {
    const output = fresh(`batch_${op}`);
    nodes.push({ op, domain: "", name: output, inputs, outputs: [output], attributes });
    dims.set(output, value);
    types.set(output, { dtype: "int64", shape: [value.length] });
    return output;
  };
  const constant = (values: readonly number[]): string => {
    const name = fresh("batch_constant");
    constants.set(name, int64(values));
    return name;
  };
  const open: Dim = { symbol, times: 1 };
  const shape = add("Shape", [image], {}, types.get(image)?.shape ?? []);
  const batch = add("Gather", [shape, constant([0])], { axis: { int: 0 } }, [open]);
  const [before, after] = [to.slice(0, axis), to.slice(axis + 1)];
  const parts = [
    ...(before.length > 0 ? [constant(before)] : []),
    batch,
    ...(after.length > 0 ? [constant(after)] : []),
  ];
  return add("Concat", parts, { axis: { int: 0 } }, [...before, open, ...after]);
}

/** Concat does not broadcast: parts without a batch (a class token) are expanded to it. */
export function concat(opening: Opening, node: Node): Node {
  const { places, types, context, fresh, nodes, symbol } = opening;
  const first = itemAt(
    node.inputs.filter((input) => places.has(input)),
    0,
  );
  const place = entryOf(places, first);
  const attribute = node.attributes.axis;
  const axis = attribute !== undefined && "int" in attribute ? attribute.int : 0;
  const rank = types.get(first)?.shape.length ?? 0;
  if ((axis < 0 ? axis + rank : axis) === place.axis) {
    failNode(node, "it joins along the batch, so the number of images cannot change");
  }
  const inputs = node.inputs.map((original) => {
    if (places.has(original)) return original;
    const input = firstCopy(opening, original, place.axis);
    const shape = opening.constants.get(input)?.dims ?? oldShape(opening, input);
    // With one image per batch a part of size 1 is the same for every image.
    if (shape[place.axis] !== 1 || place.outer * place.inner !== 1) {
      failNode(node, `cannot tell which part of "${input}", shape ${printShape(shape)}, belongs to which image`);
    }
    const output = fresh(`${input}_batch`);
    const to = batchTarget(opening, shape, place.axis);
    const dims = withOpenBatch(shape, place, symbol);
    nodes.push({ op: "Expand", domain: "", name: output, inputs: [input, to], outputs: [output], attributes: {} });
    types.set(output, { dtype: context.type(input).dtype, shape: dims });
    places.set(output, place);
    return output;
  });
  return { ...node, inputs };
}

/** A slice that took the whole batch takes the whole open one. */
export function slice(opening: Opening, node: Node): Node {
  const [input = "", starts = "", ends = "", axes = ""] = node.inputs;
  const place = opening.places.get(input);
  if (place === undefined) return node;
  const rank = oldShape(opening, input).length;
  const numbers = (name: string, attribute: string): number[] | undefined => {
    const old = node.attributes[attribute];
    if (old !== undefined && "ints" in old) return [...old.ints];
    const tensor = name === "" ? undefined : opening.context.tensor(name);
    return tensor && numbersOf(tensor);
  };
  const from = numbers(starts, "starts") ?? [];
  const along = numbers(axes, "axes") ?? from.map((_, index) => index);
  const at = along.findIndex((axis) => (axis < 0 ? axis + rank : axis) === place.axis);
  if (at < 0) return node;
  const to = numbers(ends, "ends") ?? [];
  const [whole, cut] = [oldShape(opening, input)[place.axis], oldShape(opening, itemAt(node.outputs, 0))[place.axis]];
  if (whole !== cut || from[at] !== 0)
    failNode(node, "it takes some images of the batch, so their number cannot change");
  to[at] = 2 ** 31 - 1;
  if (opening.context.opset < 10) return { ...node, attributes: { ...node.attributes, ends: { ints: to } } };
  const name = opening.fresh(`${ends}_batch`);
  opening.constants.set(name, int64(to));
  return { ...node, inputs: node.inputs.map((old, index) => (index === 2 ? name : old)) };
}
