import type { ShapeCall, ShapeRule, ShapeRules } from "./call.ts";
import { convShapes } from "./conv.ts";
import { linearShapes } from "./linear.ts";

const isByte = (dtype: string): boolean => dtype === "uint8" || dtype === "int8";

/** Bytes of the zero point's type, uint8 where there is none. */
const quantize: ShapeRule = (call) => {
  const dtype = call.has(2) ? call.dtype(2) : "uint8";
  if (!isByte(dtype)) call.fail(`its zero point must be uint8 or int8, not ${dtype}`);
  return [{ dtype, shape: call.shape(0) }];
};

const dequantize: ShapeRule = (call) => [{ dtype: call.dtype(1), shape: call.shape(0) }];

const dynamic: ShapeRule = (call) => [
  { dtype: "uint8", shape: call.shape(0) },
  { dtype: "float32", shape: [] },
  { dtype: "uint8", shape: [] },
];

/** A product of bytes has the shape of the product of numbers, and 32-bit sums. */
const ofBytes =
  (rule: ShapeRule | undefined): ShapeRule =>
  (call) => {
    for (const input of [0, 1])
      if (!isByte(call.dtype(input))) call.fail(`input ${input} must be uint8 or int8, not ${call.dtype(input)}`);
    const sums: ShapeCall = { ...call, has: (input) => input < 2 && call.has(input), dtype: () => "int32" };
    return rule?.(sums) ?? call.fail("has no rule for numbers");
  };

/** 8-bit numbers. */
export const quantiseShapes: ShapeRules = {
  QuantizeLinear: quantize,
  DequantizeLinear: dequantize,
  DynamicQuantizeLinear: dynamic,
  MatMulInteger: ofBytes(linearShapes.MatMul),
  ConvInteger: ofBytes(convShapes.Conv),
};
