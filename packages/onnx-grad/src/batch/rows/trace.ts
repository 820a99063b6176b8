import { type Dim, printShape, type Shape } from "../../graph/dim.ts";
import { OnnxGradError } from "../../graph/errors.ts";
import type { Graph, Node } from "../../graph/graph.ts";
import { itemAt } from "../../graph/item-at.ts";
import { callOf } from "../../infer/call.ts";
import { contextOf } from "../../infer/context.ts";
import type { BatchPlace } from "../place.ts";
import { symbolOf } from "../set-batch.ts";
import { rowRules } from "./rules.ts";

/**
 * Which elements of a value can depend on which image of the batch: on none at all (`shared`); each
 * on one image only, the one that its place along an axis belongs to (`images`, see
 * {@link imageOf}); or nothing can be said, and `reason` names the first node and why (`lost`).
 */
export type ValueRows =
  | { readonly kind: "shared" }
  | { readonly kind: "images"; readonly place: BatchPlace }
  | { readonly kind: "lost"; readonly reason: string };

/** The image that index `index` along the axis of `place` belongs to, in a batch of `batch`. */
export const imageOf = ({ inner }: BatchPlace, index: number, batch: number): number =>
  Math.floor(index / inner) % batch;

/** Operators whose outputs depend on the shapes of their inputs, not on their numbers. */
const NUMBERLESS: ReadonlySet<string> = new Set(["Shape", "Size", "ConstantOfShape", "EyeLike"]);

/**
 * Follows the images of an open batch from the inputs through every node of a graph, by shapes and
 * attributes alone. An input holds images along its open dimension, and is shared where it has none
 * (a vector of parameters). Throws OnnxGradError if the graph's batch is not open
 * (`setBatch(graph, "N")` opens it). `proveRows` checks the result with numbers.
 */
export function traceRows(graph: Graph): ReadonlyMap<string, ValueRows> {
  const symbol = symbolOf(graph);
  if (symbol === undefined)
    throw new OnnxGradError(`the batch of graph "${graph.name}" is fixed; open it first: setBatch(graph, "N")`);
  const context = contextOf(graph.opset, graph.types, graph.constants);
  const shapeOf = (name: string): Shape => context.type(name).shape;
  const rows = new Map<string, ValueRows>();
  for (const name of graph.constants.keys()) rows.set(name, { kind: "shared" });
  for (const name of graph.inputs) {
    const shape = shapeOf(name);
    const axis = shape.findIndex((dim) => typeof dim !== "number");
    if (axis < 0) rows.set(name, { kind: "shared" });
    else if (times(itemAt(shape, axis)) === 1 && shape.filter((dim) => typeof dim !== "number").length === 1)
      rows.set(name, { kind: "images", place: { axis, outer: 1, inner: 1 } });
    else rows.set(name, { kind: "lost", reason: `input "${name}" ${printShape(shape)} has no dimension of images` });
  }

  for (const node of graph.nodes) {
    const inputs = node.inputs.map((input) => (input === "" ? undefined : rows.get(input)));
    const places = inputs.map((input) => (input?.kind === "images" ? input.place : undefined));
    const lost = inputs.find((input) => input?.kind === "lost");
    const outputs = node.outputs.filter((output) => output !== "");
    const found =
      (NUMBERLESS.has(node.op) && node.domain === "") || (lost === undefined && places.every((place) => !place))
        ? ({ kind: "shared" } as const)
        : (lost ?? step(node, places));
    for (const output of outputs) rows.set(output, found.kind === "images" ? confirm(node, output, found) : found);
  }
  return rows;

  function step(node: Node, places: readonly (BatchPlace | undefined)[]): ValueRows {
    const rule = rowRules.get(node.domain === "" || node.domain === "ai.onnx" ? node.op : `${node.domain}:${node.op}`);
    if (rule === undefined) return lose(node, "images cannot be followed through this operator");
    try {
      const output = shapeOf(node.outputs.find((name) => name !== "") ?? "");
      const result = rule({ call: callOf(node, context), places, output });
      return typeof result === "string" ? lose(node, result) : { kind: "images", place: result };
    } catch (error) {
      // Shape rules throw, for example where axes are not constants.
      if (error instanceof OnnxGradError) return { kind: "lost", reason: error.message };
      throw error;
    }
  }

  /** The open dimension, the only one, must be where the rule says and as long as it says. */
  function confirm(node: Node, output: string, found: ValueRows & { kind: "images" }): ValueRows {
    const shape = shapeOf(output);
    const { axis, outer, inner } = found.place;
    const right = shape.every((dim, at) => times(dim) === (at === axis ? outer * inner : undefined));
    return right ? found : lose(node, `its output ${printShape(shape)} does not hold one part for each image`);
  }
}

const times = (dim: Dim): number | undefined => (typeof dim === "number" ? undefined : dim.times);

const lose = (node: Node, why: string): ValueRows => ({
  kind: "lost",
  reason: `${node.op} node "${node.name || node.outputs[0] || "?"}": ${why}`,
});
