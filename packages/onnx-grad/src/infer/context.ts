import type { Dim } from "../graph/dim.ts";
import { OnnxGradError } from "../graph/errors.ts";
import type { ValueType } from "../graph/graph.ts";
import { type Constant, isExternal, type Tensor } from "../graph/tensor.ts";

/** What a shape rule may look at. */
export interface InferContext {
  /** Type of a value that is already defined. */
  type(name: string): ValueType;
  /** The numbers of a value that is a constant in memory (shapes, axes, pads). */
  tensor(name: string): Tensor | undefined;
  /**
   * Elements of an integer vector that is computed from shapes and may hold the open batch;
   * optional.
   */
  dims?(name: string): readonly Dim[] | undefined;
  /** Version of the standard operator set. */
  readonly opset: number;
}

/**
 * What shape rules may look at while a graph is made: the types and constants known so far, read
 * when asked.
 */
export function contextOf(
  opset: number,
  types: ReadonlyMap<string, ValueType>,
  constants: ReadonlyMap<string, Constant>,
): Pick<InferContext, "opset" | "type" | "tensor"> {
  return {
    opset,
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
  };
}
