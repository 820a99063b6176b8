import { type Graph, prune, sizeOf } from "onnx-grad";

/** A training graph cut in two where the frozen network ends. */
export interface SplitGraph {
  /** Images to {@link values}. */
  readonly prefix: Graph;
  /**
   * The values, and all other inputs of the whole graph, to its outputs; a value that is an output
   * of the whole is none here.
   */
  readonly rest: Graph;
  /** What lies at the cut, each with its shape for a whole batch. */
  readonly values: readonly { readonly name: string; readonly shape: readonly number[] }[];
}

/** Operators that only arrange numbers: cheaper to do again than to keep twice. */
const arranging = new Set(["Transpose", "Reshape", "Flatten", "Unsqueeze", "Squeeze", "Identity", "Cast", "Expand"]);

/**
 * Cuts a graph of a static batch between what depends on the images alone and what depends on
 * anything else (trained numbers, targets). Layers below every adapter, with their share of the
 * backward pass, and the quality measure end up in the prefix.
 *
 * @returns undefined where the images themselves are needed behind the cut: nothing would be saved
 */
export function splitGraph(graph: Graph, image: string, batch: number): SplitGraph | undefined {
  const producers = new Map(graph.nodes.flatMap((node) => node.outputs.map((value) => [value, node] as const)));
  const seen = imageValues(graph, image);
  let cut = new Set(
    [
      ...graph.nodes.filter((node) => !node.outputs.some((value) => seen.has(value))).flatMap(({ inputs }) => inputs),
      ...graph.outputs,
    ].filter((value) => seen.has(value)),
  );
  // A value that cannot be kept image by image, or is only rearranged, is made after the cut from
  // what it is made of.
  for (let changed = true; changed; ) {
    changed = false;
    for (const value of cut) {
      const node = producers.get(value);
      if (node === undefined || (keepable(graph, value, batch) && !arranging.has(node.op))) continue;
      cut = new Set([...cut].filter((other) => other !== value));
      for (const input of node.inputs) if (seen.has(input)) cut.add(input);
      changed = true;
      break;
    }
  }
  if (cut.has(image)) return undefined;
  const values = [...cut].map((name) => ({ name, shape: shapeOf(graph, name) }));
  const outputs = graph.outputs.filter((value) => !cut.has(value));
  return {
    prefix: part(graph, `${graph.name} prefix`, [image], [...cut]),
    rest: part(graph, `${graph.name} rest`, [...cut, ...graph.inputs.filter((input) => input !== image)], outputs),
    values,
  };
}

/** Values that depend on the images, and on nothing else but constants. */
function imageValues(graph: Graph, image: string): Set<string> {
  const images = new Set([image]);
  const others = new Set(graph.inputs.filter((input) => input !== image));
  for (const { inputs, outputs } of graph.nodes) {
    const into = inputs.some((input) => others.has(input))
      ? others
      : inputs.some((input) => images.has(input))
        ? images
        : undefined;
    for (const output of outputs) into?.add(output);
  }
  return images;
}

function shapeOf(graph: Graph, value: string): number[] {
  return (graph.types.get(value)?.shape ?? []).map((dim) => (typeof dim === "number" ? dim : Number.NaN));
}

/** Whether a value is made of float32 blocks, one an image. */
function keepable(graph: Graph, value: string, batch: number): boolean {
  const shape = shapeOf(graph, value);
  return (
    graph.types.get(value)?.dtype === "float32" && (shape[0] ?? 0) % batch === 0 && Number.isInteger(sizeOf(shape))
  );
}

/** The nodes that lead from some values to others; inputs that nothing needs are left out. */
function part(graph: Graph, name: string, inputs: readonly string[], outputs: readonly string[]): Graph {
  const cut = prune({ ...graph, name, inputs, outputs });
  const needed = new Set([...outputs, ...cut.nodes.flatMap((node) => node.inputs)]);
  return { ...cut, inputs: inputs.filter((input) => needed.has(input)) };
}
