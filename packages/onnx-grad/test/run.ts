import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { expect } from "vitest";
import { itemAt } from "../src/graph/item-at.ts";
import { encodeModel, type Graph, type Run, type Tensor } from "../src/index.ts";

const sessions = new WeakMap<Graph, Promise<InferenceSession>>();

/**
 * Runs a graph on onnxruntime's CPU provider; the session of the last use of a graph is kept with
 * it.
 */
export const run: Run = async (graph, feeds) => {
  const session =
    sessions.get(graph) ?? InferenceSession.create(encodeModel(graph), { intraOpNumThreads: 1, logSeverityLevel: 3 });
  sessions.set(graph, session);
  const used = Object.entries(feeds).filter(([name]) => graph.inputs.includes(name));
  const ready = await session;
  const results = await ready.run(
    Object.fromEntries(
      used.map(([name, { dtype, data, dims }]) => [name, new OrtTensor(dtype, data as Float32Array, dims)]),
    ),
  );
  return Object.fromEntries(
    Object.entries(results).map(([name, value]) => [
      name,
      { dtype: value.type, dims: value.dims, data: value.data } as unknown as Tensor,
    ]),
  );
};

/** Float32 numbers in [-1, 1) times `scale`, the same ones for a seed. */
export function random(dims: readonly number[], seed: number, scale = 1): Tensor {
  const data = new Float32Array(dims.reduce((product, dim) => product * dim, 1));
  let state = (seed * 2246822519 + 374761393) >>> 0 || 1;
  for (let i = 0; i < data.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state = (state ^ (state << 5)) >>> 0;
    data[i] = (state / 2 ** 31 - 1) * scale;
  }
  return { dtype: "float32", dims, data };
}

/** The same, but at least `gap` away from 0, for functions with a bend there. */
export function awayFromZero(dims: readonly number[], seed: number, gap = 0.2): Tensor {
  const tensor = random(dims, seed);
  for (const [i, value] of (tensor.data as Float32Array).entries()) tensor.data[i] = value + Math.sign(value) * gap;
  return tensor;
}

/** The numbers of a result. */
export const numbers = (value: Pick<Tensor, "data"> | undefined): number[] => Array.from(value?.data ?? [], Number);

/** Expects numbers to agree within `tolerance`, absolutely. */
export function expectClose(actual: readonly number[], expected: readonly number[], tolerance = 1e-5): void {
  expect(actual.length).toBe(expected.length);
  const apart = actual.map((value, i) => Math.abs(value - itemAt(expected, i)));
  expect(apart.filter((distance) => !(distance <= tolerance))).toEqual([]);
}
