import { printShape, type Shape } from "../graph/dim.ts";
import { dtypeOfCode } from "../graph/dtypes.ts";
import type { ValueType } from "../graph/graph.ts";
import { present, type ShapeCall, type ShapeRule, type ShapeRules, sharedDType } from "./call.ts";
import { broadcast } from "./dims.ts";

/** Shape of the inputs `from`, `from + 1`, ... broadcast together. */
export function broadcastInputs(call: ShapeCall, indices: readonly number[]): Shape {
  return indices.reduce<Shape>((shape, index) => {
    const next = call.shape(index);
    return (
      broadcast(shape, next) ??
      call.fail(`inputs of shape ${printShape(shape)} and ${printShape(next)} do not broadcast`)
    );
  }, []);
}

/** The type of the first input, for operators that keep it. */
export const same: ShapeRule = (call) => [call.type(0)];

/** Broadcasting over all inputs, which share one element type. */
const broadcasting: ShapeRule = (call: ShapeCall) => {
  if (call.node.inputs.length === 0) call.fail("it has no inputs");
  const indices = call.node.inputs.map((_, index) => index);
  return [{ dtype: sharedDType(call, indices), shape: broadcastInputs(call, indices) }];
};

const binary: ShapeRule = (call) => [{ dtype: sharedDType(call, [0, 1]), shape: broadcastInputs(call, [0, 1]) }];

const comparison: ShapeRule = (call: ShapeCall) => {
  sharedDType(call, [0, 1]);
  return [{ dtype: "bool", shape: broadcastInputs(call, [0, 1]) }];
};

const where: ShapeRule = (call: ShapeCall) => {
  if (call.dtype(0) !== "bool") call.fail("its condition must be boolean");
  return [{ dtype: sharedDType(call, [1, 2]), shape: broadcastInputs(call, [0, 1, 2]) }];
};

const cast: ShapeRule = (call: ShapeCall) => {
  const code = call.int("to", 0);
  const dtype = dtypeOfCode(code) ?? call.fail(`element type ${code} is not supported`);
  return [{ dtype, shape: call.shape(0) }];
};

const prelu: ShapeRule = (call: ShapeCall) => {
  const shape = call.shape(0);
  const slope = call.shape(1);
  const result = broadcast(shape, slope);
  if (result?.length !== shape.length) {
    call.fail(`slope of shape ${printShape(slope)} does not broadcast to ${printShape(shape)}`);
  }
  return [{ dtype: call.dtype(0), shape: result }];
};

/** Bounds are attributes until operator set 11, optional inputs since. */
const clip: ShapeRule = (call) => [{ dtype: sharedDType(call, [0, ...present(call, [1, 2])]), shape: call.shape(0) }];

const dropout: ShapeRule = (call: ShapeCall) => {
  const type = call.type(0);
  const mask: ValueType = { dtype: call.opset < 10 ? type.dtype : "bool", shape: type.shape };
  return [type, mask];
};

const table = (ops: string, rule: ShapeRule): ShapeRules => Object.fromEntries(ops.split(" ").map((op) => [op, rule]));

/** Operators that work element by element. */
export const elementwiseShapes: ShapeRules = {
  ...table("Relu LeakyRelu Elu Selu Celu ThresholdedRelu Neg Sqrt Exp Log Erf Tanh Sigmoid Abs Sign", same),
  ...table("Reciprocal Floor Ceil Round Sin Cos Tan Asin Acos Atan Softplus Softsign HardSigmoid HardSwish Mish", same),
  ...table("Sinh Cosh Asinh Acosh Atanh Swish", same),
  ...table("Not Identity Gelu com.microsoft:Gelu com.microsoft:QuickGelu", same),
  ...table("Add Sub Mul Div And Or Xor Mod", binary),
  ...table("Min Max Sum Mean", broadcasting),
  ...table("Equal Greater Less GreaterOrEqual LessOrEqual", comparison),
  // The exponent of Pow may have an element type of its own.
  Pow: (call) => [{ dtype: call.dtype(0), shape: broadcastInputs(call, [0, 1]) }],
  ...table("IsNaN IsInf", (call) => [{ dtype: "bool", shape: call.shape(0) }]),
  CastLike: (call) => [{ dtype: call.dtype(1), shape: call.shape(0) }],
  Where: where,
  Cast: cast,
  PRelu: prelu,
  Clip: clip,
  Dropout: dropout,
};
