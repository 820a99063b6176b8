import { activation } from "./rules/activation.ts";
import { conv } from "./rules/conv.ts";
import { elementwise } from "./rules/elementwise.ts";
import { gather } from "./rules/gather.ts";
import { linear } from "./rules/linear.ts";
import { norm } from "./rules/norm.ts";
import { pool } from "./rules/pool.ts";
import { reduce } from "./rules/reduce.ts";
import { resample } from "./rules/resample.ts";
import type { GradientRule } from "./rules/rule.ts";
import { shape } from "./rules/shape.ts";

/**
 * Operator -> vector-Jacobian product, for standard ONNX operators in the forms of operator set 18
 * and later.
 */
export const rules: ReadonlyMap<string, GradientRule> = new Map(
  [elementwise, activation, linear, conv, norm, pool, reduce, shape, gather, resample].flatMap((family) =>
    Object.entries(family),
  ),
);
