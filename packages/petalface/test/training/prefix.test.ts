import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { itemAt, type Tensor } from "onnx-grad";
import { beforeAll, describe, expect, it } from "vitest";
import { findSites, initialTheta } from "../../src/adapters/index.ts";
import { openBackbone } from "../../src/backbones/index.ts";
import { openData } from "../../src/data/index.ts";
import { openLoader } from "../../src/images/index.ts";
import { random } from "../../src/random.ts";
import { alone } from "../../src/ranks.ts";
import { floatsOf, openSession } from "../../src/runtime/index.ts";
import { adapt, resume, type TrainingChoices, trainingOptions } from "../../src/training/index.ts";
import { openPrefix } from "../../src/training/prefix/prefix.ts";
import { splitGraph } from "../../src/training/prefix/split.ts";
import { prepareSteps } from "../../src/training/steps/batches.ts";
import { trainingGraph } from "../../src/training/steps/graph.ts";
import { sampler } from "../../src/training/steps/sampler.ts";
import { tinyAdapter, tinySize, tinyWidth } from "../support/backbone.ts";
import { temporaryFolder, tinyModelIn } from "../support/folder.ts";

const people = "synthetic:people=10,images=2,seed=5";
const batch = 4;

const folder = temporaryFolder("petalface-prefix-");
const model = tinyModelIn(folder);
/** The last site in the order of the network. */
let last: string;

beforeAll(async () => {
  last = findSites((await openBackbone(model)).graph).sites.at(-1)?.name ?? "";
});

async function training(sites: readonly string[]) {
  const backbone = await openBackbone(model);
  const config = tinyAdapter(sites);
  return { backbone, ...trainingGraph(backbone, config, trainingOptions({ batch, rank: 4 }), 0) };
}

describe("a training graph cut in two", () => {
  it("computes what it computed whole, to rounding, and its values belong to one image each", async () => {
    const { backbone, graph, layout, inputs, outputs } = await training([last]);
    const split = splitGraph(graph, inputs.image, batch);
    if (split === undefined) throw new Error("it was not cut");
    expect(split.prefix.inputs).toEqual([inputs.image]);
    expect(split.rest.inputs).not.toContain(inputs.image);
    const heavy = (nodes: typeof graph.nodes): number => nodes.filter(({ op }) => op === "Conv").length;
    expect(heavy(split.prefix.nodes)).toBeGreaterThanOrEqual(4);
    expect(split.prefix.nodes.length + split.rest.nodes.length).toBeLessThanOrEqual(graph.nodes.length + 4);

    const stream = random("prefix test");
    const normal = (dims: number[]): Tensor => ({
      dtype: "float32",
      dims,
      data: Float32Array.from({ length: dims.reduce((product, side) => product * side, 1) }, () => stream.normal()),
    });
    const theta = (await initialTheta(backbone, layout, 1)).map((value) => value + 0.1 * stream.normal());
    const image = { [inputs.image]: normal([batch, 3, tinySize, tinySize]) };
    const others = {
      theta: { dtype: "float32", dims: [theta.length], data: theta } as const,
      target: normal([batch, tinyWidth]),
    };
    const [whole, prefix, rest] = await Promise.all([graph, split.prefix, split.rest].map((each) => openSession(each)));
    const expected = (await whole?.run({ ...image, ...others })) ?? {};
    const values = (await prefix?.run(image)) ?? {};
    const results = { ...values, ...(await rest?.run({ ...values, ...others })) };
    for (const name of [outputs.loss, outputs.alpha, outputs.theta]) {
      const [one, other] = [floatsOf(results, name), floatsOf(expected, name)];
      const scale = Math.max(...other.map(Math.abs));
      expect(Math.max(...one.map((value, i) => Math.abs(value - itemAt(other, i)))) / scale).toBeLessThan(1e-5);
    }
    for (const session of [whole, prefix, rest]) await session?.close();
  });

  it("is left whole where the first layer is adapted", async () => {
    const { backbone, graph, inputs } = await training(
      findSites((await openBackbone(model)).graph).sites.map(({ name }) => name),
    );
    expect(backbone.input).toBe(inputs.image);
    expect(splitGraph(graph, inputs.image, batch)).toBeUndefined();
  });
});

describe("variants", () => {
  it("are so many draws of each face, another one every epoch, and depend on the seed", () => {
    const options = trainingOptions({ batch: 10, seed: 3, variants: 3, sharpShare: 0.3 });
    const draw = sampler(options, 40);
    const seen = new Map<number, Map<number, string>>();
    for (let step = 0; step < 4 * 9; step++)
      for (const { index, variant = -1, ...rest } of draw(step)) {
        expect(variant).toBe(Math.floor(step / 4) % 3);
        const known = seen.get(index) ?? new Map<number, string>();
        expect(known.get(variant) ?? JSON.stringify(rest)).toBe(JSON.stringify(rest));
        seen.set(index, known.set(variant, JSON.stringify(rest)));
      }
    expect(seen.size).toBe(40);
    const draws = [...seen.values()].flatMap((known) => [...known.values()]);
    expect(draws.length).toBe(120);
    expect(new Set(draws).size).toBeGreaterThan(10);
    expect(sampler({ ...options, seed: 4 }, 40)(0)).not.toEqual(draw(0));
  });
});

describe("a prefix", () => {
  const choices: TrainingChoices = { batch, rank: 4, lrPixels: [4, 6], epochs: 6, variants: 2, calibration: "fit" };
  const thetaOf = async (name: string, bytes: number | undefined, more: TrainingChoices = {}) => {
    const out = join(folder, name);
    const options = { ...choices, sites: last, ...more };
    const { adapter } = await adapt({ model, train: people, options, out }, { threads: 1, prefixBytes: bytes });
    expect(await readdir(out)).not.toContain("prefix");
    return adapter.theta;
  };

  it("gives the same bits kept, partly kept and not kept, in parts too, and after an interruption", async () => {
    const kept = await thetaOf("kept", undefined);
    expect(await thetaOf("none", 0)).toEqual(kept);
    expect(await thetaOf("some", 20_000)).toEqual(kept);
    expect(await thetaOf("three variants", undefined, { variants: 3 })).not.toEqual(kept);
    const parts = await thetaOf("parts", undefined, { accumulate: 2 });
    expect(await thetaOf("parts, none", 0, { accumulate: 2 })).toEqual(parts);

    const stop = new AbortController();
    const out = join(folder, "stopped");
    const options = { ...choices, sites: last };
    const stopped = await adapt(
      { model, train: people, options, out },
      { threads: 1, signal: stop.signal, onStep: ({ step }) => step === 11 && stop.abort() },
    );
    expect(stopped.finished).toBe(false);
    expect((await resume(out, { threads: 1 })).adapter.theta).toEqual(kept);
  });

  it("asks for each draw's pixels once while there is room, then for none", async () => {
    const { backbone, graph, inputs } = await training([last]);
    const split = splitGraph(graph, inputs.image, batch);
    if (split === undefined) throw new Error("it was not cut");
    const data = await openData(people);
    const options = trainingOptions({ ...choices, epochs: 8 });
    const prefix = await openPrefix({
      backbone,
      split,
      batch,
      variants: 2,
      folder,
      bytes: 2 ** 30,
      session: {},
      ranks: alone,
    });
    await using loader = openLoader({ size: tinySize, threads: 0 });
    const shown: number[] = [];
    for (const step of prepareSteps(
      { data, loader, options, steps: 40, ranks: alone },
      { targets: undefined, prefix },
      0,
    ))
      shown.push((await step).shown.length);
    // Twenty faces with two draws each, four a step.
    expect(shown).toEqual([...Array(10).fill(4), ...Array(30).fill(0)]);
    await prefix.close();
  });
});
