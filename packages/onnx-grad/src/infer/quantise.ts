import type { Call, Rule, Rules } from "./call.ts";
import { CONVOLUTION } from "./conv.ts";
import { MATMUL } from "./linear.ts";

const isByte = (dtype: string): boolean => dtype === "uint8" || dtype === "int8";

/** Bytes of the zero point's type, uint8 where there is none. */
const quantize: Rule = (call) => {
  const dtype = call.has(2) ? call.dtype(2) : "uint8";
  if (!isByte(dtype)) call.fail(`its zero point must be uint8 or int8, not ${dtype}`);
  return [{ dtype, shape: call.shape(0) }];
};

const dequantize: Rule = (call) => [{ dtype: call.dtype(1), shape: call.shape(0) }];

const dynamic: Rule = (call) => [
  { dtype: "uint8", shape: call.shape(0) },
  { dtype: "float32", shape: [] },
  { dtype: "uint8", shape: [] },
];

/** A product of bytes has the shape of the product of numbers, and 32-bit sums. */
const ofBytes =
  (rule: Rule | undefined): Rule =>
  (call) => {
    for (const input of [0, 1])
      if (!isByte(call.dtype(input))) call.fail(`input ${input} must be uint8 or int8, not ${call.dtype(input)}`);
    const sums: Call = { ...call, has: (input) => input < 2 && call.has(input), dtype: () => "int32" };
    return rule?.(sums) ?? call.fail("has no rule for numbers");
  };

/** 8-bit numbers. */
export const QUANTISATION: Rules = {
  QuantizeLinear: quantize,
  DequantizeLinear: dequantize,
  DynamicQuantizeLinear: dynamic,
  MatMulInteger: ofBytes(MATMUL.MatMul),
  ConvInteger: ofBytes(CONVOLUTION.Conv),
};
