import { type Dim, printShape, type Shape, sameDim } from "../graph/dim.ts";
import { itemAt } from "../graph/item-at.ts";
import type { ShapeCall, ShapeRule, ShapeRules } from "./call.ts";
import { divideDim } from "./dims.ts";

/** Sizes of an Attention node: heads and numbers per head of queries, keys and values. */
export interface AttentionSizes {
  readonly batch: Dim;
  /**
   * Whether heads lie on an axis of their own, [batch, heads, tokens, size], or side by side,
   * [batch, tokens, heads * size].
   */
  readonly apart: boolean;
  readonly heads: number;
  readonly keyHeads: number;
  readonly queries: Dim;
  readonly keys: Dim;
  readonly size: number;
  readonly valueSize: number;
}

/** Heads, tokens and size of queries, keys or values. */
function partOf(call: ShapeCall, index: number, headsName: string): { heads: number; tokens: Dim; size: number } {
  const shape: Shape = call.shape(index);
  const stated = call.int(headsName, 0);
  const heads = shape.length === 4 ? shape[1] : stated;
  const size =
    shape.length === 4 ? shape[3] : shape.length === 3 && stated > 0 ? divideDim(itemAt(shape, 2), stated) : undefined;
  if (![3, 4].includes(shape.length) || typeof heads !== "number" || typeof size !== "number" || heads < 1) {
    call.fail(`input ${index} of shape ${printShape(shape)} does not fall into heads`);
  }
  return { heads, tokens: itemAt(shape, shape.length - 2), size };
}

/** Sizes of an Attention node (ONNX, Attention, operator set 23). Fails where they do not fit. */
export function attentionSizes(call: ShapeCall): AttentionSizes {
  const apart = call.shape(0).length === 4;
  const query = partOf(call, 0, "q_num_heads");
  const key = partOf(call, 1, "kv_num_heads");
  const value = partOf(call, 2, "kv_num_heads");
  const fits =
    key.heads === value.heads &&
    query.heads % key.heads === 0 &&
    query.size === key.size &&
    sameDim(key.tokens, value.tokens);
  if (!fits) call.fail("its queries, keys and values do not fit");
  return {
    batch: itemAt(call.shape(0), 0),
    apart,
    heads: query.heads,
    keyHeads: key.heads,
    queries: query.tokens,
    keys: key.tokens,
    size: query.size,
    valueSize: value.size,
  };
}

const attention: ShapeRule = (call: ShapeCall) => {
  if ([4, 5, 6].some((index) => call.has(index))) call.fail("keys and values of the past are not supported");
  const { batch, apart, heads, queries, valueSize } = attentionSizes(call);
  const shape = apart ? [batch, heads, queries, valueSize] : [batch, queries, heads * valueSize];
  return [{ dtype: call.dtype(0), shape }];
};

/** Attention as one operator. */
export const attentionShapes: ShapeRules = { Attention: attention };
