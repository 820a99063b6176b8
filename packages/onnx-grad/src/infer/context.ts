import { OnnxGradError } from "../graph/errors.ts";
import type { ValueType } from "../graph/graph.ts";
import { type Constant, isExternal } from "../graph/tensor.ts";
import type { InferContext } from "./infer.ts";

/** What shape rules may look at while a graph is made: the types and constants known so far, read when asked. */
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
