import { dtypeCode } from "../graph/dtypes.ts";
import type { Attributes } from "../graph/graph.ts";
import { itemAt } from "../graph/item-at.ts";
import type { DType } from "../graph/tensor.ts";
import { int, type Values } from "./values.ts";

/**
 * An operand of an elementwise operator: the name of a value, or a number that becomes a scalar of
 * the other operand's dtype.
 */
export type Operand = string | number;

/** Operators of one element at a time, on operands that broadcast. */
export function elementwise({ builder: b, dtype, scalar }: Values) {
  const unary =
    (op: string, attributes: Attributes = {}) =>
    (x: string): string =>
      b.add(op, [x], attributes);
  const binary =
    (op: string) =>
    (x: Operand, y: Operand): string => {
      if (typeof x === "string") return b.add(op, [x, typeof y === "number" ? scalar(y, dtype(x)) : y]);
      return b.add(op, typeof y === "string" ? [scalar(x, dtype(y)), y] : [scalar(x), scalar(y)]);
    };
  const where = (condition: string, x: Operand, y: Operand): string => {
    const like = typeof x === "string" ? dtype(x) : typeof y === "string" ? dtype(y) : "float32";
    const operand = (value: Operand) => (typeof value === "number" ? scalar(value, like) : value);
    return b.add("Where", [condition, operand(x), operand(y)]);
  };

  return {
    add: binary("Add"),
    sub: binary("Sub"),
    mul: binary("Mul"),
    div: binary("Div"),
    pow: binary("Pow"),
    less: binary("Less"),
    lessOrEqual: binary("LessOrEqual"),
    greater: binary("Greater"),
    greaterOrEqual: binary("GreaterOrEqual"),
    equal: binary("Equal"),
    min: binary("Min"),
    max: binary("Max"),
    and: binary("And"),
    or: binary("Or"),
    prelu: binary("PRelu"),
    not: unary("Not"),
    neg: unary("Neg"),
    abs: unary("Abs"),
    sign: unary("Sign"),
    sqrt: unary("Sqrt"),
    exp: unary("Exp"),
    log: unary("Log"),
    sin: unary("Sin"),
    cos: unary("Cos"),
    acos: unary("Acos"),
    tanh: unary("Tanh"),
    sigmoid: unary("Sigmoid"),
    erf: unary("Erf"),
    softplus: unary("Softplus"),
    relu: unary("Relu"),
    reciprocal: unary("Reciprocal"),
    identity: unary("Identity"),
    /** `x` held within [low, high]. */
    clip: (x: string, low: number, high: number): string =>
      b.add("Clip", [x, scalar(low, dtype(x)), scalar(high, dtype(x))]),
    /** The sum of one or more values. */
    sum: (values: readonly string[]): string =>
      values.length === 1 ? itemAt(values, 0) : b.add(values.length === 2 ? "Add" : "Sum", values),
    cast: (x: string, to: DType): string => (dtype(x) === to ? x : b.add("Cast", [x], { to: int(dtypeCode(to)) })),
    where,
  };
}
