import { type Dim, isStatic, printShape, type Shape } from "../dim.ts";
import { OnnxGradError } from "../errors.ts";
import { foldConstants } from "../fold.ts";
import type { Graph, Node, ValueType } from "../graph.ts";
import { failNode } from "../infer/call.ts";
import { type InferContext, inferNode } from "../infer.ts";
import { type Constant, int64, isExternal } from "../tensor.ts";
import { mixesImages } from "./mixing.ts";
import { type BatchPlace, openAxis, placeAfterReshape, withOpenBatch } from "./place.ts";

/** A graph in the making whose batch is being opened, node by node. */
interface Opening {
  readonly old: Graph;
  readonly symbol: string;
  readonly batch: number;
  readonly nodes: Node[];
  readonly types: Map<string, ValueType>;
  readonly constants: Map<string, Constant>;
  /** Where the batch lies, for every value that has it. */
  readonly places: Map<string, BatchPlace>;
  /** Integer vectors that hold the batch (targets of expansions). */
  readonly dims: Map<string, readonly Dim[]>;
  readonly context: InferContext;
  fresh(stem: string): string;
}

/** A graph with a fixed batch, with that batch left open under the name `symbol`. See `setBatch`. */
export function openBatch(graph: Graph, symbol: string, inputs: readonly string[] | undefined): Graph {
  // Shape arithmetic must be constants before the shapes change.
  const old = foldConstants(graph);
  const names = inputs ?? old.inputs;
  const opening = start(old, symbol, batchOf(old, names));
  for (const name of old.inputs) {
    const type = old.types.get(name) as ValueType;
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
    throw new OnnxGradError(`"${name}" is no input of graph "${graph.name}" with a batch as its first dimension`);
  });
  const [batch] = batches;
  if (batch === undefined || batches.some((other) => other !== batch)) {
    throw new OnnxGradError(
      `inputs ${names.join(", ")} of graph "${graph.name}" have batches ${batches.join(", ")}; say which hold images: { inputs: [...] }`,
    );
  }
  return batch;
}

function start(old: Graph, symbol: string, batch: number): Opening {
  const types = new Map<string, ValueType>();
  const constants = new Map(old.constants);
  const dims = new Map<string, readonly Dim[]>();
  const taken = new Set([...old.types.keys(), ...constants.keys()]);
  const context: InferContext = {
    opset: old.opset,
    type(name) {
      const constant = constants.get(name);
      const type = types.get(name) ?? (constant && { dtype: constant.dtype, shape: constant.dims });
      if (type === undefined) throw new OnnxGradError(`value "${name}" is used but nothing defines it`);
      return type;
    },
    tensor(name) {
      const constant = constants.get(name);
      return constant === undefined || isExternal(constant) ? undefined : constant;
    },
    dims: (name) => dims.get(name),
  };
  const fresh = (stem: string): string => {
    let name = stem;
    for (let count = 1; taken.has(name); count++) name = `${stem}_${count}`;
    taken.add(name);
    return name;
  };
  return { old, symbol, batch, nodes: [], types, constants, places: new Map(), dims, context, fresh };
}

/** Records a value whose old shape holds the batch at `place`. */
function carry(opening: Opening, name: string, old: ValueType, place: BatchPlace): void {
  opening.places.set(name, place);
  opening.types.set(name, { dtype: old.dtype, shape: withOpenBatch(fixedShape(old.shape), place, opening.symbol) });
}

function fixedShape(shape: Shape): readonly number[] {
  if (!isStatic(shape)) throw new OnnxGradError(`shape ${printShape(shape)} is open already`);
  return shape;
}

/** The shape of a value before the batch was opened. */
const oldShape = ({ old }: Opening, name: string): readonly number[] =>
  fixedShape(old.types.get(name)?.shape ?? old.constants.get(name)?.dims ?? []);

function push(opening: Opening, original: Node): void {
  const { places, context } = opening;
  const carrying = original.inputs.filter((input) => places.has(input));
  const node = adapt(opening, original);
  if (node === undefined) return;
  for (const input of carrying) {
    const place = places.get(input) as BatchPlace;
    if (mixesImages(node, context.type(input).shape.length, place.axis, context.opset)) {
      failNode(node, "it combines the images of a batch, so their number cannot change");
    }
  }
  const types = inferNode(node, context);
  node.outputs.forEach((output, index) => {
    if (output === "") return;
    const type = types[index] as ValueType;
    opening.types.set(output, type);
    const place = placeOf(opening, node, carrying, output, type.shape);
    if (place !== undefined) places.set(output, place);
  });
  opening.nodes.push(node);
}

/** Where the batch lies in the output of a node other than a reshape: at the open axis, made up as in the inputs. */
function placeOf(
  { places, old }: Opening,
  node: Node,
  carrying: readonly string[],
  output: string,
  shape: Shape,
): BatchPlace | undefined {
  const axis = openAxis(shape);
  if (axis < 0) {
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
  const dim = shape[axis] as Exclude<Dim, number>;
  if (dim.times === 1) return { axis, outer: 1, inner: 1 };
  const fitting = new Set<string>();
  let result: BatchPlace | undefined;
  for (const input of carrying) {
    const place = places.get(input) as BatchPlace;
    if (place.outer * place.inner !== dim.times) continue;
    fitting.add(`${place.outer} ${place.inner}`);
    result = { ...place, axis };
  }
  if (result === undefined || fitting.size !== 1) failNode(node, `cannot follow the batch into ${printShape(shape)}`);
  return result;
}

/** The node with its targets rewritten for an open batch, or undefined if it was dealt with as a whole. */
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
  return node;
}

function reshape(opening: Opening, node: Node): void {
  const { old, batch, nodes, constants, places } = opening;
  const [input = "", target] = node.inputs;
  const [output = ""] = node.outputs;
  const type = old.types.get(output) as ValueType;
  const [from, to] = [oldShape(opening, input), fixedShape(type.shape)];
  const place = placeAfterReshape(from, to, places.get(input) as BatchPlace, batch);
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
  const flat = inferNode(node, opening.context)[0] as ValueType;
  if (openAxis(flat.shape) !== place.axis) failNode(node, `cannot follow the batch into ${printShape(to)}`);
  nodes.push(node);
}

/** Expanding along the batch is what the batch of other values does by itself; a constant that is expanded to it needs a target that follows it. */
function expand(opening: Opening, node: Node): Node {
  const [input = "", target = ""] = node.inputs;
  const to = fixedShape(opening.old.types.get(node.outputs[0] as string)?.shape ?? []);
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

/** A target `to` whose entry at `axis` is the batch at run time, taken from the shape of a graph input. */
function batchTarget(opening: Opening, to: readonly number[], axis: number): string {
  const { nodes, constants, dims, fresh, symbol, types } = opening;
  const image = opening.old.inputs.find((name) => opening.places.has(name)) as string;
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
function concat(opening: Opening, node: Node): Node {
  const { places, types, context, fresh, nodes, symbol } = opening;
  const first = node.inputs.find((input) => places.has(input)) as string;
  const place = places.get(first) as BatchPlace;
  const attribute = node.attributes.axis;
  const axis = attribute !== undefined && "int" in attribute ? attribute.int : 0;
  const rank = types.get(first)?.shape.length ?? 0;
  if ((axis < 0 ? axis + rank : axis) === place.axis) {
    failNode(node, "it joins along the batch, so the number of images cannot change");
  }
  const inputs = node.inputs.map((input) => {
    if (places.has(input)) return input;
    const shape = oldShape(opening, input);
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
function slice(opening: Opening, node: Node): Node {
  const [input = "", starts = "", ends = "", axes = ""] = node.inputs;
  const place = opening.places.get(input);
  if (place === undefined) return node;
  const rank = oldShape(opening, input).length;
  const numbers = (name: string, attribute: string): number[] | undefined => {
    const old = node.attributes[attribute];
    if (old !== undefined && "ints" in old) return [...old.ints];
    const tensor = name === "" ? undefined : opening.context.tensor(name);
    return tensor && Array.from(tensor.data as ArrayLike<number | bigint>, Number);
  };
  const from = numbers(starts, "starts") ?? [];
  const along = numbers(axes, "axes") ?? from.map((_, index) => index);
  const at = along.findIndex((axis) => (axis < 0 ? axis + rank : axis) === place.axis);
  if (at < 0) return node;
  const to = numbers(ends, "ends") ?? [];
  const [whole, cut] = [oldShape(opening, input)[place.axis], oldShape(opening, node.outputs[0] as string)[place.axis]];
  if (whole !== cut || from[at] !== 0)
    failNode(node, "it takes some images of the batch, so their number cannot change");
  to[at] = 2 ** 31 - 1;
  if (opening.context.opset < 10) return { ...node, attributes: { ...node.attributes, ends: { ints: to } } };
  const name = opening.fresh(`${ends}_batch`);
  opening.constants.set(name, int64(to));
  return { ...node, inputs: node.inputs.map((old, index) => (index === 2 ? name : old)) };
}

function dropUnused(graph: Graph): Graph {
  const used = new Set([...graph.outputs, ...graph.nodes.flatMap((node) => node.inputs)]);
  return { ...graph, constants: new Map([...graph.constants].filter(([name]) => used.has(name))) };
}
