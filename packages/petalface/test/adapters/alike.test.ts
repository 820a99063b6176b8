import { lower, setBatch, sizeOf } from "onnx-grad";
import { describe, expect, it } from "vitest";
import { adaptedModel, findSites, initialTheta, layoutOf } from "../../src/adapters/index.ts";
import { type EmbeddingModel, openEmbedder } from "../../src/backbones/index.ts";
import { random } from "../../src/random.ts";
import { backboneOf, type Kit } from "./networks.ts";

// Everything that onnxruntime computes differently at its highest level once an adapter stands in
// between: what it fuses into convolutions in a blocked layout, what becomes one there, and what
// sums in another order.
const channels = 32;
const width = 8;

const conv = ({ o, weights }: Kit, x: string, side = 3, out = channels): string =>
  o.conv(x, weights(out, o.dim(x, 1), side, side), { pads: Array(4).fill(side >> 1) }, weights(out));

function norm({ o }: Kit, x: string): string {
  const numbers = (from: number): string => o.floats(Array.from({ length: o.dim(x, 1) }, (_, i) => from + Math.sin(i)));
  return o.builder.add("BatchNormalization", [x, numbers(2), numbers(0), numbers(0), numbers(3)], {
    epsilon: { float: 1e-5 },
  });
}

function embedding({ o, weights }: Kit, x: string): string {
  const numbers = sizeOf(o.dims(x));
  return o.matmul(o.reshape(x, [1, numbers]), weights(numbers, width));
}

const add = ({ o }: Kit, op: string, ...inputs: string[]): string => o.builder.add(op, inputs);

const bodies: Readonly<Record<string, (kit: Kit, x: string) => string>> = {
  "a residual block": (kit, x) => kit.o.add(conv(kit, kit.o.relu(conv(kit, x))), x),
  "a sum of two convolutions": (kit, x) => add(kit, "Sum", norm(kit, conv(kit, x)), conv(kit, x, 1)),
  "normalisations before convolutions": (kit, x) => {
    const inner = kit.o.prelu(norm(kit, conv(kit, norm(kit, x))), kit.weights(channels, 1, 1));
    return norm(kit, kit.o.add(norm(kit, conv(kit, inner)), x));
  },
  // Wide enough for Winograd's algorithm.
  "wide convolutions": (kit, x) => {
    const wide = conv(kit, x, 1, 128);
    const inner = kit.o.prelu(norm(kit, conv(kit, wide, 3, 128)), kit.weights(128, 1, 1));
    return kit.o.add(norm(kit, conv(kit, inner, 3, 128)), wide);
  },
  // Rows of 4096 bytes, which are kept apart.
  "wide hidden layers": (kit, x) => {
    const [, inner = 0, height = 0, width = 0] = kit.o.dims(x);
    const tokens = kit.o.transpose(kit.o.reshape(x, [1, inner, height * width]), [0, 2, 1]);
    const hidden = kit.o.relu(kit.o.matmul(tokens, kit.weights(inner, 1024)));
    const sum = kit.o.add(kit.o.matmul(hidden, kit.weights(1024, inner)), tokens);
    return kit.o.reshape(kit.o.transpose(sum, [0, 2, 1]), [1, inner, height, width]);
  },
  "curved activations": (kit, x) =>
    kit.o.mul(add(kit, "Sigmoid", conv(kit, add(kit, "Tanh", conv(kit, x)))), add(kit, "HardSigmoid", conv(kit, x, 1))),
  "pools of all pixels": (kit, x) => add(kit, "GlobalAveragePool", kit.o.relu(conv(kit, x))),
  "pools of some pixels": (kit, x) =>
    kit.o.builder.add("AveragePool", [kit.o.add(conv(kit, x), x)], {
      kernel_shape: { ints: [3, 3] },
      strides: { ints: [2, 2] },
    }),
};

describe("a network and the same network with adapters that are closed", () => {
  it.each(Object.keys(bodies))("round alike: %s", async (name) => {
    const body = bodies[name];
    const backbone = backboneOf(16, width, (kit, image) =>
      embedding(kit, body(kit, kit.o.relu(body(kit, conv(kit, image))))),
    );
    const stream = random("alike", 1);
    const pixels = Uint8Array.from({ length: 4 * 3 * 16 * 16 }, () => Math.floor(256 * stream.uniform()));
    const embed = async (model: EmbeddingModel) => {
      const embedder = await openEmbedder(model, { batch: 4, threads: 1 });
      const { data, alpha } = await embedder.embed(pixels, 4);
      await embedder.close();
      return { data, alpha };
    };
    const frozen = await embed(backbone);
    // One adapted layer at a time too: its neighbours are then as they are in the network.
    const sites = findSites(backbone.graph).sites.map((site) => site.name);
    for (const adapted of [sites, ...sites.map((site) => [site])]) {
      const at = async (low: number) => {
        const config = {
          ...({ method: "lora", gate: "low", rank: 4, scale: 1, sites: adapted } as const),
          backbone: { name: backbone.spec.name, sha256: backbone.spec.sha256 },
          calibration: { measure: "sharpness", low, high: low + 1 } as const,
        };
        const theta = await initialTheta(backbone, layoutOf(backbone, config), 1);
        return embed(adaptedModel(backbone, { config, theta: theta.map((value) => value + 0.1 * stream.normal()) }));
      };
      const closed = await at(-9);
      expect(closed.alpha).toEqual(new Float32Array([1, 1, 1, 1]));
      expect(closed.data, adapted.join()).toEqual(frozen.data);
      expect((await at(90)).data).not.toEqual(frozen.data);
    }
  });

  it("use Winograd's algorithm, and keep rows apart, as without a comparison of bits", () => {
    const operators = (name: string, operator: string): number[] => {
      const body = bodies[name];
      if (body === undefined) throw new Error(`no network called ${name}`);
      const { graph } = backboneOf(16, width, (kit, image) => embedding(kit, body(kit, conv(kit, image))));
      const lowered = [true, false].map((exact) => lower(setBatch(graph, 4), "cpu", { exact }));
      return lowered.map(({ nodes }) => nodes.filter(({ op }) => op === operator).length);
    };
    expect(operators("wide convolutions", "Einsum")).toEqual([2, 2]);
    expect(operators("wide hidden layers", "Concat")).toEqual([2, 2]);
  });

  it("get what keeps them alike only where bits are compared", () => {
    const body = bodies["normalisations before convolutions"];
    const { graph } = backboneOf(16, width, (kit, image) => embedding(kit, body(kit, conv(kit, image))));
    const operators = (exact: boolean): string[] => lower(graph, "cpu", { exact }).nodes.map(({ op }) => op);
    expect(operators(true).filter((op) => op === "LeakyRelu")).toHaveLength(1);
    // Those behind a convolution that nothing else reads go into its weights: only two of four
    // stand alone.
    expect(operators(true).filter((op) => op === "BatchNormalization")).toHaveLength(2);
    expect(operators(false).filter((op) => op === "BatchNormalization")).toHaveLength(4);
    expect(operators(false)).not.toContain("LeakyRelu");
  });
});
