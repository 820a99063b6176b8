import { itemAt, traceRows } from "onnx-grad";
import { describe, expect, it } from "vitest";
import { nodesOnBranches } from "../../src/adapters/branches.ts";
import {
  type AdapterConfig,
  adaptedModel,
  findSites,
  gateNames,
  layoutOf,
  mergeAdapter,
  selectSites,
} from "../../src/adapters/index.ts";
import { tailsOf } from "../../src/adapters/tail.ts";
import { type Backbone, toInput } from "../../src/backbones/index.ts";
import { random } from "../../src/random.ts";
import { openSession } from "../../src/runtime/index.ts";
import { backboneOf, swin, unusual, vit } from "./networks.ts";

/**
 * A network whose layers are followed by all that onnxruntime folds into them: batch norm, scales,
 * shifts of a channel.
 */
const scaled = (): Backbone =>
  backboneOf(8, 5, ({ o, weights }, image) => {
    const positive = (count: number): string => o.add(o.abs(weights(count)), 0.5);
    const bn = (x: string, count: number): string => {
      // Constants by themselves, as a file has them.
      const numbers = (from: number): string => o.floats(Array.from({ length: count }, (_, i) => from + Math.sin(i)));
      return o.builder.add("BatchNormalization", [x, numbers(2), numbers(0), numbers(0), numbers(3)], {
        epsilon: { float: 1e-3 },
      });
    };
    const first = bn(o.conv(image, weights(6, 3, 3, 3), { pads: [1, 1, 1, 1] }, weights(6)), 6);
    const second = o.add(
      o.mul(o.conv(o.relu(first), weights(150, 6, 1, 1)), weights(150, 1, 1)),
      weights(1, 150, 1, 1),
    );
    const third = o.mul(weights(1, 6, 1, 1), o.conv(o.relu(second), weights(6, 150, 1, 1)));
    const rows = o.reshape(o.relu(o.add(third, first)), [1, 6 * 64]);
    const fourth = o.mul(o.add(o.matmul(rows, weights(6 * 64, 7)), weights(7)), 0.25);
    const fifth = bn(o.gemm(o.tanh(fourth), weights(5, 7), { c: weights(5), transB: true }), 5);
    return o.mul(fifth, positive(5));
  });

/** Two layers of one weight. */
const tied = (): Backbone =>
  backboneOf(4, 48, ({ o, weights }, image) => {
    const weight = weights(48, 48);
    return o.matmul(o.tanh(o.matmul(o.reshape(image, [1, 48]), weight)), weight);
  });

const configOf = (backbone: Backbone, gate: AdapterConfig["gate"]): AdapterConfig => ({
  method: "lora",
  gate,
  rank: 4,
  scale: 0.7,
  sites: findSites(backbone.graph).sites.map((site) => site.name),
  backbone: { name: backbone.spec.name, sha256: backbone.spec.sha256 },
  calibration: { measure: "sharpness", low: 0, high: 4 },
});

async function embed(backbone: Backbone, graph: Backbone["graph"], output = graph.outputs[0] ?? ""): Promise<number[]> {
  const stream = random("faces", 1);
  const pixels = Uint8Array.from({ length: 3 * 3 * backbone.size ** 2 }, () => Math.floor(256 * stream.uniform()));
  const session = await openSession(graph, { threads: 1 });
  const results = await session.run({ [backbone.input]: toInput(pixels, 3, 3, backbone.size, backbone.spec) });
  await session.close();
  return Array.from(results[output]?.data as Float32Array);
}

const distance = (a: readonly number[], b: readonly number[]): number =>
  Math.hypot(...a.map((value, i) => value - itemAt(b, i))) / Math.hypot(...a);

describe.each([
  ["layers with scales and norms behind them", scaled],
  ["layers that share a weight", tied],
] as const)("%s", (_, make) => {
  const backbone = make();
  const stream = random("theta", 5);
  const length = layoutOf(backbone, configOf(backbone, "low")).length;
  const theta = Float32Array.from({ length }, () => 0.2 * stream.normal());

  it.each(gateNames.flatMap((gate) => [0, 0.4, 1].map((alpha) => ({ gate, alpha }))))(
    "are adapted as their weights are merged ($gate at $alpha)",
    async ({ gate, alpha }) => {
      const adapter = { config: configOf(backbone, gate), theta };
      const { graph, output } = adaptedModel(backbone, adapter, alpha);
      const adapted = await embed(backbone, graph, output);
      const frozen = await embed(backbone, backbone.graph);
      expect(distance(await embed(backbone, await mergeAdapter(backbone, adapter, alpha)), adapted)).toBeLessThan(1e-5);
      if ((gate === "low" || gate === "hat") && alpha === 1) expect(adapted).toEqual(frozen);
      else expect(distance(frozen, adapted)).toBeGreaterThan(0.01);
    },
  );
});

it("an adapter is added behind what is folded into its layer, not behind what is not", () => {
  const backbone = scaled();
  const { sites } = findSites(backbone.graph);
  const tails = tailsOf(backbone.graph, sites);
  const ends = sites.map((site) => {
    const [end, found] = [...tails].find(([, { site: other }]) => other === site) ?? [];
    return [backbone.graph.nodes.find((node) => node.name === end)?.op, found?.tail.factors.map((node) => node.op)];
  });
  expect(ends).toEqual([
    ["BatchNormalization", ["BatchNormalization"]],
    ["Add", ["Mul"]],
    ["Mul", ["Mul"]],
    ["Mul", ["Mul"]],
    ["BatchNormalization", ["BatchNormalization"]],
  ]);
});

describe("the default sites", () => {
  const defaults = (backbone: Backbone): string[] => {
    const { sites } = findSites(backbone.graph);
    const chosen = selectSites(sites);
    return sites.map((site) => `${site.op}${chosen.includes(site) ? "" : " not"}`);
  };

  it("of a Swin are qkv, proj, fc1 and fc2; not patch embedding, patch merging or head", () => {
    const block = ["MatMul", "MatMul", "Gemm", "Gemm"];
    const expected = ["Conv not", ...block, ...block, "MatMul not", "MatMul", "MatMul", "Gemm not"];
    expect(defaults(swin({ window: 4, across: 2, heads: 2, depth: 4 }))).toEqual(expected);
  });

  it("of a ViT are the same", () => {
    expect(defaults(vit())).toEqual(["Conv not", "MatMul", "MatMul", "MatMul", "MatMul", "MatMul not"]);
  });

  it("are all products where there are no residual branches", () => {
    const backbone = unusual();
    expect(nodesOnBranches(backbone.graph, traceRows(backbone.graph)).size).toBe(0);
    expect(defaults(backbone)).toEqual([
      "Conv not",
      "Conv not",
      ...findSites(backbone.graph)
        .sites.slice(2)
        .map(({ op }) => op),
    ]);
  });
});
