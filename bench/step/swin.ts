import { type Graph, GraphBuilder, ops, sizeOf } from "onnx-grad";
import { drawer, drawFloats } from "../skeleton/statistics.ts";

/** Sizes of {@link swinBlocks}. */
export interface SwinSizes {
  readonly blocks: number;
  readonly dim: number;
  readonly heads: number;
  /** Side of the square of tokens. */
  readonly grid: number;
  /** Side of a window. */
  readonly window: number;
}

/**
 * Swin blocks (Liu et al. 2021, figure 3b) on tokens `[1, grid * grid, dim]`, every second one
 * shifted by half a window, without the shift's mask (as PETALface runs them); the embedding is the
 * mean over tokens `[1, dim]`. Weights are drawn from a fixed seed.
 */
export function swinBlocks({ blocks, dim, heads, grid, window }: SwinSizes): Graph {
  const b = new GraphBuilder({ name: "swin", opset: 20 });
  const o = ops(b);
  const draw = drawer(1);
  const weight = (name: string, dims: readonly number[], spread: number, middle = 0): string =>
    b.constant({ dtype: "float32", dims, data: drawFloats(draw, sizeOf(dims), spread, middle) }, name);
  const linear = (x: string, name: string, from: number, to: number): string =>
    o.add(o.matmul(x, weight(`${name}.weight`, [from, to], 1 / Math.sqrt(from))), weight(`${name}.bias`, [to], 0.1));
  const norm = (x: string, name: string): string => {
    const inputs = [x, weight(`${name}.weight`, [dim], 0.1, 1), weight(`${name}.bias`, [dim], 0.1)];
    return b.add("LayerNormalization", inputs, { axis: { int: -1 }, epsilon: { float: 1e-5 } });
  };
  const [tokens, side, area, depth] = [grid * grid, grid / window, window * window, dim / heads];
  const batch = b.input("tokens", { dtype: "float32", shape: [1, tokens, dim] });
  const roll = (x: string, by: number): string => {
    const from = (place: number): number => (place + by + grid) % grid;
    const order = Array.from({ length: tokens }, (_, i) => from(Math.floor(i / grid)) * grid + from(i % grid));
    return o.gather(x, o.ints(order), 1);
  };

  let x = batch;
  for (let block = 0; block < blocks; block++) {
    const name = `blocks.${block}`;
    const shift = block % 2 === 1 ? Math.floor(window / 2) : 0;
    let h = norm(x, `${name}.norm1`);
    if (shift > 0) h = roll(h, shift);
    h = o.transpose(o.reshape(h, [1, side, window, side, window, dim]), [2, 4, 0, 1, 3, 5]);
    const windows = o.reshape(h, [area, side * side, dim]);
    const [q, k, v] = o
      .split(linear(windows, `${name}.qkv`, dim, 3 * dim), [dim, dim, dim], 2)
      .map((part) => o.transpose(o.reshape(part, [area, side * side, heads, depth]), [1, 2, 0, 3])) as [
      string,
      string,
      string,
    ];
    const scores = o.add(
      o.mul(o.matmul(q, o.swap(k)), depth ** -0.5),
      weight(`${name}.bias`, [1, heads, area, area], 0.5),
    );
    const mixed = o.matmul(b.add("Softmax", [scores], { axis: { int: -1 } }), v);
    const joined = o.reshape(o.transpose(mixed, [2, 0, 1, 3]), [area, side * side, dim]);
    let y = o.reshape(linear(joined, `${name}.proj`, dim, dim), [window, window, 1, side, side, dim]);
    y = o.reshape(o.transpose(y, [2, 3, 0, 4, 1, 5]), [1, tokens, dim]);
    if (shift > 0) y = roll(y, -shift);
    x = o.add(x, y);
    const wide = b.add("Gelu", [linear(norm(x, `${name}.norm2`), `${name}.fc1`, dim, 4 * dim)]);
    x = o.add(x, linear(wide, `${name}.fc2`, 4 * dim, dim));
  }
  return b.build([o.reduceMean(x, [1], false)]);
}
