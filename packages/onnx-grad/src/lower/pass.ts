import type { Graph } from "../graph/graph.ts";

/** What a graph is lowered for: an execution provider of onnxruntime, or its WebAssembly build. */
export type Target = "cpu" | "cuda" | "webgpu" | "wasm";

/**
 * One rewriting of a graph. It computes the same function, and the names of the graph's inputs and
 * outputs stay. A pass returns the graph that it was given if it finds nothing to do.
 */
export interface Pass {
  /** Short, for error messages and tests. */
  readonly name: string;
  /** The targets that need it or gain from it. */
  readonly targets: readonly Target[];
  /**
   * Whether two graphs that share nodes still give them the same bits on the target. Passes that
   * look further than a node are left out where graphs are compared bit for bit (the frozen network
   * against its adapted form with a closed gate).
   */
  readonly exact: boolean;
  /** `exact`: run only where graphs are compared bit for bit, as it costs a little time. */
  readonly only?: "exact";
  /**
   * Whether it makes the engine copy weights when it loads the graph: left out where the graph runs
   * a few times only.
   */
  readonly copiesWeights?: true;
  /**
   * Whether it is of use to products in float32 only: left out where they are computed in 8 bits.
   */
  readonly floatProducts?: true;
  /**
   * Why onnxruntime does not do it by itself, or what it is for, is the comment of the pass's file.
   */
  run(graph: Graph): Graph;
}
