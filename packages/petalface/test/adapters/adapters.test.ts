import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { entryOf, floatData, itemAt, readTensor } from "onnx-grad";
import { beforeAll, describe, expect, it } from "vitest";
import {
  type Adapter,
  type AdapterConfig,
  adaptedModel,
  adaptsSites,
  exportModel,
  findSites,
  gateNames,
  gateParts,
  gateWeights,
  initialTheta,
  layoutOf,
  loadAdapter,
  mergeAdapter,
  methodNames,
  saveAdapter,
  selectSites,
} from "../../src/adapters/index.ts";
import {
  type Backbone,
  type EmbeddingModel,
  type Embeddings,
  openBackbone,
  openEmbedder,
} from "../../src/backbones/index.ts";
import { random } from "../../src/random.ts";
import { tinySize, writeTinyBackbone, writeTinyMixer } from "../support/backbone.ts";
import { temporaryFolder } from "../support/folder.ts";

const folder = temporaryFolder("petalface-adapters-");
let backbone: Backbone;

beforeAll(async () => {
  await writeTinyBackbone(join(folder, "tiny.onnx"));
  backbone = await openBackbone(join(folder, "tiny.onnx"));
});

const faces = 5;
const noise = Uint8Array.from({ length: faces * 3 * tinySize * tinySize }, (_, i) => (i * 7919 + (i % 13) * 31) % 256);

async function embed(model: EmbeddingModel): Promise<Embeddings> {
  const embedder = await openEmbedder(model, { batch: faces, threads: 1 });
  const embeddings = await embedder.embed(noise, faces);
  await embedder.close();
  return embeddings;
}

/** A calibration under which the test's noise has this alpha. */
const calibrations = {
  sharp: { measure: "sharpness", low: -9, high: -8 },
  poor: { measure: "sharpness", low: 90, high: 91 },
} as const;

function configOf(choices: Partial<AdapterConfig> = {}): AdapterConfig {
  const method = choices.method ?? "lora";
  return {
    method,
    gate: method === "dora" ? "single" : "low",
    rank: 4,
    scale: 1,
    sites: adaptsSites(method) ? findSites(backbone.graph).sites.map((site) => site.name) : [],
    backbone: { name: "tiny", sha256: backbone.spec.sha256 },
    calibration: calibrations.poor,
    ...choices,
  };
}

/** An adapter whose every number differs from the start. */
async function trained(choices: Partial<AdapterConfig> = {}): Promise<Adapter> {
  const config = configOf(choices);
  const theta = await initialTheta(backbone, layoutOf(backbone, config), 3);
  const stream = random("trained", 1);
  return { config, theta: theta.map((value) => value + 0.2 * stream.normal()) };
}

const distance = (a: Float32Array, b: Float32Array): number => {
  const norm = (values: Iterable<number>): number =>
    Math.sqrt([...values].reduce((sum, value) => sum + value * value, 0));
  return norm(a.map((value, i) => value - itemAt(b, i))) / norm(a);
};

describe("sites", () => {
  it("finds the dense layers and says why others are none", () => {
    const { sites, unfit } = findSites(backbone.graph);
    expect(sites.map((site) => [site.op, site.inputs, site.outputs, site.kernel[0], site.positions])).toEqual([
      ["Conv", 3, 8, 3, 256],
      ["Conv", 8, 12, 1, 64],
      ["Conv", 12, 8, 1, 16],
      ["Conv", 8, 8, 1, 16],
      ["Gemm", 128, 6, 1, 1],
    ]);
    expect(unfit).toMatchObject([{ op: "Conv", reason: "grouped convolution" }]);
  });

  it("selects by rule and by name", () => {
    const { sites } = findSites(backbone.graph);
    expect(selectSites(sites).map((site) => site.positions)).toEqual([16, 16]);
    expect(selectSites(sites, "linear").map((site) => site.op)).toEqual(["Gemm"]);
    expect(selectSites(sites, sites[2]?.name)).toEqual([sites[2]]);
    expect(selectSites(sites, "Conv*")).toHaveLength(4);
    expect(() => selectSites(sites, "no such layer")).toThrow("no layer matches");
  });
});

describe("the adapted model", () => {
  it.each(
    gateNames.flatMap((gate) => [calibrations.poor, calibrations.sharp].map((calibration) => ({ gate, calibration }))),
  )("is the frozen one bit for bit before the first step ($gate, $calibration.low)", async ({ gate, calibration }) => {
    const config = configOf({ gate, calibration });
    const theta = await initialTheta(backbone, layoutOf(backbone, config), 0);
    expect((await embed(adaptedModel(backbone, { config, theta }))).data).toEqual((await embed(backbone)).data);
  });

  it.each(["low", "hat"] as const)("is the frozen one bit for bit at alpha 1 for ever (%s gate)", async (gate) => {
    const adapter = await trained({ gate, calibration: calibrations.sharp });
    const adapted = await embed(adaptedModel(backbone, adapter));
    expect(adapted.alpha).toEqual(new Float32Array(faces).fill(1));
    expect(adapted.data).toEqual((await embed(backbone)).data);
  });

  it.each(["single", "twin"] as const)(
    "differs at alpha 1 with a %s gate, so the test above can fail",
    async (gate) => {
      const adapter = await trained({ gate, calibration: calibrations.sharp });
      expect(
        distance((await embed(backbone)).data, (await embed(adaptedModel(backbone, adapter))).data),
      ).toBeGreaterThan(0.05);
    },
  );

  it.each(gateNames.flatMap((gate) => [0, 0.3, 1].map((alpha) => ({ gate, alpha }))))(
    "equals the merged weights at a fixed alpha ($gate, $alpha)",
    async ({ gate, alpha }) => {
      const adapter = await trained({ gate });
      const merged = await embed({ ...backbone, graph: await mergeAdapter(backbone, adapter, alpha) });
      const gated = await embed(adaptedModel(backbone, adapter, alpha));
      expect(distance(merged.data, gated.data)).toBeLessThan(1e-5);
    },
  );

  it("weights each image of a batch by its own alpha", async () => {
    // Half of the images are flat grey: alpha 0 there, 1 on the noise.
    const mixed = noise.map((value, i) => (Math.floor(i / (3 * tinySize * tinySize)) % 2 === 0 ? value : 128));
    const adapter = await trained({ calibration: { measure: "sharpness", low: 0, high: 2 } });
    const run = async (model: EmbeddingModel, pixels: Uint8Array, count: number): Promise<Embeddings> => {
      const embedder = await openEmbedder(model, { batch: count, threads: 1 });
      const embeddings = await embedder.embed(pixels, count);
      await embedder.close();
      return embeddings;
    };
    const model = adaptedModel(backbone, adapter);
    const together = await run(model, mixed, faces);
    expect([...(together.alpha ?? [])]).toEqual([1, 0, 1, 0, 1]);
    for (let face = 0; face < faces; face++) {
      const pixels = mixed.slice(face * 3 * tinySize ** 2, (face + 1) * 3 * tinySize ** 2);
      const alone = await run(adaptedModel(backbone, adapter, face % 2 === 0 ? 1 : 0), pixels, 1);
      const row = together.data.slice(face * together.width, (face + 1) * together.width);
      expect(distance(alone.data, row)).toBeLessThan(1e-5);
    }
  });

  it("refuses to merge where alpha decides", async () => {
    await expect(mergeAdapter(backbone, await trained(), undefined)).rejects.toThrow(
      "low gate depends on every image's alpha",
    );
  });

  it("is one file that gives the same numbers", async () => {
    const adapter = await trained({ calibration: { measure: "norm", low: 0, high: 30 } });
    const path = join(folder, "face.onnx");
    await exportModel(path, backbone, adapter, "quality");
    const exported = await openBackbone(path);
    expect(exported.spec.mean).toEqual(backbone.spec.mean);
    expect(distance((await embed(adaptedModel(backbone, adapter))).data, (await embed(exported)).data)).toBeLessThan(
      1e-6,
    );
  });
});

describe("MatMul sites", () => {
  it("carry adapters on tokens and on rows: frozen at alpha 1, the merged weights at alpha 0", async () => {
    await writeTinyMixer(join(folder, "mixer.onnx"));
    const mixer = await openBackbone(join(folder, "mixer.onnx"));
    const { sites } = findSites(mixer.graph);
    expect(sites.map((site) => [site.op, site.inputs, site.outputs, site.positions])).toEqual([
      ["MatMul", 48, 20, 16],
      ["MatMul", 20, 20, 16],
      ["MatMul", 20, 6, 1],
    ]);
    const config = { ...configOf(), sites: sites.map((site) => site.name) };
    const stream = random("trained", 1);
    const theta = Float32Array.from({ length: layoutOf(mixer, config).length }, () => 0.2 * stream.normal());
    const frozen = await embed(mixer);
    expect((await embed(adaptedModel(mixer, { config, theta }, 1))).data).toEqual(frozen.data);
    const open = await embed(adaptedModel(mixer, { config, theta }, 0));
    const merged = await embed({ ...mixer, graph: await mergeAdapter(mixer, { config, theta }, 0) });
    expect(distance(merged.data, open.data)).toBeLessThan(1e-5);
    expect(distance(frozen.data, open.data)).toBeGreaterThan(0.05);
  });
});

describe("gate", () => {
  it("is what gateWeights says, at any alpha", async () => {
    for (const gate of gateNames) {
      const parts = gateParts(gate);
      fc.assert(
        fc.property(fc.double({ min: 0, max: 1, noNaN: true }), (alpha) => {
          const weights = gateWeights(gate, alpha);
          expect(weights).toHaveLength(parts);
          for (const weight of weights) expect(weight).toBeGreaterThanOrEqual(0);
          if (gate !== "hat")
            expect(weights.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(gate === "low" ? 1 - alpha : 1, 12);
        }),
      );
    }
    expect(gateWeights("hat", 1)).toEqual([0, 0]);
    expect(gateWeights("hat", 0)).toEqual([1, 0]);
    expect(gateWeights("hat", 0.5)).toEqual([0, 1]);
  });
});

describe("method bias", () => {
  it("trains the vectors of layers and nothing else", async () => {
    const { slots, length } = layoutOf(backbone, configOf({ method: "bias" }));
    const inputs = new Map(backbone.graph.nodes.flatMap((node) => node.inputs.map((name, at) => [name, { node, at }])));
    expect(slots.length).toBeGreaterThan(2);
    for (const { of, dims } of slots) {
      expect(
        dims.filter((dim) => dim > 1),
        of,
      ).toHaveLength(1);
      expect(inputs.get(of)?.at, of).toBe(inputs.get(of)?.node.op === "PRelu" ? 1 : 2);
    }
    const full = layoutOf(backbone, configOf({ method: "full" }));
    expect(length).toBeLessThan(full.length / 10);
    for (const { name } of slots) expect(full.slots.map((slot) => slot.name)).toContain(name);
  });

  it("says so where there is none", async () => {
    const { graph, path } = backbone;
    const bare = { ...graph, nodes: graph.nodes.map((node) => ({ ...node, inputs: node.inputs.slice(0, 1) })) };
    expect(() => layoutOf({ graph: bare, path }, configOf({ method: "bias" }))).toThrow("method=bias");
  });
});

describe("method dora", () => {
  it("starts as the frozen network", async () => {
    const config = configOf({ method: "dora" });
    const layout = layoutOf(backbone, config);
    const adapter = { config, theta: await initialTheta(backbone, layout, 3) };
    const [frozen, adapted] = [await embed(backbone), await embed(adaptedModel(backbone, adapter))];
    expect(distance(frozen.data, adapted.data)).toBeLessThan(1e-5);
    const sites = layout.sites.reduce(
      (sum, { inputs, outputs, kernel: [h, w] }) => sum + 4 * inputs * h * w + 5 * outputs,
      0,
    );
    expect(layout.length).toBe(sites);
  });

  it("gives each output's weights the trained length, in its graph and merged", async () => {
    const adapter = await trained({ method: "dora", scale: 0.5 });
    const { slots, sites } = layoutOf(backbone, adapter.config);
    const merged = await mergeAdapter(backbone, adapter, undefined);
    const whole = await embed(adaptedModel(backbone, adapter));
    const plain = await embed({
      ...backbone,
      graph: merged,
      input: itemAt(merged.inputs, 0),
      output: itemAt(merged.outputs, 0),
    });
    expect(distance(whole.data, plain.data)).toBeLessThan(1e-5);
    expect(distance(whole.data, (await embed(backbone)).data)).toBeGreaterThan(0.01);
    const site = sites[1];
    const magnitude = slots.find(({ of, role }) => of === site?.name && role === "magnitude");
    const node = merged.nodes.find(({ name }) => name === site?.name);
    const weight = floatData(readTensor(entryOf(merged.constants, node?.inputs[1] ?? "")));
    const columns = weight.length / (site?.outputs ?? 0);
    for (let out = 0; out < (site?.outputs ?? 0); out++)
      expect(Math.hypot(...weight.subarray(out * columns, (out + 1) * columns))).toBeCloseTo(
        Math.abs(adapter.theta[(magnitude?.offset ?? 0) + out]),
        4,
      );
  });
});

describe("adapter folders", () => {
  it.each(methodNames)("come back as they were (%s)", async (method) => {
    const adapter = await trained({ method, gate: "twin" });
    await saveAdapter(join(folder, `saved-${method}`), backbone, adapter);
    expect(await loadAdapter(join(folder, `saved-${method}`), backbone)).toEqual(adapter);
  });

  it("are refused on another backbone", async () => {
    await saveAdapter(join(folder, "mine"), backbone, await trained());
    await writeTinyBackbone(join(folder, "other.onnx"), 2);
    await expect(loadAdapter(join(folder, "mine"), await openBackbone(join(folder, "other.onnx")))).rejects.toThrow(
      "was trained on tiny",
    );
  });

  it("are refused when damaged, saying what is wrong", async () => {
    const place = join(folder, "damaged");
    await saveAdapter(place, backbone, await trained());
    const path = join(place, "adapter_config.json");
    const config = JSON.parse(await readFile(path, "utf8")) as Record<string, unknown>;
    const broken = async (change: Record<string, unknown>): Promise<unknown> => {
      await writeFile(path, JSON.stringify({ ...config, ...change }));
      return loadAdapter(place, backbone).then(
        () => "accepted",
        (error: Error) => error.message,
      );
    };
    expect(await broken({ format: 99 })).toContain("format 99");
    expect(await broken({ gate: "none" })).toContain('"gate"');
    expect(await broken({ r: -1 })).toContain("rank -1");
    expect(await broken({ r: 8 })).toContain("its layer needs");
    expect(await broken({ target_modules: ["nothing"] })).toContain('layer "nothing"');
    expect(await broken({ calibration: null })).toContain('"calibration"');
    await writeFile(path, "{");
    await expect(loadAdapter(place, backbone)).rejects.toThrow("not valid JSON");
    await expect(loadAdapter(join(folder, "nowhere"), backbone)).rejects.toThrow("no adapter_config.json");
  });
});
