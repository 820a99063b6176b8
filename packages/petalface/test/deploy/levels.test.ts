import { encodeModel, type Graph, printShape } from "onnx-grad";
import { InferenceSession, Tensor } from "onnxruntime-node";
import * as web from "onnxruntime-web";
import { beforeAll, describe, expect, it } from "vitest";
import { type Adapter, adaptedModel, levelsGraph } from "../../src/adapters/index.ts";
import type { Backbone } from "../../src/backbones/index.ts";
import { contracts, fitGraph, formFor } from "../../src/deploy/index.ts";
import { tinyWidth } from "../support/backbone.ts";
import { embedHere, fedAs, noiseFaces, openDeployed, operatorsOf, unitRows } from "../support/deployed.ts";
import { temporaryFolder } from "../support/folder.ts";

const [size, count, levels] = [112, 10, 5];
const planes = noiseFaces(count, size);
const folder = temporaryFolder("petalface-levels-");
let backbone: Backbone;
let adapter: Adapter;

beforeAll(async () => {
  ({ backbone, adapter } = await openDeployed(folder, "127.5,1/128"));
});

/** The file of a target in levels, or of the frozen network. */
async function fit(target: "uniface" | "triton" | "insightface", graph?: Graph): Promise<Graph> {
  const deployed = { ...backbone, graph: graph ?? (await levelsGraph(backbone, adapter, levels)) };
  return fitGraph(deployed, formFor(contracts[target], deployed, true));
}

type Options = "disabled" | "basic" | "extended" | "all";

/** Embeddings of all faces, `batch` at a time. */
async function run(graph: Graph, batch: number, engine: "node" | "web", level: Options): Promise<Float32Array> {
  const { InferenceSession: Session, Tensor: Value } = engine === "web" ? web : { InferenceSession, Tensor };
  const session = await Session.create(encodeModel(graph), {
    graphOptimizationLevel: level,
    ...(engine === "web" ? { executionProviders: ["wasm"] } : { intraOpNumThreads: 1 }),
  } as const);
  const fed = fedAs(planes, count, size, contracts.uniface.feeding);
  const out: number[] = [];
  for (let start = 0; start < count; start += batch) {
    const part = fed.slice(start * 3 * size ** 2, (start + batch) * 3 * size ** 2);
    const results = await session.run({
      [session.inputNames[0]]: new Value("float32", part, [batch, 3, size, size]),
    });
    const { data } = results[session.outputNames[0]] ?? { data: [] };
    out.push(...(data as Float32Array));
  }
  await session.release();
  return unitRows(Float32Array.from(out), tinyWidth);
}

const rowsOf = (data: Float32Array): Float32Array[] =>
  Array.from({ length: count }, (_, at) => data.slice(at * tinyWidth, (at + 1) * tinyWidth));

const apart = (a: Float32Array, b: Float32Array): number =>
  a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0);

describe("alpha in levels in one file", () => {
  it("has an If for each level and one output, under the names of the target", async () => {
    const graph = await fit("insightface");
    expect([graph.inputs, graph.outputs.length]).toEqual([["input.1"], 1]);
    expect(printShape(graph.types.get("input.1")?.shape ?? [])).toBe("[None, 3, 112, 112]");
    expect(graph.nodes.filter(({ op }) => op === "If")).toHaveLength(levels);
    expect(graph.nodes.filter(({ name }) => !name.startsWith("petalface/"))).toEqual([]);
    expect(graph.metadata.get("petalface.alpha")).toBe(`levels:${levels}`);
  });

  it.each(["node", "web"] as const)(
    "embeds each face as the gated network at the nearest level, on %s",
    async (engine) => {
      const { alpha } = await embedHere(adaptedModel(backbone, adapter), planes, count);
      const nearest = Array.from(alpha, (value) => Math.floor(value * (levels - 1) + 0.5) / (levels - 1));
      expect(new Set(nearest).size).toBeGreaterThan(3);
      const exact = unitRows((await embedHere(adaptedModel(backbone, adapter), planes, count)).data, tinyWidth);
      const graph = await fit("uniface");
      const there = await run(graph, count, engine, "all");
      for (const [face, level] of nearest.entries()) {
        const want = unitRows((await embedHere(adaptedModel(backbone, adapter, level), planes, count)).data, tinyWidth);
        expect(apart(rowsOf(there)[face], rowsOf(want)[face])).toBeLessThan(1e-5);
      }
      // Rounding is seen, so this is not the gated network.
      expect(apart(there, exact)).toBeGreaterThan(1e-4);
      for (const batch of [1, 5]) expect(apart(await run(graph, batch, engine, "all"), there)).toBeLessThan(1e-5);
    },
  );

  it("leaves sharp faces as the frozen file has them, at every optimisation level", async () => {
    const { alpha } = await embedHere(adaptedModel(backbone, adapter), planes, count);
    const [graph, frozen] = [
      await fit("uniface"),
      await fit("uniface", { ...backbone.graph, outputs: [backbone.output] }),
    ];
    for (const level of ["disabled", "basic", "extended", "all"] as const) {
      const [after, before] = [await run(graph, 1, "node", level), await run(frozen, 1, "node", level)];
      const sharp = Array.from(alpha.keys()).filter((face) => alpha[face] === 1);
      expect(sharp.length).toBeGreaterThan(2);
      for (const face of sharp) expect(apart(rowsOf(after)[face], rowsOf(before)[face])).toBeLessThan(1e-6);
      expect(apart(after, before)).toBeGreaterThan(1e-3);
    }
  });

  it("is written in older operator sets too", async () => {
    const newest = await run(await fit("uniface"), 5, "node", "all");
    const graph = await fit("triton");
    expect(graph.opset).toBe(17);
    const oldest = fitGraph(
      { ...backbone, graph: await levelsGraph(backbone, adapter, levels) },
      { outputs: "embedding", opset: 11, feeding: contracts.uniface.feeding },
    );
    expect(oldest.opset).toBe(11);
    for (const older of [graph, oldest]) expect(apart(await run(older, 5, "node", "all"), newest)).toBeLessThan(1e-5);
    expect(operatorsOf(oldest)).toContain("If");
  });
});
