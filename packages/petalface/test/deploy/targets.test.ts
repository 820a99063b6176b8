import { join } from "node:path";
import { encodeModel, type Graph, GraphBuilder, ops, printShape, readModel, writeModel } from "onnx-grad";
import { InferenceSession, Tensor } from "onnxruntime-node";
import * as web from "onnxruntime-web";
import { beforeAll, describe, expect, it } from "vitest";
import { type Adapter, adaptedModel, exportedGraph } from "../../src/adapters/index.ts";
import { type Backbone, openBackbone } from "../../src/backbones/index.ts";
import { type Contract, contracts, fitGraph, formFor, looksUnnormalised } from "../../src/deploy/index.ts";
import type { Preprocessing } from "../../src/models/index.ts";
import { tinyWidth, writeTinyBackbone } from "../support/backbone.ts";
import {
  cosines,
  drawnAdapter,
  embedHere,
  fedAs,
  noiseFaces,
  openDeployed,
  operatorsOf,
  unitRows,
} from "../support/deployed.ts";
import { temporaryFolder } from "../support/folder.ts";

const [size, count] = [112, 10];
const planes = noiseFaces(count, size);
const folder = temporaryFolder("petalface-targets-");
let backbone: Backbone;
let adapter: Adapter;

beforeAll(async () => {
  // 1 / 128 is what insightface's own programs do not feed.
  ({ backbone, adapter } = await openDeployed(folder, "127.5,1/128"));
});

/** The graph that a target gets, written and read again. Merged where it must be. */
async function fit(contract: Contract, of = backbone, with_ = adapter): Promise<Graph> {
  const graph = await exportedGraph(of, with_, contract.merged ? 0.25 : "quality");
  const deployed = { ...of, graph };
  const path = join(folder, `${contract.name}.onnx`);
  await writeModel(fitGraph(deployed, formFor(contract, deployed, !contract.merged)), path);
  return readModel(path);
}

type Level = "disabled" | "basic" | "extended" | "all";
const levels: readonly Level[] = ["disabled", "basic", "extended", "all"];

/** The file's embeddings of what a product feeds, as many faces at a time as it takes. */
async function embed(
  graph: Graph,
  feeding: Preprocessing,
  engine: "node" | "web",
  level: Level,
): Promise<Float32Array> {
  const { InferenceSession: Session, Tensor: Value } = engine === "web" ? web : { InferenceSession, Tensor };
  const options = {
    graphOptimizationLevel: level,
    ...(engine === "web" ? { executionProviders: ["wasm"] } : { intraOpNumThreads: 1 }),
  } as const;
  const session = await Session.create(encodeModel(graph), options);
  const [input = ""] = session.inputNames;
  const first = graph.types.get(input)?.shape[0];
  const batch = typeof first === "number" ? first : count;
  const fed = fedAs(planes, count, size, feeding);
  const out: number[] = [];
  for (let start = 0; start < count; start += batch) {
    const part = fed.slice(start * 3 * size ** 2, (start + batch) * 3 * size ** 2);
    const results = await session.run({ [input]: new Value("float32", part, [batch, 3, size, size]) });
    // Every product takes the first output.
    const { data } = results[session.outputNames[0]] ?? { data: [] };
    out.push(...(data as Float32Array));
  }
  await session.release();
  return Float32Array.from(out);
}

const names = Object.keys(contracts) as (keyof typeof contracts)[];

describe.each(names)("the file for %s", (name) => {
  const contract = contracts[name];
  const { feeding, batch, opset = Number.POSITIVE_INFINITY } = contract;

  it("has the names, shapes, operators and operator set that the product reads", async () => {
    const graph = await fit(contract);
    const { inputs, outputs, types, nodes } = graph;
    expect([inputs.length, outputs.length]).toEqual([1, 1]);
    if (contract.input !== undefined) expect(inputs).toEqual([contract.input]);
    const shapeOf = (value = ""): string => printShape(types.get(value)?.shape ?? []);
    expect(shapeOf(inputs[0])).toBe(`[${batch}, 3, ${size}, ${size}]`);
    expect(shapeOf(outputs[0])).toBe(`[${batch}, ${tinyWidth}]`);
    expect(graph.opset).toBeLessThanOrEqual(opset);
    const operators = operatorsOf(graph);
    for (const op of ["If", "Loop", "Scan"]) expect(operators).not.toContain(op);
    if (contract.standardOnly) expect([...operators].filter((op) => op.includes("."))).toEqual([]);
    // Nodes of ours say so; the network keeps its names.
    const frozen = new Set(backbone.graph.nodes.map((node) => node.name));
    const strangers = nodes.filter(({ name }) => !frozen.has(name) && !name.startsWith("petalface/"));
    expect(strangers.map((node) => node.name)).toEqual([]);
    expect(nodes.filter((node) => frozen.has(node.name)).length).toBe(frozen.size);
    if (contract.readsNodeNames) expect(looksUnnormalised(graph)).toBe(false);
  });

  it("computes what petalface computes, and leaves sharp faces as they were", async () => {
    const graph = await fit(contract);
    const model = contract.merged ? adaptedModel(backbone, adapter, 0.25) : adaptedModel(backbone, adapter);
    const [here, frozen] = [await embedHere(model, planes, count), await embedHere(backbone, planes, count)];
    for (const level of levels) {
      const there = await embed(graph, feeding, "node", level);
      expect(Math.min(...cosines(there, here.data, tinyWidth))).toBeGreaterThan(0.9999);
      if (contract.merged) continue;
      expect([...here.alpha].filter((alpha) => alpha === 1).length).toBeGreaterThan(2);
      expect([...here.alpha].filter((alpha) => alpha < 0.9).length).toBeGreaterThan(2);
      const [after, before] = [unitRows(there, tinyWidth), unitRows(frozen.data, tinyWidth)];
      const apart = after.map((value, i) => Math.abs(value - before[i]));
      const sharp = apart.filter((_, i) => here.alpha[Math.floor(i / tinyWidth)] === 1);
      expect(Math.max(...sharp)).toBeLessThan(1e-5);
      expect(Math.max(...apart)).toBeGreaterThan(1e-3);
    }
  });

  it("computes the same on WebAssembly", async () => {
    const graph = await fit(contract);
    const there = await embed(graph, feeding, "node", "all");
    for (const level of ["disabled", "all"] as const)
      expect(Math.min(...cosines(await embed(graph, feeding, "web", level), there, tinyWidth))).toBeGreaterThan(0.9999);
  });

  it("says itself how it is fed", async () => {
    const graph = await fit(contract);
    const path = join(folder, "again.onnx");
    await writeModel(graph, path);
    const { spec } = await openBackbone(path);
    expect([spec.mean, spec.channels]).toEqual([feeding.mean, feeding.channels]);
    for (const scale of spec.scale) expect(scale).toBeCloseTo(feeding.scale[0], 12);
  });
});

describe("a network that normalises inside", () => {
  let inner: Backbone;
  beforeAll(async () => {
    const path = join(folder, "inside.onnx");
    await writeTinyBackbone(path, 1, size, (b, image) => {
      const o = ops(b);
      return o.mul(o.sub(image, 127.5), 1 / 128);
    });
    inner = await openBackbone(path);
  });

  it("is fed pixels as they are by insightface, which sees that from names", async () => {
    const graph = await fit(
      contracts.insightface,
      inner,
      await drawnAdapter(inner, { measure: "sharpness", low: 5, high: 9 }),
    );
    expect(looksUnnormalised(graph)).toBe(true);
    const { spec } = await openBackbone(join(folder, "insightface.onnx"));
    expect([spec.mean[0], spec.scale[0]]).toEqual([0, 1]);
  });

  it("is fed -1..1 by Immich, whose earlier releases must not see Sub and Mul in names", async () => {
    const theirs = await drawnAdapter(inner, { measure: "sharpness", low: 5, high: 9 });
    const graph = await fit(contracts.immich, inner, theirs);
    expect(looksUnnormalised(graph)).toBe(false);
    const there = await embed(graph, contracts.immich.feeding, "node", "all");
    const here = await embedHere(adaptedModel(inner, theirs), planes, count);
    expect(Math.min(...cosines(there, here.data, tinyWidth))).toBeGreaterThan(0.9999);
  });

  it("would be fed wrongly if nobody saw to the names", async () => {
    const model = adaptedModel(inner, await drawnAdapter(inner, { measure: "sharpness", low: 5, high: 9 }));
    const bare = { nodes: model.graph.nodes.map((node) => ({ ...node, name: node.name.replace("petalface/", "") })) };
    expect(looksUnnormalised(bare)).toBe(true);
  });
});

describe("what a target cannot use is refused", () => {
  it("in words that say why", async () => {
    const gated = await exportedGraph(backbone, adapter, "quality");
    const told = await exportedGraph(backbone, adapter, "input");
    const small = { ...backbone, size: 16 };
    const cases: [Contract, Parameters<typeof formFor>[1], string][] = [
      [contracts.rknn, { ...backbone, graph: gated }, "one network without a gate"],
      [contracts.opencv, { ...backbone, graph: told }, "provides only the image"],
      [contracts.frigate, { ...small, graph: gated }, "faces of 112 px, and the model takes 16 px"],
      [contracts.insightface, { ...small, graph: gated }, "112 px and more"],
    ];
    for (const [contract, deployed, why] of cases) expect(() => formFor(contract, deployed, true)).toThrow(why);
  });

  it("naming the operator that an older operator set has nothing for", () => {
    const b = new GraphBuilder({ name: "einsum", opset: 18 });
    b.input("x", { dtype: "float32", shape: [1, 3, 8, 8] });
    const y = b.add("Einsum", ["x"], { equation: { string: "nchw->nc" } }, { name: "sums" });
    const { spec } = backbone;
    const form = { outputs: "embedding", opset: 11 } as const;
    expect(() => fitGraph({ graph: b.build([y]), input: "x", size: 8, width: 3, spec }, form)).toThrow(
      'Einsum node "sums": operator set 11 has nothing for it',
    );
  });
});
