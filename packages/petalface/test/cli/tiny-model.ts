import { type Graph, GraphBuilder, ops, writeModel } from "onnx-grad";
import { random } from "../../src/random.ts";

/** Side of the tiny model's input. */
export const tinySize = 24;
/** Length of its embeddings. */
export const tinyWidth = 16;

/** A face recogniser of two small stages with random weights: `[1, 3, 24, 24] -> [1, 16]`, as exporters fix the batch. */
export function tinyGraph(): Graph {
  const draw = random("tiny model");
  const b = new GraphBuilder({ name: "tiny", opset: 18 });
  const o = ops(b);
  const weight = (dims: readonly number[], name: string): string => {
    const size = dims.reduce((product, dim) => product * dim, 1);
    const spread = Math.sqrt(2 / (size / (dims[0] as number)));
    return b.constant(
      { dtype: "float32", dims, data: Float32Array.from({ length: size }, () => spread * draw.normal()) },
      name,
    );
  };
  const x = b.input("input", { dtype: "float32", shape: [1, 3, tinySize, tinySize] });
  const stage = { strides: [2, 2], pads: [1, 1, 1, 1] };
  const a = o.relu(o.conv(x, weight([8, 3, 3, 3], "w1"), stage));
  const c = o.relu(o.conv(a, weight([8, 8, 1, 1], "w2"), {}));
  const d = o.relu(o.conv(c, weight([8, 8, 3, 3], "w3"), stage));
  const e = o.relu(o.conv(d, weight([12, 8, 1, 1], "w4"), {}));
  const side = tinySize / 4;
  const flat = o.reshape(e, [1, 12 * side * side]);
  return b.build([b.add("MatMul", [flat, weight([12 * side * side, tinyWidth], "w5")], {}, { name: "embedding" })]);
}

/** Writes {@link tinyGraph}. */
export const writeTinyModel = (path: string): Promise<void> => writeModel(tinyGraph(), path);
