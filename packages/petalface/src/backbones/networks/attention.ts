import { tupleOf } from "onnx-grad";
import type { Layers } from "./layers.ts";

/** Options of {@link attention}. */
export interface AttentionOptions {
  readonly heads: number;
  readonly qkvBias: boolean;
  /**
   * Whether `x` is `[T, B, C]`. Then no numbers have to be moved before the products of the heads:
   * onnxruntime reads them where they are.
   */
  readonly tokensFirst?: boolean;
  /** Added to the scores `[B, heads, T, T]` before the softmax; broadcasts. */
  readonly bias?: (scores: string) => string;
}

/**
 * Multi-head self-attention (Vaswani et al. 2017) on `x` `[B, T, C]`, modules `qkv` and `proj`.
 * Columns of qkv are q, k, v; in each head after head.
 */
export function attention(net: Layers, x: string, module: string, options: AttentionOptions): string {
  const { o } = net;
  const { heads, qkvBias, bias, tokensFirst = false } = options;
  const [slow, fast] = tupleOf(o.shape(x).slice(0, 2), 2);
  const dim = o.dim(x, 2);
  const joined = net.linear(x, `${module}.qkv`, 3 * dim, { bias: qkvBias });
  const parts = o.split(joined, [dim, dim, dim], 2);
  const byHead = (part: string): string =>
    o.transpose(o.reshape(part, [slow, fast, heads, dim / heads]), tokensFirst ? [1, 2, 0, 3] : [0, 2, 1, 3]);
  const [q, k, v] = tupleOf(parts.map(byHead), 3);
  const scores = o.mul(o.matmul(q, o.swap(k)), (dim / heads) ** -0.5);
  const weights = o.softmax(bias === undefined ? scores : bias(scores));
  const back = o.transpose(o.matmul(weights, v), tokensFirst ? [2, 0, 1, 3] : [0, 2, 1, 3]);
  const mixed = o.reshape(back, [slow, fast, dim]);
  return net.linear(mixed, `${module}.proj`, dim);
}
