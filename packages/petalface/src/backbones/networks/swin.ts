import { float32, int64, itemAt, timesDim, tupleOf } from "onnx-grad";
import { attention } from "./attention.ts";
import { type Layers, layers, type Network } from "./layers.ts";

/** Sizes of a Swin transformer. */
export interface SwinShape {
  /** Side of the image in pixels; a multiple of `patch`. */
  readonly image: number;
  /** Side of a token in pixels. */
  readonly patch: number;
  /** Features of a token, blocks and heads of each stage. Between stages the grid's side halves. */
  readonly dims: readonly number[];
  readonly depths: readonly number[];
  readonly heads: readonly number[];
  /** Side of a window in tokens. */
  readonly window: number;
  /** Hidden features of the MLP over those of the token. */
  readonly mlp: number;
  /** Length of the embedding. */
  readonly embedding: number;
  /**
   * Whether shifted windows attend only to what lies together in the image. PETALface's networks
   * were trained without (oracle/FACTS.md).
   */
  readonly mask: boolean;
}

/** One stage: its grid of tokens and what its blocks are made of. */
interface Stage {
  readonly grid: number;
  readonly window: number;
  readonly heads: number;
  readonly mlp: number;
  readonly mask: boolean;
  /** Which row of the position table each pair of tokens takes. */
  readonly positions: string;
}

/**
 * Swin transformer (Liu et al., ICCV 2021, figure 3) with PETALface's head: patch embedding with
 * norm and absolute positions, stages of blocks with window attention, every second one shifted,
 * patch merging between stages; then all tokens side by side -> BatchNorm -> Linear -> BatchNorm.
 * Names as in the state dict of `swin_256new`.
 */
export function swin(shape: SwinShape): Network {
  const { image, patch, dims, depths, heads, window, mlp, embedding, mask } = shape;
  const net = layers("swin", image);
  const { o } = net;
  let grid = image / patch;
  let x = net.layerNorm(net.patches("patch_embed.proj", patch, itemAt(dims, 0)), "patch_embed.norm");
  x = o.add(x, net.weight("absolute_pos_embed", [1, grid * grid, itemAt(dims, 0)]));
  for (const [at, depth] of depths.entries()) {
    const side = Math.min(window, grid);
    const stage = { grid, window: side, heads: itemAt(heads, at), mlp, mask, positions: positionIndex(net, side) };
    for (let index = 0; index < depth; index++) {
      // A window as large as the grid has nothing to be shifted against.
      const shift = index % 2 === 1 && grid > window ? Math.floor(window / 2) : 0;
      x = block(net, x, `layers.${at}.blocks.${index}`, stage, shift);
    }
    if (at === depths.length - 1) break;
    x = patchMerging(net, x, `layers.${at}.downsample`, grid, itemAt(dims, at + 1));
    grid /= 2;
  }
  const flat = net.flatten(net.layerNorm(x, "norm"));
  const features = net.linear(net.batchNorm(flat, "feature_layer.0"), "feature_layer.2", embedding);
  return net.done(net.batchNorm(features, "feature_layer.3"));
}

function block(net: Layers, x: string, module: string, stage: Stage, shift: number): string {
  const attended = windowAttention(net, net.layerNorm(x, `${module}.norm1`), `${module}.attn`, stage, shift);
  const middle = net.o.add(x, attended);
  const dim = net.features(x);
  const hidden = net.linear(net.layerNorm(middle, `${module}.norm2`), `${module}.mlp.fc1`, stage.mlp * dim);
  return net.sum(middle, net.linear(net.gelu(hidden), `${module}.mlp.fc2`, dim), module);
}

/**
 * Attention inside windows of tokens; the grid is moved by `shift` before, and back after. The
 * tokens of a window are the slowest axis, then come the windows, image by image.
 */
function windowAttention(net: Layers, x: string, module: string, stage: Stage, shift: number): string {
  const { o } = net;
  const { grid, window, heads } = stage;
  const batch = itemAt(o.shape(x), 0);
  const [tokens, dim] = tupleOf(o.dims(x, 1), 2);
  const [across, area] = [grid / window, window * window];
  const cut = o.transpose(
    o.reshape(roll(net, x, grid, shift), [batch, across, window, across, window, dim]),
    [2, 4, 0, 1, 3, 5],
  );
  const windows = o.reshape(cut, [area, timesDim(batch, across * across), dim]);
  const bias = (scores: string): string => {
    const placed = o.add(scores, positionBias(net, module, stage));
    if (!stage.mask || shift === 0) return placed;
    const split = o.reshape(placed, [batch, across * across, heads, area, area]);
    return o.reshape(o.add(split, shiftMask(net, grid, window, shift)), o.shape(scores));
  };
  const mixed = attention(net, windows, module, { heads, qkvBias: true, tokensFirst: true, bias });
  const apart = o.transpose(o.reshape(mixed, [window, window, batch, across, across, dim]), [2, 3, 0, 4, 1, 5]);
  return roll(net, o.reshape(apart, [batch, tokens, dim]), grid, -shift);
}

/**
 * Moves a grid of tokens `[N, grid * grid, dim]` up and left by `by`; what leaves on one side comes
 * in on the other.
 */
function roll({ o }: Layers, x: string, grid: number, by: number): string {
  if (by === 0) return x;
  const from = (place: number): number => (place + by + grid) % grid;
  const order = Array.from({ length: grid * grid }, (_, i) => from(Math.floor(i / grid)) * grid + from(i % grid));
  return o.gather(x, o.ints(order), 1);
}

/**
 * Rows of the position table for every pair of tokens of a window, query slow: row
 * `(down + window - 1) * (2 window - 1) + right + window - 1`.
 */
function positionIndex({ o }: Layers, window: number): string {
  const area = window * window;
  const index = Array.from({ length: area * area }, (_, at) => {
    const [query, key] = [Math.floor(at / area), at % area];
    const down = Math.floor(query / window) - Math.floor(key / window);
    const right = (query % window) - (key % window);
    return (down + window - 1) * (2 * window - 1) + right + window - 1;
  });
  return o.builder.constant(int64(index), "relative_position_index");
}

/**
 * One number for each head and each pair of tokens: `[heads, area, area]` from the table
 * `[(2 window - 1)^2, heads]`.
 */
function positionBias(net: Layers, module: string, { window, heads, positions }: Stage): string {
  const { o } = net;
  const area = window * window;
  const table = net.weight(`${module}.relative_position_bias_table`, [(2 * window - 1) ** 2, heads]);
  return o.transpose(o.reshape(o.gather(table, positions), [area, area, heads]), [2, 0, 1]);
}

/**
 * -100 between tokens of a shifted window that do not lie together in the image:
 * `[windows, 1, area, area]`.
 */
function shiftMask(net: Layers, grid: number, window: number, shift: number): string {
  const across = grid / window;
  const area = window * window;
  const part = (at: number): number => (at < grid - window ? 0 : at < grid - shift ? 1 : 2);
  const region = (index: number, at: number): number => {
    const row = Math.floor(index / across) * window + Math.floor(at / window);
    const column = (index % across) * window + (at % window);
    return 3 * part(row) + part(column);
  };
  const values = Float32Array.from({ length: across * across * area * area }, (_, i) => {
    const index = Math.floor(i / (area * area));
    const [query, key] = [Math.floor(i / area) % area, i % area];
    return region(index, query) === region(index, key) ? 0 : -100;
  });
  return net.o.builder.constant(float32(values, [across * across, 1, area, area]), "attn_mask");
}

/**
 * Two by two tokens side by side as features (column by column), LayerNorm, then brought to `dim`.
 */
function patchMerging(net: Layers, x: string, module: string, grid: number, dim: number): string {
  const { o } = net;
  const [batch, from] = [itemAt(o.shape(x), 0), o.dim(x, 2)];
  const half = grid / 2;
  const cut = o.transpose(o.reshape(x, [batch, half, 2, half, 2, from]), [0, 1, 3, 4, 2, 5]);
  const four = o.reshape(cut, [batch, half * half, 4 * from]);
  return net.linear(net.layerNorm(four, `${module}.norm`), `${module}.reduction`, dim, { bias: false });
}
