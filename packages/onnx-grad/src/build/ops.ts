import { type Dim, printShape, type Shape, timesDim } from "../graph/dim.ts";
import { OnnxGradError } from "../graph/errors.ts";
import type { GraphBuilder } from "./builder.ts";
import { elementwise } from "./elementwise.ts";
import { gathering } from "./gather.ts";
import { linear } from "./linear.ts";
import { reducing } from "./reduce.ts";
import { shaping } from "./shape.ts";
import { valuesOf } from "./values.ts";

export type { Operand } from "./elementwise.ts";
export type { Window } from "./linear.ts";
export { filled } from "./values.ts";

/** The builders that {@link ops} makes. */
export type Ops = ReturnType<typeof ops>;

/**
 * One small builder per operator over `b`, in the forms of operator set 18 and later. Values are
 * names. Scalars and shape constants are made once. Builders drop work that changes nothing (a
 * transpose into the same order).
 */
export function ops(b: GraphBuilder) {
  const values = valuesOf(b);
  const elements = elementwise(values);
  const { intern: _, ...shared } = values;
  return {
    ...shared,
    ...elements,
    ...linear(values),
    ...shaping(values, elements.where),
    ...gathering(values),
    ...reducing(values),
  };
}

/** The product of dimensions of which at most one is open. */
export function productOf(dims: Shape): Dim {
  return dims.reduce<Dim>((product, dim) => {
    if (typeof dim === "number") return timesDim(product, dim);
    if (typeof product === "number") return timesDim(dim, product);
    throw new OnnxGradError(`two open dimensions in ${printShape(dims)}`);
  }, 1);
}

/**
 * 1 where x > 0, else 0, as numbers of x's dtype: multiplying by it is faster than Where on
 * onnxruntime's CPU provider.
 */
export const positive = (o: Ops, x: string): string => o.cast(o.greater(x, 0), o.dtype(x));
