import { type Dim, isStatic, printShape, type Shape } from "../graph/dim.ts";
import { OnnxGradError } from "../graph/errors.ts";
import type { Graph, Node, ValueType } from "../graph/graph.ts";
import { freshNames } from "../graph/names.ts";
import type { Constant } from "../graph/tensor.ts";
import type { InferContext } from "../infer/context.ts";
import { contextOf } from "../infer/context.ts";
import { type BatchPlace, withOpenBatch } from "./place.ts";

/** A graph in the making whose batch is being opened, node by node. */
export interface Opening {
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

/** An opening that has no nodes yet. */
export function startOpening(old: Graph, symbol: string, batch: number): Opening {
  const types = new Map<string, ValueType>();
  const constants = new Map(old.constants);
  const dims = new Map<string, readonly Dim[]>();
  const taken = new Set([...old.types.keys(), ...constants.keys()]);
  const context: InferContext = {
    ...contextOf(old.opset, types, constants),
    dims: (name) => dims.get(name),
  };
  const fresh = freshNames(taken);
  return { old, symbol, batch, nodes: [], types, constants, places: new Map(), dims, context, fresh };
}

/** Records a value whose old shape holds the batch at `place`. */
export function carry(opening: Opening, name: string, old: ValueType, place: BatchPlace): void {
  opening.places.set(name, place);
  opening.types.set(name, { dtype: old.dtype, shape: withOpenBatch(fixedShape(old.shape), place, opening.symbol) });
}

/** A shape of the old graph, which must be fixed. */
export function fixedShape(shape: Shape): readonly number[] {
  if (!isStatic(shape)) throw new OnnxGradError(`shape ${printShape(shape)} is open already`);
  return shape;
}

/** The shape of a value before the batch was opened. */
export const oldShape = ({ old }: Opening, name: string): readonly number[] =>
  fixedShape(old.types.get(name)?.shape ?? old.constants.get(name)?.dims ?? []);
