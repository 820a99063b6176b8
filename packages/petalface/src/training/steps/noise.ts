import { sizeOf } from "onnx-grad";
import type { NoiseInput } from "../../adapters/index.ts";
import { type Random, random } from "../../random.ts";

/**
 * What a step draws for the inputs of its graph, by their name: `batch` images' each. Depends on
 * the names, the seed and the step alone.
 */
export function drawNoise(
  inputs: readonly NoiseInput[],
  batch: number,
  seed: number,
  step: number,
): Map<string, Float32Array> {
  return new Map(
    inputs.map(({ name, dims, draw }) => {
      const stream = random(name, seed, step);
      const values = new Float32Array(batch * sizeOf(dims));
      if ("of" in draw) select(values, draw.of, sizeOf(dims), stream);
      else if ("below" in draw) for (let i = 0; i < values.length; i++) values[i] = stream.uniform() * draw.below;
      else mask(values, draw.shares, stream);
      return [name, values];
    }),
  );
}

function mask(values: Float32Array, shares: readonly number[], stream: Random): void {
  for (let i = 0; i < values.length; i++) {
    const share = shares[i % shares.length];
    values[i] = stream.uniform() < share ? 0 : 1 / (1 - share);
  }
}

/** Images of `size` numbers, each rows of `of`: the first columns of a shuffle, one a row. */
function select(values: Float32Array, of: number, size: number, stream: Random): void {
  const columns = new Uint32Array(of);
  for (let image = 0; image < values.length; image += size) {
    stream.shuffle(columns.map((_, i) => i)).forEach((column, row) => {
      if (row * of < size) values[image + row * of + column] = 1;
    });
  }
}
