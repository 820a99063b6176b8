import type { Dim } from "onnx-grad";
import type { Layers } from "./layers.ts";

/** Options of {@link attention}. */
export interface AttentionOptions {
  readonly heads: number;
  readonly qkvBias: boolean;
  /** Added to the scores `[B, heads, T, T]` before the softmax; broadcasts. */
  readonly bias?: (scores: string) => string;
}

/**
 * Multi-head self-attention (Vaswani et al. 2017) on `x` `[B, T, C]`, modules `qkv` and `proj`. Columns of qkv are q, k, v; in each head after
 * head.
 */
export function attention(net: Layers, x: string, module: string, options: AttentionOptions): string {
  const { o } = net;
  const { heads, qkvBias, bias } = options;
  const [batch, tokens, dim] = o.shape(x) as [Dim, number, number];
  const depth = dim / heads;
  const joined = net.linear(x, `${module}.qkv`, 3 * dim, { bias: qkvBias });
  const apart = o.transpose(o.reshape(joined, [batch, tokens, 3, heads, depth]), [2, 0, 3, 1, 4]);
  const [q, k, v] = o.split(apart, [1, 1, 1], 0).map((part) => o.squeeze(part, [0])) as [string, string, string];
  const scores = o.matmul(o.mul(q, depth ** -0.5), o.swap(k));
  const weights = o.softmax(bias === undefined ? scores : bias(scores));
  const mixed = o.reshape(o.transpose(o.matmul(weights, v), [0, 2, 1, 3]), [batch, tokens, dim]);
  return net.linear(mixed, `${module}.proj`, dim);
}
