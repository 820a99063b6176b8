import fc from "fast-check";
import { expect, test } from "vitest";
import { differentiate, type Graph, GraphBuilder, lower, type Ops, ops } from "../../src/index.ts";
import { expectClose, numbers, random, run } from "../run.ts";

/** A graph of `x` with one output. */
function graphOf(shape: readonly number[], build: (o: Ops, x: string) => string): Graph {
  const b = new GraphBuilder({ name: "winograd", opset: 18 });
  return b.build([build(ops(b), b.input("x", { dtype: "float32", shape }))]);
}

/** A kernel whose convolution keeps the size of what it is given. */
const kernelOf = (o: Ops, outer: number, inner: number): string =>
  o.builder.constant(random([outer, inner, 3, 3], 5, 1 / Math.sqrt(3 * inner)), "kernel");

const sides = fc.record({ before: fc.integer({ min: 0, max: 2 }), after: fc.integer({ min: 0, max: 2 }) });

/**
 * Runs a graph as it is and lowered for the CPU, expects equal outputs, and returns how often each
 * operator is there.
 */
async function operatorsAfter(graph: Graph): Promise<Record<string, number>> {
  const lowered = lower(graph, "cpu");
  const feeds = { x: random(graph.types.get("x")?.shape as readonly number[], 2) };
  const [plain, fast] = [await run(graph, feeds), await run(lowered, feeds)];
  for (const output of graph.outputs) {
    expect(fast[output]?.dims).toEqual(plain[output]?.dims);
    expectClose(numbers(fast[output]), numbers(plain[output]), 2e-5);
  }
  const counts: Record<string, number> = {};
  for (const { op } of lowered.nodes) counts[op] = (counts[op] ?? 0) + 1;
  return counts;
}

test("a convolution with many channels is the same over tiles, whatever its size, padding and bias", async () => {
  const shape = fc.record({
    batch: fc.integer({ min: 16, max: 18 }),
    height: fc.integer({ min: 7, max: 13 }),
    width: fc.integer({ min: 7, max: 13 }),
    channels: fc.constantFrom([128, 128], [128, 160], [144, 128]),
    vertical: sides,
    horizontal: sides,
    biased: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(shape, async ({ batch, height, width, channels, vertical, horizontal, biased }) => {
      const [inner = 0, outer = 0] = channels;
      const pads = [vertical.before, horizontal.before, vertical.after, horizontal.after];
      const graph = graphOf([batch, inner, height, width], (o, x) => {
        const bias = biased ? o.builder.constant(random([outer], 4)) : undefined;
        return o.conv(x, kernelOf(o, outer, inner), { pads }, bias);
      });
      expect((await operatorsAfter(graph)).Conv).toBeUndefined();
    }),
    { numRuns: 12, seed: 3 },
  );
});

test("a batch normalisation behind it goes along, and the gradient by its input reads the same transformed kernel", async () => {
  const graph = graphOf([8, 128, 9, 9], (o, x) => {
    const vector = (seed: number) => o.builder.constant(random([160], seed));
    const variance = o.floats(Float32Array.from({ length: 160 }, (_, i) => 0.5 + i / 160));
    const y = o.conv(x, kernelOf(o, 160, 128), { pads: [1, 1, 1, 1] });
    const z = o.builder.add("BatchNormalization", [y, vector(6), vector(7), vector(8), variance]);
    return o.reduceMean(o.mul(z, z), undefined, false);
  });
  const [loss = ""] = graph.outputs;
  const gradient = differentiate(graph, { loss, wrt: ["x"] });
  const found = await operatorsAfter(gradient);
  expect(found).toMatchObject({ FusedMatMul: 1, Concat: 2 });
  expect(found.Conv).toBeUndefined();
  expect(found.BatchNormalization).toBeUndefined();
});

test("the thin convolution of an adapter reads the tiles of its layer", async () => {
  const graph = graphOf([8, 128, 9, 9], (o, x) => {
    const down = o.mul(kernelOf(o, 3, 128), o.reduceMean(x));
    const window = { pads: [1, 1, 1, 1] };
    return o.concat([o.conv(x, kernelOf(o, 128, 128), window), o.conv(x, down, window)], 1);
  });
  const found = await operatorsAfter(graph);
  expect(found).toMatchObject({ Einsum: 2, Gather: 3 });
  expect(found.Conv).toBeUndefined();
});

test("other convolutions stay: few channels or pixels, strides, groups, dilations, trained kernels", async () => {
  const stays = async (shape: readonly number[], build: (o: Ops, x: string) => string): Promise<void> =>
    expect((await operatorsAfter(graphOf(shape, build))).Conv).toBe(1);
  await stays([8, 64, 9, 9], (o, x) => o.conv(x, kernelOf(o, 128, 64)));
  await stays([8, 128, 9, 9], (o, x) => o.conv(x, kernelOf(o, 64, 128)));
  await stays([2, 128, 9, 9], (o, x) => o.conv(x, kernelOf(o, 128, 128)));
  await stays([8, 128, 9, 9], (o, x) => o.conv(x, kernelOf(o, 128, 128), { strides: [2, 1] }));
  await stays([8, 128, 9, 9], (o, x) => o.conv(x, kernelOf(o, 128, 128), { dilations: [1, 2] }));
  await stays([8, 256, 9, 9], (o, x) => o.conv(x, kernelOf(o, 128, 128), { group: 2 }));
  await stays([8, 128, 9, 9], (o, x) => o.conv(x, o.mul(kernelOf(o, 128, 128), o.reduceMean(x))));
});
