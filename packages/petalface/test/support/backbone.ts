import { GraphBuilder, itemAt, ops, writeModel } from "onnx-grad";
import type { AdapterConfig } from "../../src/adapters/index.ts";
import { random } from "../../src/random.ts";

/** Side of the tiny network's input in pixels, and length of its embedding. */
export const tinySize = 16;
export const tinyWidth = 6;

/**
 * A network of a few hundred random weights with everything that adapters meet: strided and 1x1
 * convolutions, a depthwise one, PReLU, a clipped ReLU, a residual sum and a final Gemm. Batch
 * fixed at 1, as many face models come.
 *
 * @param inside nodes in front of the network, such as a normalisation: from its input to what the
 * network takes
 */
export async function writeTinyBackbone(
  path: string,
  seed = 1,
  size = tinySize,
  inside: (b: GraphBuilder, image: string) => string = (_, image) => image,
): Promise<void> {
  const b = new GraphBuilder({ name: "tiny", opset: 18 });
  const o = ops(b);
  const stream = random("tiny backbone", seed);
  const weights = (...dims: number[]): string => {
    const count = dims.reduce((product, dim) => product * dim, 1);
    const fanIn = Math.max(1, count / itemAt(dims, 0));
    return b.constant(
      {
        dtype: "float32",
        dims,
        data: Float32Array.from({ length: count }, () => stream.normal() / Math.sqrt(fanIn)),
      },
      "weight",
    );
  };
  const conv = (
    x: string,
    out: number,
    inside: number,
    kernel: number,
    options: { strides?: number[]; group?: number } = {},
  ): string => {
    const pad = (kernel - 1) / 2;
    return o.conv(x, weights(out, inside, kernel, kernel), { ...options, pads: [pad, pad, pad, pad] }, weights(out));
  };
  const image = inside(b, b.input("image", { dtype: "float32", shape: [1, 3, size, size] }));
  const stem = o.prelu(conv(image, 8, 3, 3, { strides: [2, 2] }), weights(8, 1, 1));
  const wide = o.clip(conv(stem, 12, 8, 1), 0, 6);
  const spread = o.relu(conv(wide, 12, 1, 3, { group: 12, strides: [2, 2] }));
  const narrow = conv(spread, 8, 12, 1);
  const sum = o.add(narrow, conv(narrow, 8, 8, 1));
  const flat = b.add("Reshape", [sum, b.constant({ dtype: "int64", dims: [2], data: BigInt64Array.of(1n, -1n) })]);
  const embedding = o.gemm(flat, weights(8 * (size / 4) ** 2, tinyWidth), { c: weights(tinyWidth) });
  await writeModel(b.build([embedding]), path);
}

/**
 * A network of products only: patches as tokens `[N, 16, 48]`, two MatMuls on every token, their
 * mean, a last MatMul. Batch fixed at 1.
 */
export async function writeTinyMixer(path: string): Promise<void> {
  const b = new GraphBuilder({ name: "mixer", opset: 18 });
  const o = ops(b);
  const stream = random("tiny mixer", 1);
  const weights = (rows: number, columns: number): string =>
    o.floats(
      Float32Array.from({ length: rows * columns }, () => stream.normal() / Math.sqrt(rows)),
      [rows, columns],
    );
  const image = b.input("image", { dtype: "float32", shape: [1, 3, tinySize, tinySize] });
  const patches = o.transpose(o.reshape(image, [1, 3, 4, 4, 4, 4]), [0, 2, 4, 1, 3, 5]);
  const tokens = o.reshape(patches, [1, 16, 48]);
  const mixed = o.matmul(o.relu(o.matmul(tokens, weights(48, 20))), weights(20, 20));
  await writeModel(b.build([o.matmul(o.reduceMean(mixed, [1], false), weights(20, tinyWidth))]), path);
}

/** The plainest adapter on layers of the tiny network. */
export const tinyAdapter = (sites: readonly string[], gate: AdapterConfig["gate"] = "low"): AdapterConfig => ({
  method: "lora",
  gate,
  rank: 4,
  scale: 1,
  sites,
  backbone: { name: "tiny", sha256: "" },
  calibration: { measure: "sharpness", low: 0, high: 20 },
});

/**
 * Writes a recogniser of pictures of 16 px that divides by its picture's deviation: one of a single
 * colour has no finite embedding.
 */
export async function writeWhitened(path: string): Promise<void> {
  const b = new GraphBuilder({ name: "whitened", opset: 18 });
  const o = ops(b);
  const stream = random("whitened", 1);
  const image = b.input("image", { dtype: "float32", shape: [1, 3, 16, 16] });
  const flat = o.reshape(image, [1, 768]);
  const centred = o.sub(flat, o.reduceMean(flat, [1], true));
  const unit = o.div(centred, o.sqrt(o.reduceMean(o.mul(centred, centred), [1], true)));
  const values = Float32Array.from({ length: 768 * 6 }, () => stream.normal() / 28);
  await writeModel(b.build([o.matmul(unit, o.floats(values, [768, 6]))]), path);
}
