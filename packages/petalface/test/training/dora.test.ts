import { entryOf, floatData, itemAt, readTensor, type Tensor } from "onnx-grad";
import { beforeAll, expect, it } from "vitest";
import { type AdapterConfig, findSites, initialTheta, layoutOf, mergeAdapter } from "../../src/adapters/index.ts";
import { type Backbone, openBackbone } from "../../src/backbones/index.ts";
import { random } from "../../src/random.ts";
import { floatsOf, openSession } from "../../src/runtime/index.ts";
import { trainingGraph, trainingOptions } from "../../src/training/index.ts";
import { tinyAdapter, tinySize, tinyWidth } from "../support/backbone.ts";
import { temporaryFolder, tinyModelIn } from "../support/folder.ts";

const model = tinyModelIn(temporaryFolder("petalface-dora-"));
let backbone: Backbone;
beforeAll(async () => {
  backbone = await openBackbone(model);
});

const stream = random("dora", 1);
const normal = (dims: number[]): Tensor => {
  const length = dims.reduce((product, dim) => product * dim, 1);
  return { dtype: "float32", dims, data: Float32Array.from({ length }, () => stream.normal()) };
};
const feeds = { image: normal([3, 3, tinySize, tinySize]), target: normal([3, tinyWidth]) };

/** Loss and gradient at some numbers, by the graph that trains them. */
async function slopes(config: AdapterConfig, theta: Float32Array, network = backbone) {
  const options = trainingOptions({ method: config.method, loss: "distil", quality: "sharpness", batch: 3 });
  const { graph, layout, inputs } = trainingGraph(network, config, options, 0);
  const session = await openSession(graph, { threads: 1 });
  const at = async (values: Float32Array) => {
    const vector: Tensor = { dtype: "float32", dims: [values.length], data: values };
    const results = await session.run({ [inputs.image]: feeds.image, target: feeds.target, theta: vector });
    return { loss: itemAt(floatsOf(results, "loss"), 0), gradient: floatsOf(results, "grad_theta").slice() };
  };
  const found = await at(theta);
  return { ...found, layout, at, close: () => session.close() };
}

const names = (): string[] => findSites(backbone.graph).sites.map(({ name }) => name);

it("has DoRA's gradient: that of the layer's weight, with its length taken for a constant", async () => {
  const scale = 0.5;
  const config = { ...tinyAdapter(names(), "single"), method: "dora", scale } as const;
  const start = await initialTheta(backbone, layoutOf(backbone, config), 1);
  const theta = start.map((value) => value + 0.2 * stream.normal());
  const dora = await slopes(config, theta);

  // The same network, every weight trained.
  const fullConfig = { ...config, method: "full", sites: [] } as const;
  const whole = layoutOf(backbone, fullConfig);
  const weights = await initialTheta(backbone, whole, 1);
  const merged = await mergeAdapter(backbone, { config, theta }, undefined);
  const slotOf = (weight: string) =>
    itemAt(
      whole.slots.filter(({ of }) => of === weight),
      0,
    );
  for (const site of dora.layout.sites) {
    const node = itemAt(
      merged.nodes.filter(({ name }) => name === site.name),
      0,
    );
    const weight = readTensor(entryOf(merged.constants, itemAt(node.inputs, site.operand)));
    weights.set(floatData(weight), slotOf(site.weight).offset);
  }
  const full = await slopes(fullConfig, weights);
  expect(dora.loss).toBeCloseTo(full.loss, 4);

  for (const site of dora.layout.sites) {
    const part = (vector: Float32Array, role: string): Float32Array => {
      const slots = dora.layout.slots.filter((slot) => slot.of === site.name && slot.role === role);
      const { offset, length } = itemAt(slots, 0);
      return vector.subarray(offset, offset + length);
    };
    const [down, up, magnitude] = ["down", "up", "magnitude"].map((role) => part(theta, role)) as Float32Array[];
    const { offset, length } = slotOf(site.weight);
    const slope = full.gradient.subarray(offset, offset + length);
    const frozen = floatData(readTensor(entryOf(backbone.graph.constants, site.weight)));
    const [columns, rank] = [length / site.outputs, config.rank];
    const expected = { down: new Float64Array(down?.length ?? 0), up: new Float64Array(up?.length ?? 0) };
    const lengths = new Float64Array(site.outputs);
    for (let out = 0; out < site.outputs; out++) {
      const row = Array.from({ length: columns }, (_, column) => {
        const place = site.outFirst ? out * columns + column : column * site.outputs + out;
        let sum = frozen[place];
        for (let r = 0; r < rank; r++) sum += scale * up[out * rank + r] * down[r * columns + column];
        return { weight: sum, slope: slope[place] };
      });
      const norm = Math.hypot(...row.map(({ weight }) => weight));
      lengths[out] = row.reduce((sum, each) => sum + (each.slope * each.weight) / norm, 0);
      const factor = (scale * magnitude[out]) / norm;
      for (let r = 0; r < rank; r++)
        row.forEach((each, column) => {
          expected.up[out * rank + r] += factor * each.slope * down[r * columns + column];
          expected.down[r * columns + column] += factor * each.slope * up[out * rank + r];
        });
    }
    for (const [role, values] of Object.entries({ ...expected, magnitude: lengths }))
      expect(relativeError(part(dora.gradient, role), values), `${site.name} ${role}`).toBeLessThan(1e-3);
  }
  await dora.close();
  await full.close();
});

it("leaves a dead channel as it is", async () => {
  const config = { ...tinyAdapter(names(), "single"), method: "dora" } as const;
  const [site] = findSites(backbone.graph).sites;
  if (site === undefined) throw new Error("no site");
  const weight = readTensor(entryOf(backbone.graph.constants, site.weight));
  const data = floatData(weight).slice();
  data.fill(0, 0, data.length / site.outputs);
  const constants = new Map(backbone.graph.constants).set(site.weight, { dtype: "float32", dims: weight.dims, data });
  const dead = { ...backbone, graph: { ...backbone.graph, constants } };
  const theta = await initialTheta(dead, layoutOf(dead, config), 1);
  const { loss, gradient, close } = await slopes(config, theta, dead);
  expect([Number.isFinite(loss), gradient.every(Number.isFinite)]).toEqual([true, true]);
  await close();
});

it("has the slope of its loss along the lengths, and its loss falls", async () => {
  const config = { ...tinyAdapter(names(), "single"), method: "dora" } as const;
  const theta = await initialTheta(backbone, layoutOf(backbone, config), 1);
  const { at, gradient, loss, layout, close } = await slopes(config, theta);
  const inLengths = new Float32Array(theta.length);
  for (const { offset, length, role } of layout.slots)
    if (role === "magnitude") inLengths.set(gradient.subarray(offset, offset + length), offset);
  const size = Math.hypot(...inLengths);
  const along = async (step: number) => (await at(theta.map((value, i) => value + (step * inLengths[i]) / size))).loss;
  expect(((await along(1e-2)) - (await along(-1e-2))) / 2e-2 / size).toBeCloseTo(1, 1);
  let values = theta;
  for (let step = 0; step < 5; step++) {
    const { gradient: slope } = await at(values);
    const whole = Math.hypot(...slope);
    values = values.map((value, i) => value - (0.02 * slope[i]) / whole);
  }
  expect((await at(values)).loss).toBeLessThan(loss);
  await close();
});

const relativeError = (actual: Float32Array, expected: ArrayLike<number>): number => {
  const squares = (values: Iterable<number>): number => [...values].reduce((sum, value) => sum + value * value, 0);
  return Math.sqrt(squares(Array.from(actual, (value, i) => value - expected[i])) / squares(Array.from(expected)));
};
