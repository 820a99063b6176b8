import type { Graph } from "./graph.ts";
import type { Tensor } from "./tensor.ts";

/**
 * Runs a graph on an engine: inputs by name in, outputs by name out. onnx-grad has no engine of its
 * own.
 */
export type Run = (graph: Graph, feeds: Readonly<Record<string, Tensor>>) => Promise<Record<string, Tensor>>;
