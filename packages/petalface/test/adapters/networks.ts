import { type Dim, type Graph, GraphBuilder, itemAt, lastOf, type Ops, ops, type Shape, setBatch } from "onnx-grad";
import type { Backbone } from "../../src/backbones/index.ts";
import { random } from "../../src/random.ts";

/** What a small network is made of: the builder's operators, and weights that differ. */
export interface Kit {
  readonly o: Ops;
  weights(...dims: number[]): string;
}

/**
 * A backbone made here: `body` takes the image [1, 3, size, size] to the embedding [1, width]; its
 * batch is opened as that of a file, or open from the start.
 */
export function backboneOf(
  size: number,
  width: number,
  body: (kit: Kit, image: string) => string,
  batch: Dim = 1,
): Backbone {
  const b = new GraphBuilder({ name: "network", opset: 18 });
  const stream = random("network", 1);
  const weights = (...dims: number[]): string => {
    const count = dims.reduce((product, dim) => product * dim, 1);
    const spread = 1 / Math.sqrt(Math.max(1, dims.length > 1 ? count / Math.max(...dims.slice(0, 2)) : 4));
    return b.constant(
      { dtype: "float32", dims, data: Float32Array.from({ length: count }, () => spread * stream.normal()) },
      "weight",
    );
  };
  const image = b.input("image", { dtype: "float32", shape: [batch, 3, size, size] });
  const output = body({ o: ops(b), weights }, image);
  return wrap(setBatch(b.build([output]), "N"), size, width);
}

/** A backbone around a graph whose batch is open. */
export function wrap(graph: Graph, size: number, width: number): Backbone {
  const [input = "", output = ""] = [graph.inputs[0], graph.outputs[0]];
  const mean = [127.5, 127.5, 127.5] as const;
  const scale = [1 / 127.5, 1 / 127.5, 1 / 127.5] as const;
  const spec = { name: "network", sha256: "0".repeat(64), mean, scale, channels: "rgb" } as const;
  return { path: "network.onnx", spec, graph, input, output, size, width, parameters: 1 };
}

const sizes = (o: Ops, x: string): number[] => o.shape(x).map((dim) => dim as number);

function norm({ o, weights }: Kit, x: string): string {
  const width = o.dim(x, -1);
  return o.builder.add("LayerNormalization", [x, o.add(weights(width), 1), weights(width)], { axis: { int: -1 } });
}

const gelu = ({ o }: Kit, x: string): string => o.mul(o.mul(x, 0.5), o.add(o.erf(o.div(x, Math.SQRT2)), 1));

const linear = ({ o, weights }: Kit, x: string, to: number): string =>
  o.add(o.matmul(x, weights(o.dim(x, -1), to)), weights(to));

/** Patches of the image as tokens in a grid: [N, side, side, dim]. */
function patches({ o, weights }: Kit, image: string, patch: number, dim: number): string {
  const conv = o.conv(image, weights(dim, 3, patch, patch), { strides: [patch, patch] }, weights(dim));
  return o.transpose(conv, [0, 2, 3, 1]);
}

/**
 * Attention on [B, T, C] with its heads folded into the batch; `mask` [windows, T, T] is added to
 * the scores of each image's windows.
 */
function attention(kit: Kit, x: string, heads: number, mask?: string): string {
  const { o, weights } = kit;
  const [folded = 1, tokens = 1, dim = 1] = sizes(o, x);
  const depth = dim / heads;
  const qkv = o.transpose(o.reshape(linear(kit, x, 3 * dim), [folded, tokens, 3, heads, depth]), [2, 0, 3, 1, 4]);
  const [q, k, v] = o.split(qkv, [1, 1, 1], 0).map((part) => o.reshape(part, [folded * heads, tokens, depth])) as [
    string,
    string,
    string,
  ];
  let scores = o.mul(o.matmul(q, o.swap(k)), 1 / Math.sqrt(depth));
  scores = o.add(o.reshape(scores, [folded, heads, tokens, tokens]), weights(heads, tokens, tokens));
  if (mask !== undefined) {
    const [windows = 1] = sizes(o, mask);
    const split = o.reshape(scores, [folded / windows, windows, heads, tokens, tokens]);
    scores = o.reshape(o.add(split, o.unsqueeze(mask, [0, 2])), [folded, heads, tokens, tokens]);
  }
  const mixed = o.matmul(o.softmax(o.reshape(scores, [folded * heads, tokens, tokens])), v);
  const joined = o.transpose(o.reshape(mixed, [folded, heads, tokens, depth]), [0, 2, 1, 3]);
  return linear(kit, o.reshape(joined, [folded, tokens, dim]), dim);
}

/** Moves a grid around its edges: what leaves on one side comes in on the other. */
function roll({ o }: Kit, x: string, by: number): string {
  return [1, 2].reduce((value, axis) => {
    const side = itemAt(sizes(o, value), axis);
    const cut = by > 0 ? side - by : -by;
    return o.concat([o.slice(value, [cut], [side], [axis]), o.slice(value, [0], [cut], [axis])], axis);
  }, x);
}

export interface SwinShape {
  /** Side of a window in tokens; the grid has `across` x `across` windows. */
  readonly window: number;
  readonly across: number;
  readonly heads: number;
  readonly depth: number;
}

/**
 * Window attention on a grid [N, side, side, C]: partition, attention with heads in the batch,
 * reverse. `shift` moves the grid before and back after.
 */
function windowed(kit: Kit, x: string, { window, across, heads }: SwinShape, shift: number): string {
  const { o, weights } = kit;
  const [batch = 1, side = 1, , dim = 1] = sizes(o, x);
  const moved = shift > 0 ? roll(kit, x, -shift) : x;
  const cut = o.transpose(o.reshape(moved, [batch, across, window, across, window, dim]), [0, 1, 3, 2, 4, 5]);
  const tokens = window * window;
  const mask = shift > 0 ? weights(across * across, tokens, tokens) : undefined;
  const attended = attention(kit, o.reshape(cut, [batch * across * across, tokens, dim]), heads, mask);
  const grid = o.transpose(o.reshape(attended, [batch, across, across, window, window, dim]), [0, 1, 3, 2, 4, 5]);
  const back = o.reshape(grid, [batch, side, side, dim]);
  return shift > 0 ? roll(kit, back, shift) : back;
}

/** Two layers on rows [N * T, C], as Gemm. */
function mlp(kit: Kit, x: string): string {
  const { o, weights } = kit;
  const shape = sizes(o, x);
  const dim = lastOf(shape);
  const rows = o.reshape(x, [shape.reduce((product, size) => product * size, 1) / dim, dim]);
  const hidden = gelu(kit, o.gemm(rows, weights(2 * dim, dim), { c: weights(2 * dim), transB: true }));
  return o.reshape(o.gemm(hidden, weights(2 * dim, dim), { c: weights(dim) }), shape);
}

/** Every other row and column, four ways, joined as features and brought to twice the width. */
function merging({ o, weights }: Kit, x: string): string {
  const side = itemAt(sizes(o, x), 1);
  const dim = itemAt(sizes(o, x), 3);
  const parts = [0, 1].flatMap((column) =>
    [0, 1].map((row) => o.slice(x, [row, column], [side, side], [1, 2], [2, 2])),
  );
  return o.matmul(o.concat(parts, 3), weights(4 * dim, 2 * dim));
}

/**
 * A small Swin: blocks with and without a shift, patch merging, a block of one window, mean, head.
 * 2 x 2 pixels a token.
 */
export function swin(shape: SwinShape): Backbone {
  const { window, across, heads, depth } = shape;
  const side = window * across;
  return backboneOf(2 * side, 6, (kit, image) => {
    const { o, weights } = kit;
    let x = patches(kit, image, 2, heads * depth);
    for (const shift of across > 1 ? [0, Math.ceil(window / 2)] : [0]) {
      x = o.add(x, windowed(kit, norm(kit, x), shape, shift));
      x = o.add(x, mlp(kit, norm(kit, x)));
    }
    if (side % 2 === 0) {
      x = merging(kit, x);
      const all = { ...shape, window: side / 2, across: 1 };
      x = o.add(x, windowed(kit, norm(kit, x), all, 0));
    }
    return o.gemm(o.reduceMean(x, [1, 2], false), weights(o.dim(x, -1), 6));
  });
}

/** A small ViT of one block with a class token. */
export const vit = (): Backbone =>
  backboneOf(8, 5, (kit, image) => {
    const { o, weights } = kit;
    const grid = patches(kit, image, 2, 8);
    let x = o.concat([weights(1, 1, 8), o.reshape(grid, [1, 16, 8])], 1);
    x = o.add(x, weights(1, 17, 8));
    x = o.add(x, attention(kit, norm(kit, x), 2));
    x = o.add(x, linear(kit, gelu(kit, linear(kit, norm(kit, x), 16)), 8));
    return linear(kit, o.reshape(o.slice(x, [0], [1], [1]), [1, 8]), 5);
  });

/**
 * Layers with the batch in every other place: sequence-first, token-major rows, features first with
 * the weight on the left, folded convolutions.
 */
export const unusual = (): Backbone => backboneOf(8, 5, unusualBody, n(1));

const n = (times: number): Dim => ({ symbol: "N", times });

function unusualBody(kit: Kit, image: string): string {
  const { o, weights } = kit;
  const windows = o.reshape(o.transpose(o.reshape(image, [n(1), 3, 2, 4, 2, 4]), [0, 2, 4, 1, 3, 5]), [n(4), 3, 4, 4]);
  const near = o.tanh(o.conv(windows, weights(6, 3, 3, 3), { pads: [1, 1, 1, 1] }));
  const pointwise = o.conv(near, weights(6, 6, 1, 1));
  const tokens = o.transpose(o.reshape(pointwise, [n(1), 4, 6, 16]), [0, 1, 3, 2]);
  const sequence = o.transpose(o.reshape(tokens, [n(1), 64, 6]), [1, 0, 2]);
  const first = o.tanh(o.matmul(sequence, weights(6, 7)));
  const rows = o.tanh(o.gemm(o.reshape(first, [n(64), 7]), weights(7, 7), { c: weights(7) }));
  const middle = o.transpose(o.reshape(rows, [4, 16, n(1), 7]), [0, 2, 1, 3]);
  const outerInner = o.tanh(o.matmul(o.reshape(middle, [n(64), 7]), weights(7, 7)));
  const columns = o.transpose(outerInner, [1, 0]);
  const left = o.tanh(o.matmul(weights(5, 7), columns));
  const leftGemm = o.tanh(o.gemm(weights(5, 5), left));
  const turned = o.gemm(leftGemm, weights(5, 6), { transA: true });
  const apart = o.transpose(o.reshape(turned, [4, n(1), 16, 6]), [1, 0, 3, 2]);
  const stacked = o.tanh(o.matmul(weights(3, 6), apart));
  return o.matmul(o.reshape(stacked, [n(1), 4 * 3 * 16]), weights(4 * 3 * 16, 5));
}

/** The shape of a value, for expectations. */
export const shapeIn = (backbone: Backbone, value: string): Shape => backbone.graph.types.get(value)?.shape ?? [];
