import { OnnxGradError } from "../graph/errors.ts";
import type { Graph } from "../graph/graph.ts";
import { int8Products } from "./int8.ts";
import type { Pass, Target } from "./pass.ts";
import { passes } from "./passes/index.ts";

export type { Pass, Target } from "./pass.ts";

/** Options of {@link lower}. */
export interface LowerOptions {
  /**
   * For graphs that are compared bit for bit: only passes under which a network with and without
   * adapters has the same bits, and those that give both the same kernels. Otherwise all the other
   * passes run.
   */
  readonly exact?: boolean;
  /**
   * The graph runs a few times only: passes are left out that gain less than the engine takes for
   * them while it loads.
   */
  readonly brief?: boolean;
  /**
   * Large products with constant weights in 8-bit whole numbers, about one per cent off; for the
   * CPU only.
   */
  readonly int8?: boolean;
  /** Passes to run instead of the project's own. */
  readonly passes?: readonly Pass[];
}

/**
 * Rewrites a graph for what is to run it: operators that the target lacks are decomposed, groups of
 * operators that it has one kernel for are fused. The graph computes the same function up to
 * rounding; names of inputs and outputs stay. Throws {@link OnnxGradError} if a pass breaks that
 * contract.
 */
export function lower(graph: Graph, target: Target, options: LowerOptions = {}): Graph {
  if (options.int8 === true && target !== "cpu")
    throw new OnnxGradError(`8-bit products need the target cpu, not ${target}`);
  const lowered = (options.passes ?? passes)
    .filter((pass) => pass.targets.includes(target) && (pass.exact || options.exact !== true))
    .filter((pass) => pass.only === undefined || options.exact === true)
    .filter((pass) => pass.copiesWeights !== true || options.brief !== true)
    .filter((pass) => pass.floatProducts !== true || options.int8 !== true)
    .reduce((before, pass) => {
      const after = pass.run(before);
      if (
        after.inputs.join("\0") !== before.inputs.join("\0") ||
        after.outputs.join("\0") !== before.outputs.join("\0")
      )
        throw new OnnxGradError(`lowering pass "${pass.name}" changed the inputs or outputs of graph "${graph.name}"`);
      return after;
    }, graph);
  return options.int8 === true ? int8Products(lowered) : lowered;
}
