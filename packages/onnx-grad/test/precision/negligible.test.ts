import { existsSync } from "node:fs";
import { mkdtemp, rm, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { itemAt } from "../../src/graph/item-at.ts";
import {
  findNegligible,
  flushNegligible,
  type Graph,
  GraphBuilder,
  ops,
  readModel,
  readTensor,
  writeModel,
} from "../../src/index.ts";
import { run, shared, wave } from "../support/engine.ts";

/** The smallest subnormal number, the largest one, and the smallest normal one. */
const [least, most, normal] = [2 ** -149, 2 ** -126 - 2 ** -149, 2 ** -126];

const numbersOf = (graph: Graph, name: string): number[] =>
  Array.from(readTensor(graph.constants.get(name) ?? expect.fail()).data as Float32Array);

/** Tests on a graph as it was built, and on the same in a file. */
async function inBoth(built: Graph, check: (graph: Graph) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "onnx-grad-negligible-"));
  try {
    await writeModel(built, join(folder, "model.onnx"));
    for (const graph of [built, await readModel(join(folder, "model.onnx"))]) await check(graph);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

test("numbers closer to zero than float32's normal ones become zero, whatever they are for", async () => {
  const b = new GraphBuilder({ name: "sum", opset: 18 });
  const o = ops(b);
  const x = b.input("x", { dtype: "float32", shape: [1] });
  const weights = {
    dead: Float32Array.from({ length: 3000 }, (_, i) => itemAt([1, least, -most, normal, -normal, 0, -0], i % 7)),
    usual: Float32Array.from({ length: 3000 }, (_, i) => Math.sin(i)),
    rare: Float32Array.from({ length: 300_001 }, (_, i) => (i === 7 ? least : 1)),
    // Behind the first piece that is read of a file.
    late: Float32Array.from({ length: 300_001 }, (_, i) => (i > 299_900 ? least : 1)),
  };
  const values = Object.entries(weights).map(([name, data]) =>
    o.reduceSum(b.constant({ dtype: "float32", dims: [data.length], data }, name), [0], true),
  );
  await inBoth(b.build([o.sum([x, ...values])]), async (graph) => {
    const found = await findNegligible(graph);
    expect(found).toEqual(["dead", "late"]);
    const flushed = flushNegligible(graph, found);
    expect(numbersOf(flushed, "dead").slice(0, 7)).toEqual([1, 0, -0, normal, -normal, 0, -0]);
    expect(numbersOf(flushed, "late").slice(299_899)).toEqual([1, 1, ...Array(100).fill(0)]);
    for (const name of ["usual", "rare"]) expect(flushed.constants.get(name)).toBe(graph.constants.get(name));
    expect(await findNegligible(flushed)).toEqual([]);
  });
});

test("a file that was cut off meanwhile is an error", async () => {
  const folder = await mkdtemp(join(tmpdir(), "onnx-grad-negligible-"));
  try {
    const path = join(folder, "model.onnx");
    const b = new GraphBuilder({ name: "sum", opset: 18 });
    const data = new Float32Array(3000).fill(1);
    const sum = ops(b).reduceSum(b.constant({ dtype: "float32", dims: [3000], data }, "weight"), [0], true);
    const x = b.input("x", { dtype: "float32", shape: [1] });
    await writeModel(b.build([ops(b).sum([x, sum])]), path);
    const graph = await readModel(path);
    await truncate(path, 4000);
    await expect(findNegligible(graph)).rejects.toThrow(/model\.onnx: ends before byte \d+; was it replaced\?/);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

describe("weights of products", () => {
  /**
   * Every third column is dead: its numbers are at most 2^-49 of the largest, as are some in the
   * other columns.
   */
  const isDead = (i: number): boolean => i % 3 === 0 || i % 7 === 0;
  const matrix = (scale: number): Float32Array =>
    Float32Array.from({ length: 40 * 30 }, (_, i) => scale * (isDead(i) ? 2 ** -50 : 0.75) * Math.cos(i + 1));
  const feeds = {
    x: { dtype: "float32" as const, dims: [5, 40], data: Float32Array.from({ length: 200 }, (_, i) => Math.sin(i)) },
  };

  function product(weights: Float32Array, { shared = false } = {}): Graph {
    const b = new GraphBuilder({ name: "product", opset: 18 });
    const o = ops(b);
    const x = b.input("x", { dtype: "float32", shape: [5, 40] });
    const w = b.constant({ dtype: "float32", dims: [40, 30], data: weights }, "w");
    const y = o.matmul(x, w);
    return b.build([shared ? o.add(y, o.reduceSum(w, [0], false)) : y]);
  }

  test.each([1, 2 ** -60, 2 ** 60])(
    "below 2^-48 of the largest, here %d, become zero; the others stay",
    async (scale) => {
      const weights = matrix(scale);
      await inBoth(product(weights), async (graph) => {
        expect(await findNegligible(graph)).toEqual(["w"]);
        const flushed = flushNegligible(graph, ["w"]);
        expect(numbersOf(flushed, "w")).toEqual(Array.from(weights, (value, i) => (isDead(i) ? 0 * value : value)));
        const numbers = async (of: Graph): Promise<number[]> =>
          Object.values(await run(of, feeds)).flatMap(({ data }) => Array.from(data as Float32Array));
        const [before, after] = [await numbers(graph), await numbers(flushed)];
        const most = Math.max(...before.map(Math.abs));
        after.forEach((value, i) => {
          // What dead weights alone give is far below the rounding of the others, and lost in a sum
          // with them.
          expect(Math.abs(value - itemAt(before, i))).toBeLessThanOrEqual((i % 3 === 0 ? 2 ** -40 : 2 ** -24) * most);
          if (i % 3 === 0) expect(value).toBe(0);
        });
      });
    },
  );

  const real = join(shared, "weights", "fr_feature.onnx");
  test.skipIf(!existsSync(real))(
    "leave the numbers of a trained network as they are (needs PETALFACE_SHARED)",
    async () => {
      const graph = await readModel(real);
      const found = await findNegligible(graph);
      expect(found.length).toBeGreaterThan(10);
      const image = { [itemAt(graph.inputs, 0)]: wave([1, 3, 112, 112]) };
      const [[before], [after]] = [await run(graph, image), await run(flushNegligible(graph, found), image)].map(
        Object.values,
      );
      const most = Math.max(...Array.from(before.data as Float32Array, Math.abs));
      const differences = Array.from(after.data as Float32Array, (value, i) =>
        Math.abs(value - Number(before.data[i])),
      );
      expect(differences).toHaveLength(512);
      // To the bit where this was written; another processor may sum in another order.
      expect(Math.max(...differences)).toBeLessThan(1e-6 * most);
    },
  );

  test("biases and slopes of PRelu are weights: a dead channel has nothing left to multiply", async () => {
    const b = new GraphBuilder({ name: "channels", opset: 18 });
    const o = ops(b);
    const channels = (scale: number): Float32Array =>
      Float32Array.from({ length: 30 }, (_, i) => scale * (i % 3 === 0 ? 2 ** -60 : 1) * Math.cos(i + 1));
    const x = b.input("x", { dtype: "float32", shape: [5, 40] });
    const w = b.constant({ dtype: "float32", dims: [40, 30], data: matrix(1) }, "w");
    const bias = b.constant({ dtype: "float32", dims: [30], data: channels(2) }, "bias");
    const slopes = b.constant({ dtype: "float32", dims: [30], data: channels(0.25) }, "slopes");
    const graph = b.build([b.add("PRelu", [o.gemm(x, w, { c: bias }), slopes])]);
    const found = await findNegligible(graph);
    expect(found.toSorted()).toEqual(["bias", "slopes", "w"]);
    const flushed = flushNegligible(graph, found);
    for (const name of ["bias", "slopes"])
      expect(numbersOf(flushed, name).map((value) => value === 0)).toEqual(
        Array.from({ length: 30 }, (_, i) => i % 3 === 0),
      );
  });

  test("infinite numbers do not make the others negligible", async () => {
    const weights = matrix(1).map((value, i) => (i === 1 ? Number.NEGATIVE_INFINITY : isDead(i) ? 1 : value));
    expect(await findNegligible(product(weights))).toEqual([]);
  });

  test("that are used for anything else keep all but subnormal numbers", async () => {
    expect(await findNegligible(product(matrix(1), { shared: true }))).toEqual([]);
  });
});
