import { attention } from "./attention.ts";
import { type Layers, layers, type Network } from "./layers.ts";

/** Sizes of a vision transformer. */
export interface VitShape {
  /** Side of the image in pixels. Rows and columns that do not fill a patch are never read. */
  readonly image: number;
  /** Side of a token in pixels. */
  readonly patch: number;
  /** Features of a token. */
  readonly dim: number;
  /** Blocks. */
  readonly depth: number;
  readonly heads: number;
  /** Hidden features of the MLP over those of the token. */
  readonly mlp: number;
  /** Length of the embedding. */
  readonly embedding: number;
}

/** Name of the input that says which tokens a masked network keeps. */
export const keptTokens = "kept_tokens";

/** Epsilon of the head's batch normalisations. */
const headEpsilon = 2e-5;

/**
 * Vision transformer (Dosovitskiy et al. 2021, figure 1) as arcface_torch has it: no class token,
 * ReLU6 in the MLP, and a head over all tokens side by side: Linear -> BatchNorm -> Linear ->
 * BatchNorm. Names as in its state dict.
 *
 * @param kept with it the network is the one that arcface_torch trains: only so many tokens of each
 * image pass through the blocks, in the order that the input {@link keptTokens} `[N, kept, tokens]`
 * says (one 1 a row); `mask_token` stands for the others in the head
 */
export function vit(shape: VitShape, kept?: number): Network {
  const { image, patch, dim, depth, embedding } = shape;
  const net = layers("vit", image);
  const { o } = net;
  const side = Math.floor(image / patch);
  const maskToken = net.weight("mask_token", [1, 1, dim]);
  let x = o.add(net.patches("patch_embed.proj", patch, dim), net.weight("pos_embed", [1, side * side, dim]));
  const keep = kept === undefined ? undefined : net.input(keptTokens, [kept, side * side]);
  if (keep !== undefined) x = o.matmul(keep, x);
  for (let index = 0; index < depth; index++) x = block(net, x, `blocks.${index}`, shape);
  x = net.layerNorm(x, "norm");
  if (keep !== undefined) {
    const placed = o.swap(keep);
    const missing = o.sub(1, o.reduceSum(placed, [2], true));
    x = o.add(o.matmul(placed, x), o.mul(missing, maskToken));
  }
  const flat = net.flatten(x);
  const narrow = net.linear(flat, "feature.0", dim, { bias: false });
  const features = net.linear(net.batchNorm(narrow, "feature.1", { epsilon: headEpsilon }), "feature.2", embedding, {
    bias: false,
  });
  return net.done(net.batchNorm(features, "feature.3", { epsilon: headEpsilon }));
}

function block(net: Layers, x: string, module: string, { dim, heads, mlp }: VitShape): string {
  const { o } = net;
  const attended = attention(net, net.layerNorm(x, `${module}.norm1`), `${module}.attn`, { heads, qkvBias: false });
  const middle = o.add(x, attended);
  const hidden = net.linear(net.layerNorm(middle, `${module}.norm2`), `${module}.mlp.fc1`, mlp * dim);
  return net.sum(middle, net.linear(o.clip(hidden, 0, 6), `${module}.mlp.fc2`, dim), module);
}
