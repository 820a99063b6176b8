import { foldConstants } from "../fold/fold.ts";
import { printShape, type Shape } from "../graph/dim.ts";
import { OnnxGradError } from "../graph/errors.ts";
import type { Graph, Node } from "../graph/graph.ts";
import { entryOf, itemAt } from "../graph/item-at.ts";
import { int64 } from "../graph/tensor.ts";
import { failNode } from "../infer/call.ts";
import { inferNode } from "../infer/infer.ts";
import { mixesImages } from "./mixing.ts";
import { carry, fixedShape, type Opening, oldShape, startOpening } from "./opening.ts";
import { type BatchPlace, openAxis, placeAfterReshape } from "./place.ts";
import { unrepeat } from "./repeated.ts";
import { concat, expand, slice } from "./rewrite.ts";

/**
 * A graph with a fixed batch, with that batch left open under the name `symbol`. See `setBatch`.
 */
export function openBatch(graph: Graph, symbol: string, inputs: readonly string[] | undefined): Graph {
  // Shape arithmetic must be constants before the shapes change.
  const old = foldConstants(graph);
  const names = inputs ?? old.inputs;
  const opening = startOpening(old, symbol, batchOf(old, names));
  for (const name of old.inputs) {
    const type = entryOf(old.types, name);
    if (names.includes(name)) carry(opening, name, type, { axis: 0, outer: 1, inner: 1 });
    else opening.types.set(name, type);
  }
  for (const node of old.nodes) push(opening, node);
  const { nodes, types, constants } = opening;
  // Targets that were replaced are not needed any more.
  return dropUnused({ ...old, nodes, types, constants });
}

function batchOf(graph: Graph, names: readonly string[]): number {
  const batches = names.map((name) => {
    const dim = graph.inputs.includes(name) ? graph.types.get(name)?.shape[0] : undefined;
    if (typeof dim === "number" && dim > 0) return dim;
    throw new OnnxGradError(`"${name}" is not an input of graph "${graph.name}" with a batch as its first dimension`);
  });
  const [batch] = batches;
  if (batch === undefined || batches.some((other) => other !== batch)) {
    throw new OnnxGradError(
      `inputs ${names.join(", ")} of graph "${graph.name}" have batches ${batches.join(", ")}; name those with images: { inputs: [...] }`,
    );
  }
  return batch;
}

function push(opening: Opening, original: Node): void {
  const { places, context } = opening;
  const carrying = original.inputs.filter((input) => places.has(input));
  const node = adapt(opening, original);
  if (node === undefined) return;
  for (const input of carrying) {
    const place = entryOf(places, input);
    if (mixesImages(node, context.type(input).shape.length, place.axis, context.opset)) {
      failNode(node, "it combines the images of a batch, so their number cannot change");
    }
  }
  const types = inferNode(node, context);
  node.outputs.forEach((output, index) => {
    if (output === "") return;
    const type = itemAt(types, index);
    opening.types.set(output, type);
    const place = placeOf(opening, node, carrying, output, type.shape);
    if (place !== undefined) places.set(output, place);
  });
  opening.nodes.push(node);
}

/**
 * Where the batch lies in the output of a node other than a reshape: at the open axis, made up as
 * in the inputs.
 */
function placeOf(
  { places, old }: Opening,
  node: Node,
  carrying: readonly string[],
  output: string,
  shape: Shape,
): BatchPlace | undefined {
  const axis = openAxis(shape);
  const dim = shape[axis];
  if (dim === undefined || typeof dim === "number") {
    if (carrying.length === 0) return undefined;
    failNode(node, `its output ${printShape(shape)} does not hold one part per image, so the batch cannot change`);
  }
  if (shape.findLastIndex((dim) => typeof dim !== "number") !== axis) {
    failNode(node, `its output ${printShape(shape)} compares images with each other, so the batch cannot change`);
  }
  const before = old.types.get(output)?.shape;
  if (before !== undefined && before.length !== shape.length) {
    failNode(node, `it drops the batch of shape ${printShape(before)}; name the axes that it should drop`);
  }
  if (dim.times === 1) return { axis, outer: 1, inner: 1 };
  const fitting = new Set<string>();
  let result: BatchPlace | undefined;
  for (const input of carrying) {
    const place = entryOf(places, input);
    if (place.outer * place.inner !== dim.times) continue;
    fitting.add(`${place.outer} ${place.inner}`);
    result = { ...place, axis };
  }
  if (result === undefined || fitting.size !== 1) failNode(node, `cannot follow the batch into ${printShape(shape)}`);
  return result;
}

/**
 * The node with its targets rewritten for an open batch, or undefined if it was dealt with as a
 * whole.
 */
function adapt(opening: Opening, node: Node): Node | undefined {
  if (node.domain !== "") return node;
  const carries = node.inputs.some((input) => opening.places.has(input));
  if (node.op === "Reshape" || node.op === "Flatten") {
    if (!carries) return node;
    reshape(opening, node);
    return undefined;
  }
  if (node.op === "Expand") return expand(opening, node);
  if (node.op === "Concat" && carries) return concat(opening, node);
  if (node.op === "Slice" && carries) return slice(opening, node);
  if (carries) return unrepeat(opening, node);
  return node;
}

function reshape(opening: Opening, node: Node): void {
  const { old, batch, nodes, constants, places } = opening;
  const [input = "", target] = node.inputs;
  const [output = ""] = node.outputs;
  const type = entryOf(old.types, output);
  const [from, to] = [oldShape(opening, input), fixedShape(type.shape)];
  const place = placeAfterReshape(from, to, entryOf(places, input), batch);
  if (place === undefined) {
    failNode(node, `cannot tell where the batch is after reshaping ${printShape(from)} to ${printShape(to)}`);
  }
  carry(opening, output, type, place);
  if (node.op === "Reshape" && target !== undefined) {
    const name = opening.fresh(`${target}_batch`);
    constants.set(name, int64(to.map((dim, axis) => (axis === place.axis ? -1 : dim))));
    const { allowzero: _, ...attributes } = node.attributes;
    nodes.push({ ...node, inputs: [input, name], attributes });
    return;
  }
  const flat = itemAt(inferNode(node, opening.context), 0);
  if (openAxis(flat.shape) !== place.axis) failNode(node, `cannot follow the batch into ${printShape(to)}`);
  nodes.push(node);
}

function dropUnused(graph: Graph): Graph {
  const used = new Set([...graph.outputs, ...graph.nodes.flatMap((node) => node.inputs)]);
  return { ...graph, constants: new Map([...graph.constants].filter(([name]) => used.has(name))) };
}
