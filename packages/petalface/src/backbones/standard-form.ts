import {
  copyGraph,
  type DType,
  entryOf,
  type Graph,
  GraphBuilder,
  ops,
  printShape,
  type Shape,
  staticDims,
  tupleOf,
  type ValueType,
} from "onnx-grad";
import { PetalfaceError } from "../errors.ts";
import type { ModelChoices } from "../models/index.ts";
import type { Backbone, FileForm } from "./backbone.ts";

/**
 * A graph in standard form: one image input float32 `[N, 3, size, size]`, one embedding
 * `[N, width]`, N as in the file.
 */
export interface StandardForm {
  readonly graph: Graph;
  readonly input: string;
  readonly output: string;
  readonly size: number;
  readonly width: number;
  /** Undefined where the file has the standard form itself. */
  readonly form: FileForm | undefined;
}

const isOpen = (dim: Shape[number] | undefined): boolean => typeof dim === "object";

/**
 * The shape of an image input whose height and width a file leaves open: closed to `size`. Other
 * inputs keep their shape.
 *
 * @param path names the model in errors
 * @param stated the shape that the file states, undefined where it states none
 * @throws PetalfaceError where the sides are open and no size is given, or a size is given that is
 * not the file's
 */
export function imageShape(
  path: string,
  name: string,
  stated: Shape | undefined,
  size: number | undefined,
): Shape | undefined {
  if (stated !== undefined && stated.length !== 4) return undefined;
  const shape = stated ?? [{ symbol: "N", times: 1 }, 3, { symbol: "h", times: 1 }, { symbol: "w", times: 1 }];
  const [batch = 1, ...others] = shape;
  const last = others[2] === 3 && others[0] !== 3;
  const sides = last ? others.slice(0, 2) : others.slice(1);
  const fixed = sides.find((side) => typeof side === "number");
  if (size !== undefined && fixed !== undefined && fixed !== size)
    throw new PetalfaceError(
      "PETAL_OPTION_INVALID",
      `${path}: its input is ${printShape(shape)}, so 'size=${size}' does not fit; leave it out`,
    );
  const side = size ?? (typeof fixed === "number" ? fixed : undefined);
  if (!others.some(isOpen)) return undefined;
  if (side === undefined)
    throw new PetalfaceError(
      "PETAL_OPTION_INVALID",
      `${path}: height and width of its input "${name}" are open; give the side of the faces that it was trained on, in pixels, with 'size' (most models: 'size=112')`,
    );
  const close = (dim: Shape[number], to: number): number => (typeof dim === "number" ? dim : to);
  const [a, b, c] = tupleOf(others, 3);
  return last ? [batch, close(a, side), close(b, side), c] : [batch, close(a, 3), close(b, side), close(c, side)];
}

/**
 * The image input of a graph and how it lies in memory. Throws PetalfaceError if there is no such
 * input.
 */
function imageInput(path: string, graph: Graph): { name: string; type: ValueType; nhwc: boolean; size: number } {
  const [name] = graph.inputs;
  if (name === undefined || graph.inputs.length !== 1)
    throw new PetalfaceError(
      "PETAL_MODEL_UNSUPPORTED",
      `${path}: has ${graph.inputs.length} inputs; a face recogniser has one, the image`,
    );
  const type = entryOf(graph.types, name);
  const [, a, b, c] = type.shape;
  const nhwc = c === 3 && a === b && a !== 3;
  const size = nhwc ? a : b;
  if (type.shape.length !== 4 || typeof size !== "number" || !(nhwc || (a === 3 && b === c)))
    throw new PetalfaceError(
      "PETAL_MODEL_UNSUPPORTED",
      `${path}: its input is ${printShape(type.shape)}; expected [N, 3, size, size]`,
    );
  return { name, type, nhwc, size };
}

/**
 * Numbers of each image's part of a value, if it is `[N, ...]` with one dimension above 1 at most
 * besides N.
 */
function vectorLength(shape: Shape): number | undefined {
  const dims = shape.slice(1);
  const wide = dims.filter((dim) => dim !== 1);
  const [width = 1] = wide;
  return shape.length > 1 && wide.length <= 1 && typeof width === "number" ? width : undefined;
}

/**
 * The output that is the embedding: the one that was named, else the only one of more than one
 * number a face.
 */
function embeddingOutput(path: string, graph: Graph, wanted: string | undefined): { name: string; width: number } {
  const shapeOf = (name: string): Shape => graph.types.get(name)?.shape ?? graph.constants.get(name)?.dims ?? [];
  const widths = graph.outputs.map((name) => ({ name, width: vectorLength(shapeOf(name)) }));
  const listed = graph.outputs.map((name) => `${name} ${printShape(shapeOf(name))}`).join(", ");
  const candidates = widths.flatMap(({ name, width }) => (width === undefined ? [] : [{ name, width }]));
  if (wanted !== undefined) {
    const found = candidates.find(({ name }) => name === wanted);
    if (found === undefined)
      throw new PetalfaceError(
        "PETAL_OPTION_INVALID",
        `${path}: has no embedding output "${wanted}"; its outputs are ${listed}; give one of [N, width] with 'output'`,
      );
    return found;
  }
  const wide = candidates.filter(({ width }) => width > 1);
  // A single output is the embedding, be it of one number.
  const [chosen] = wide.length > 0 ? wide : candidates.filter(() => graph.outputs.length === 1);
  if (chosen === undefined)
    throw new PetalfaceError(
      "PETAL_MODEL_UNSUPPORTED",
      `${path}: its outputs are ${listed}; expected one embedding [N, width]`,
    );
  if (wide.length > 1)
    throw new PetalfaceError(
      "PETAL_OPTION_INVALID",
      `${path}: its outputs are ${listed}; say which one is the embedding with 'output=NAME'`,
    );
  return chosen;
}

/**
 * Brings a recogniser's graph into standard form. Integer inputs get the pixels as they are,
 * rounded and clipped to 0..255. Inputs `[N, size, size, 3]` are transposed. The embedding is
 * flattened. Names of input and output stay. Of further outputs only those of one number a face
 * that petalface wrote (`[N]`, alpha) are kept.
 *
 * @param path names the model in errors
 * @param graph all its floats are float32
 * @param file the types of input and outputs in the file
 * @throws PetalfaceError if it has not one square image of three channels and one embedding
 */
export function standardForm(path: string, graph: Graph, file: Graph, choices: ModelChoices): StandardForm {
  const image = imageInput(path, graph);
  const { name: output, width } = embeddingOutput(path, graph, choices.output);
  const { name: input, size, nhwc } = image;
  const shapeOf = (name: string): Shape => graph.types.get(name)?.shape ?? [];
  const further = graph.outputs.filter((name) => name !== output && shapeOf(name).length === 1);
  const inner = graph.types.get(output) ?? { dtype: "float32", shape: [] };
  const integers = image.type.dtype !== "float32";
  const stated = (name: string): DType => file.types.get(name)?.dtype ?? "float32";
  const [inputType, outputType] = [stated(input), stated(output)];
  const isStandard = inputType === "float32" && outputType === "float32" && !nhwc && inner.shape.length === 2;
  const form: FileForm | undefined = isStandard
    ? undefined
    : {
        input: { dtype: inputType, layout: nhwc ? "nhwc" : "nchw" },
        output: { dtype: outputType, dims: staticDims(inner.shape.slice(1)) },
      };
  const parts = { input, output, size, width, form };
  const outputs = [output, ...further];
  const b = new GraphBuilder({ name: graph.name, opset: graph.opset });
  const o = ops(b);
  for (const [key, value] of graph.metadata) b.setMetadata(key, value);
  const fits = !integers && !nhwc && inner.shape.length === 2 && inner.dtype === "float32";
  if (fits) {
    const kept = graph.outputs.every((name) => outputs.includes(name));
    return { ...parts, graph: kept ? graph : new GraphBuilder(graph).build(outputs) };
  }
  const batch = image.type.shape[0] ?? 1;
  let value = b.input(input, { dtype: "float32", shape: [batch, 3, size, size] });
  b.fresh(output);
  if (nhwc) value = o.transpose(value, [0, 2, 3, 1]);
  if (integers) value = o.cast(o.clip(b.add("Round", [value]), 0, 255), image.type.dtype);
  const names = copyGraph(b, rename(graph, output), { inputs: new Map([[input, value]]) });
  let embedding = names.get(inside(output)) ?? output;
  if (inner.shape.length !== 2) embedding = b.add("Flatten", [embedding], { axis: { int: 1 } });
  embedding = o.cast(embedding, "float32");
  b.push({
    op: "Identity",
    domain: "",
    name: b.fresh("embedding"),
    inputs: [embedding],
    outputs: [output],
    attributes: {},
  });
  return { ...parts, graph: b.build([output, ...further.map((name) => entryOf(names, name))]) };
}

/** Name of a value of the file whose own name goes to another. */
const inside = (name: string): string => `${name}_inside`;

/** The graph with another name for one of its values, so that the name is free. */
function rename(graph: Graph, name: string): Graph {
  const to = (value: string): string => (value === name ? inside(name) : value);
  return {
    ...graph,
    outputs: graph.outputs.map(to),
    nodes: graph.nodes.map((node) => ({ ...node, inputs: node.inputs.map(to), outputs: node.outputs.map(to) })),
    types: new Map([...graph.types].map(([value, type]) => [to(value), type])),
    constants: new Map([...graph.constants].map(([value, constant]) => [to(value), constant])),
  };
}

/**
 * A deployed graph made from a backbone, with image and embedding in the form that the backbone's
 * file has them (element type, layout, further dimensions), so that it takes that file's place. The
 * inverse of {@link standardForm}; other inputs and outputs stay.
 */
export function fileForm({ form, input, output }: Pick<Backbone, "form" | "input" | "output">, graph: Graph): Graph {
  if (form === undefined) return graph;
  const b = new GraphBuilder({ name: graph.name, opset: graph.opset });
  const o = ops(b);
  const inputs = new Map<string, string>();
  // Kept free for the embedding.
  b.fresh(output);
  for (const name of graph.inputs) {
    const type = entryOf(graph.types, name);
    const [batch = 1, channels = 3, height = 1, width = 1] = type.shape;
    if (name !== input) {
      inputs.set(name, b.input(name, type));
      continue;
    }
    const { dtype, layout } = form.input;
    const shape = layout === "nhwc" ? [batch, height, width, channels] : type.shape;
    const value = o.cast(b.input(name, { dtype, shape }), "float32");
    inputs.set(name, layout === "nhwc" ? o.transpose(value, [0, 3, 1, 2]) : value);
  }
  const names = copyGraph(b, rename(graph, output), { inputs });
  const outputs = graph.outputs.map((name) => {
    if (name !== output) return entryOf(names, name);
    let value = entryOf(names, inside(name));
    const { dtype, dims } = form.output;
    if (dims.length > 1) value = o.reshape(value, [b.shape(value)[0] ?? 1, ...dims]);
    value = o.cast(value, dtype);
    b.push({
      op: "Identity",
      domain: "",
      name: b.fresh("embedding"),
      inputs: [value],
      outputs: [name],
      attributes: {},
    });
    return name;
  });
  return { ...b.build(outputs), metadata: graph.metadata };
}
