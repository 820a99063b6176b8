import { typeGraph } from "../fold/fold.ts";
import type { Dim } from "../graph/dim.ts";
import { OnnxGradError } from "../graph/errors.ts";
import type { Graph, ValueType } from "../graph/graph.ts";
import { openBatch } from "./open.ts";

/** Options of {@link setBatch}. */
export interface SetBatchOptions {
  /**
   * Names of the inputs that hold one row per image; unless given, all inputs of a graph with a
   * fixed batch.
   */
  readonly inputs?: readonly string[];
}

/**
 * The graph with another batch: a number, or the name of an open one. The graph's batch may be
 * fixed or open before. Where it was fixed, targets of reshapes and expansions are rewritten: the
 * batch of a reshape's input has a place in the row-major order of the elements, which the output
 * keeps, so that also images folded with windows or heads (`[N * 4, 25, 8]`) are found. Constants
 * that meet images with one equal copy for each (a class token that the exporter expanded) are
 * taken once. Throws OnnxGradError naming the node where the batch cannot be followed or where
 * images would be mixed. The result follows from shapes alone; `proveBatch` checks it with numbers.
 */
export function setBatch(graph: Graph, batch: number | string, options: SetBatchOptions = {}): Graph {
  if (typeof batch === "number" && !(Number.isSafeInteger(batch) && batch > 0)) {
    throw new OnnxGradError(`a batch of ${batch} is impossible; give a positive whole number or a name`);
  }
  if (batch === "") throw new OnnxGradError("an open batch needs a name, for example N");
  const symbol = symbolOf(graph);
  const open = symbol === undefined ? openBatch(graph, typeof batch === "string" ? batch : "N", options.inputs) : graph;
  const from = symbol ?? (typeof batch === "string" ? batch : "N");
  if (from === batch) return open;
  const replace = (dim: Dim): Dim => {
    if (typeof dim === "number" || dim.symbol !== from) return dim;
    return typeof batch === "number" ? dim.times * batch : { symbol: batch, times: dim.times };
  };
  const types = new Map<string, ValueType>();
  for (const [name, type] of open.types) types.set(name, { dtype: type.dtype, shape: type.shape.map(replace) });
  // Only a number makes more shape arithmetic constant; a new name changes nothing but types.
  return typeof batch === "number" ? typeGraph({ ...open, types }) : { ...open, types };
}

/**
 * The name of a graph's open batch, or undefined if all its inputs have fixed shapes. Throws if
 * there are two names.
 */
export function symbolOf(graph: Graph): string | undefined {
  const symbols = new Set<string>();
  for (const name of graph.inputs) {
    for (const dim of graph.types.get(name)?.shape ?? []) if (typeof dim !== "number") symbols.add(dim.symbol);
  }
  if (symbols.size > 1) {
    throw new OnnxGradError(
      `graph "${graph.name}" has the open dimensions ${[...symbols].join(" and ")}; only one may be`,
    );
  }
  return [...symbols][0];
}
