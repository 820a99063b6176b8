import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { checkGradients, GraphBuilder, imageOf, itemAt, ops, type Run, type Tensor } from "onnx-grad";
import { describe, expect, it } from "vitest";
import {
  type AdapterConfig,
  adaptedModel,
  buildAdapted,
  exportModel,
  findSites,
  layoutOf,
  mergeAdapter,
  printRows,
  proveSites,
  selectSites,
} from "../../src/adapters/index.ts";
import { proveSiteRows } from "../../src/adapters/prove.ts";
import { type Backbone, openBackbone, toInput } from "../../src/backbones/index.ts";
import { random } from "../../src/random.ts";
import { openSession, type Session } from "../../src/runtime/index.ts";
import { backboneOf, type Kit, shapeIn, swin, unusual, vit, wrap } from "./networks.ts";

const small = { window: 4, across: 2, heads: 2, depth: 4 };

function configOf(backbone: Backbone, choices: Partial<AdapterConfig> = {}): AdapterConfig {
  return {
    method: "lora",
    gate: "low",
    rank: 4,
    scale: 1.5,
    sites: findSites(backbone.graph).sites.map((site) => site.name),
    backbone: { name: backbone.spec.name, sha256: backbone.spec.sha256 },
    calibration: { measure: "sharpness", low: 0, high: 4 },
    ...choices,
  };
}

function thetaOf(backbone: Backbone, config: AdapterConfig): Float32Array {
  const stream = random("theta", 2);
  return Float32Array.from({ length: layoutOf(backbone, config).length }, () => 0.3 * stream.normal());
}

const noise = (backbone: Backbone, count: number, seed: number): Tensor => {
  const stream = random("noise", seed);
  const pixels = Uint8Array.from({ length: count * 3 * backbone.size ** 2 }, () => Math.floor(256 * stream.uniform()));
  return toInput(pixels, count, count, backbone.size, backbone.spec);
};

const floats = (tensor: Tensor | undefined): Float32Array => tensor?.data as Float32Array;

/** Relative L2 distance. */
function distance(a: Float32Array, b: Float32Array): number {
  expect(a.length).toBe(b.length);
  const norm = (values: Float32Array): number => Math.hypot(...values);
  return norm(a.map((value, i) => value - itemAt(b, i))) / norm(a);
}

/**
 * Expects a batch of images, each with its own alpha, to be embedded as each alone is. Returns how
 * far apart the embeddings of two alphas are.
 */
async function expectImagesApart(backbone: Backbone, config: AdapterConfig): Promise<number> {
  const theta = thetaOf(backbone, config);
  const { builder, embedding } = buildAdapted(backbone, config, { theta, alpha: "input" });
  const session = await openSession(builder.build([embedding]), { threads: 1 });
  const alphas = [0, 0.35, 0.8, 1];
  const images = noise(backbone, alphas.length, 3);
  const plane = 3 * backbone.size ** 2;
  const embed = async (from: number, to: number, given = alphas.slice(from, to)): Promise<Float32Array> => {
    const dims = [to - from, 3, backbone.size, backbone.size];
    const data = floats(images).slice(from * plane, to * plane);
    const alpha: Tensor = { dtype: "float32", dims: [to - from], data: Float32Array.from(given) };
    const results = await session.run({ [backbone.input]: { dtype: "float32", dims, data }, alpha });
    return floats(results[embedding]).slice();
  };
  const together = await embed(0, alphas.length);
  for (let image = 0; image < alphas.length; image++) {
    const row = together.slice(image * backbone.width, (image + 1) * backbone.width);
    expect(distance(await embed(image, image + 1), row)).toBeLessThan(1e-5);
  }
  const [open, closed] = [await embed(0, 1, [0]), await embed(0, 1, [1])];
  await session.close();
  return distance(open, closed);
}

const networks: readonly (readonly [string, () => Backbone])[] = [
  ["Swin", () => swin(small)],
  ["ViT", vit],
  ["the batch in unusual places", unusual],
];

describe.each(networks)("%s", (_, make) => {
  const backbone = make();

  it("has every layer proven", async () => {
    const proven = await proveSites(backbone, { threads: 1 });
    expect(proven.unfit).toEqual([]);
    expect(proven.sites).toEqual(findSites(backbone.graph).sites);
    expect(proven.sites.length).toBeGreaterThan(4);
  });

  it.each(["low", "twin", "hat", "single"] as const)(
    "embeds a batch of alphas as each image alone (%s)",
    async (gate) => {
      const apart = await expectImagesApart(backbone, configOf(backbone, { gate }));
      if (gate === "single") expect(apart).toBe(0);
      else expect(apart).toBeGreaterThan(0.01);
    },
  );

  it("is the frozen network to the bit where the gate is closed, and the merged one elsewhere", async () => {
    const config = configOf(backbone);
    const theta = thetaOf(backbone, config);
    const images = noise(backbone, 3, 5);
    const run = async (graph: Backbone["graph"], output = backbone.output): Promise<Float32Array> => {
      const session = await openSession(graph, { threads: 1 });
      const results = await session.run({ [backbone.input]: images });
      await session.close();
      return floats(results[output]);
    };
    const adapted = (alpha: number) => adaptedModel(backbone, { config, theta }, alpha);
    const [closed, half] = [adapted(1), adapted(0.5)];
    const frozen = await run(backbone.graph);
    expect(await run(closed.graph, closed.output)).toEqual(frozen);
    const merged = await mergeAdapter(backbone, { config, theta }, 0.5);
    expect(distance(await run(merged, merged.outputs[0]), await run(half.graph, half.output))).toBeLessThan(1e-5);
    expect(distance(frozen, await run(half.graph, half.output))).toBeGreaterThan(0.01);
  });

  it("has the gradients that finite differences have, through the gate", async () => {
    const config = configOf(backbone, { gate: "twin" });
    const batch = 2;
    const built = buildAdapted(backbone, config, { theta: "input", alpha: "input", batch });
    const o = ops(built.builder);
    const aim = o.floats(
      Float32Array.from({ length: batch * backbone.width }, (_, i) => Math.sin(i)),
      [batch, backbone.width],
    );
    const loss = o.reduceSum(o.mul(built.embedding, aim), [0, 1], false);
    const sessions = new Map<string, Session>();
    const run: Run = async (graph, feeds) => {
      const key = `${graph.inputs} ${graph.outputs}`;
      const session = sessions.get(key) ?? (await openSession(graph, { threads: 1 }));
      sessions.set(key, session);
      return session.run(Object.fromEntries(graph.inputs.map((name) => [name, feeds[name]])));
    };
    const theta = thetaOf(backbone, config).map((value) => value / 3);
    const feeds = {
      [backbone.input]: noise(backbone, batch, 7),
      alpha: { dtype: "float32", dims: [batch], data: Float32Array.of(0.2, 0.9) } as Tensor,
      theta: { dtype: "float32", dims: [theta.length], data: theta } as Tensor,
    };
    const { worst } = await checkGradients(built.builder.build([loss]), {
      loss,
      wrt: ["theta"],
      feeds,
      run,
      step: 0.003,
    });
    for (const session of sessions.values()) await session.close();
    expect(worst).toBeLessThan(2e-3);
  });
});

it("a Swin is one file with its adapters, which runs any batch", async () => {
  const folder = await mkdtemp(join(tmpdir(), "petalface-rows-"));
  try {
    const backbone = swin(small);
    const config = configOf(backbone, { gate: "twin" });
    const adapter = { config, theta: thetaOf(backbone, config) };
    const path = join(folder, "swin.onnx");
    await exportModel(path, backbone, adapter, "quality");
    const exported = await openBackbone(path);
    const model = adaptedModel(backbone, adapter);
    const [file, memory] = [
      await openSession(exported.graph, { threads: 1 }),
      await openSession(model.graph, { threads: 1 }),
    ];
    for (const count of [1, 2, 5]) {
      const faces = { [backbone.input]: noise(backbone, count, count) };
      const [actual, expected] = [await file.run(faces), await memory.run(faces)];
      expect(actual[exported.output]?.dims).toEqual([count, backbone.width]);
      expect(distance(floats(expected[model.output]), floats(actual[exported.output]))).toBeLessThan(1e-6);
    }
    await file.close();
    await memory.close();
    // What was exported can be adapted again.
    expect((await proveSites(exported, { threads: 1 })).sites.length).toBeGreaterThan(
      findSites(backbone.graph).sites.length,
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

describe("the layouts", () => {
  it("are found in windows, rows and heads", () => {
    const backbone = swin(small);
    const { sites } = findSites(backbone.graph);
    const shown = sites.map((site) => `${site.op} ${printRows(shapeIn(backbone, site.output), site.rows)}`);
    const block = ["MatMul [N x 4, 16, 24]", "MatMul [N x 4, 16, 8]", "Gemm [N x 64, 16]", "Gemm [N x 64, 8]"];
    expect(shown).toEqual([
      "Conv [N, 8, 8, 8]",
      ...[...block, ...block],
      "MatMul [N, 4, 4, 16]",
      "MatMul [N, 16, 48]",
      "MatMul [N, 16, 16]",
      "Gemm [N, 6]",
    ]);
    expect(sites.map((site) => site.positions)).toEqual([256, ...Array(8).fill(64), 16, 16, 16, 1]);
  });

  it("are found wherever else the batch lies", () => {
    const backbone = unusual();
    const { sites } = findSites(backbone.graph);
    const shown = sites.map(({ output, rows }) => printRows(shapeIn(backbone, output), rows));
    expect(shown).toEqual([
      "[N x 4, 6, 4, 4]",
      "[N x 4, 6, 4, 4]",
      "[64, N, 7]",
      "[64 x N, 7]",
      "[4 x N x 16, 7]",
      "[5, 4 x N x 16]",
      "[5, 4 x N x 16]",
      "[4 x N x 16, 6]",
      "[N, 4, 3, 16]",
      "[N, 5]",
    ]);
  });

  it("hold for any shape of windows", async () => {
    const shapes = fc.record({
      window: fc.integer({ min: 1, max: 4 }),
      across: fc.integer({ min: 1, max: 3 }),
      heads: fc.integer({ min: 1, max: 3 }),
      depth: fc.integer({ min: 1, max: 4 }),
    });
    await fc.assert(
      fc.asyncProperty(shapes, fc.constantFrom("low", "twin"), async (shape, gate) => {
        const backbone = swin(shape);
        const { sites } = findSites(backbone.graph);
        expect(findSites(backbone.graph).unfit).toEqual([]);
        const chosen = sites.filter((site) => site.op !== "Conv").map((site) => site.name);
        await expectImagesApart(backbone, configOf(backbone, { gate, sites: chosen }));
      }),
      { numRuns: 12 },
    );
  });
});

describe("layers that are refused", () => {
  const reasons = async (body: (kit: Kit, image: string) => string): Promise<string[]> =>
    (await proveSites(backboneOf(4, 3, body), { threads: 1 })).unfit.map(({ reason }) => reason);
  const flat = ({ o }: Kit, image: string): string => o.reshape(image, [1, 48]);

  it("because images are shuffled, averaged or cut across, naming the node", async () => {
    const lost = (backbone: Backbone) => findSites(backbone.graph).unfit.map(({ reason }) => reason);
    expect(lost(openBody(({ o, weights }, rows) => o.matmul(o.flip(rows, [0]), weights(48, 3))))).toEqual([
      expect.stringMatching(/^cannot tell which row belongs to which image: Slice node ".+": it picks from the images/),
    ]);
    expect(
      lost(openBody(({ o, weights }, rows) => o.matmul(o.sub(rows, o.reduceMean(rows, [0])), weights(48, 3)))),
    ).toEqual([expect.stringMatching(/ReduceMean node ".+": it reduces over the images of the batch/)]);
    expect(lost(openBody(({ o, weights }, rows) => o.matmul(o.softmax(rows, 0), weights(48, 3))))).toEqual([
      expect.stringMatching(/Softmax node ".+": it works over the images of the batch/),
    ]);
    expect(
      lost(
        openBody(({ o, weights }, rows) => {
          const halves = o.builder.add("Reshape", [rows, o.ints([2, -1])]);
          return o.matmul(o.builder.add("Reshape", [halves, o.ints([-1, 48])]), weights(48, 3));
        }),
      ),
    ).toEqual([expect.stringMatching(/Reshape node ".+": reshaping \[N, 48\] to \[2, 24\*N\] cuts across the images/)]);
  });

  it("because they do not depend on the image", async () => {
    expect(
      await reasons((kit, image) => {
        const { o, weights } = kit;
        const table = o.matmul(o.cos(o.builder.add("ConstantOfShape", [o.ints([2, 4])])), weights(4, 48));
        return o.matmul(o.mul(flat(kit, image), o.reduceMean(table, [0])), weights(48, 3));
      }),
    ).toEqual(["does not depend on the image"]);
  });

  it("because of what they are", async () => {
    expect(
      await reasons((kit, image) => {
        const { o, weights } = kit;
        const grouped = o.conv(image, weights(3, 1, 1, 1), { group: 3 });
        const line = o.conv(o.reshape(grouped, [1, 3, 16]), weights(3, 3, 1));
        const stack = o.matmul(o.reshape(line, [1, 3, 16]), weights(1, 16, 16));
        const x = o.reshape(stack, [1, 48]);
        return o.gemm(x, weights(48, 3), { alpha: 0.5 });
      }),
    ).toEqual(["grouped convolution", "1-D convolution", "weight has 3 dimensions", "product with a separate factor"]);
  });

  it("because the probe finds another layout than the graph seemed to say", async () => {
    const backbone = swin(small);
    const found = findSites(backbone.graph);
    const [, qkv, ...others] = found.sites;
    if (qkv === undefined) throw new Error("the network has no second site");
    for (const rows of [
      { ...qkv.rows, outer: 4, inner: 1 },
      { ...qkv.rows, outer: 2, inner: 2 },
    ]) {
      const { sites, unfit } = await proveSiteRows(backbone, { ...found, sites: [{ ...qkv, rows }, ...others] });
      expect(sites).toEqual(others);
      expect(unfit).toEqual([
        {
          name: qkv.name,
          op: "MatMul",
          reason: expect.stringMatching(/row \d+ of \d+ does not depend on image \d of 3 alone/),
        },
      ]);
    }
    expect(imageOf(qkv.rows, 5, 3)).toBe(1);
  });

  it("with the reason, when asked for by name", async () => {
    const backbone = backboneOf(4, 3, (kit, image) => {
      const grouped = kit.o.conv(image, kit.weights(3, 1, 1, 1), { group: 3 });
      return kit.o.matmul(flat(kit, grouped), kit.weights(48, 3));
    });
    const { sites, unfit } = findSites(backbone.graph);
    const [refused] = unfit;
    expect(() => selectSites(sites, refused?.name, unfit)).toThrow(/cannot carry an adapter: grouped convolution/);
    expect(() => layoutOf(backbone, configOf(backbone, { sites: [refused?.name ?? ""] }))).toThrow(
      /cannot carry one: grouped convolution/,
    );
  });
});

/**
 * A backbone whose body `rows` [N, 48] -> embedding is written for an open batch, as an exporter
 * with a dynamic batch does.
 */
function openBody(body: (kit: Kit, rows: string) => string): Backbone {
  const start = backboneOf(4, 48, ({ o }, image) => o.reshape(image, [1, 48]));
  const b = new GraphBuilder(start.graph);
  const stream = random("open", 1);
  const weights = (...dims: number[]): string => {
    const count = dims.reduce((product, dim) => product * dim, 1);
    return b.constant({ dtype: "float32", dims, data: Float32Array.from({ length: count }, () => stream.normal()) });
  };
  return wrap(b.build([body({ o: ops(b), weights }, start.output)]), 4, 3);
}
