import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { type Graph, GraphBuilder, type ValueType } from "onnx-grad";
import { beforeAll, describe, expect, it } from "vitest";
import { type Backbone, toInput } from "../../src/backbones/index.ts";
import { decodeImage, toPlanes } from "../../src/images/index.ts";
import { brisqueFeatures } from "../../src/quality/brisque/brisque.ts";
import { openMeasure, qualityGraph } from "../../src/quality/index.ts";
import { plainModel } from "../../src/quality/plain-model.ts";
import { floatsOf, openSession } from "../../src/runtime/index.ts";
import { readSafetensors } from "../../src/tensors/index.ts";

const shared = resolve(import.meta.dirname, "../../../..", process.env.PETALFACE_SHARED ?? "../shared");
const folder = resolve(shared, "oracle/quality");
const weights = (name: string): string => resolve(shared, "weights", name);
const size = 112;

interface Row {
  readonly brisque: number;
  readonly cnniqa: number;
  readonly row: number;
  readonly file?: string;
  readonly png?: string;
}

/** Runs one output of a graph on planes, eight images at a time. */
async function run(model: Backbone, graph: Graph, output: string, planes: Uint8Array, count: number) {
  const session = await openSession(graph, { threads: 1 });
  const all: number[] = [];
  for (let start = 0; start < count; start += 8) {
    const n = Math.min(8, count - start);
    const part = planes.subarray(start * 3 * size * size, (start + n) * 3 * size * size);
    all.push(...floatsOf(await session.run({ [model.input]: toInput(part, n, n, size, model.spec) }), output));
  }
  await session.close();
  return all;
}

async function planesOf(files: readonly string[]): Promise<Uint8Array> {
  const planes = new Uint8Array(files.length * 3 * size * size);
  for (const [i, file] of files.entries())
    toPlanes(await decodeImage(resolve(folder, file), size), planes, i * 3 * size * size);
  return planes;
}

describe.skipIf(!existsSync(folder))("measures of others (needs PETALFACE_SHARED)", () => {
  // A network's own normalisation and channel order: the measures must undo both.
  const model: Backbone = {
    ...plainModel(size),
    spec: { name: "bgr", sha256: "", mean: [127.5, 120, 110], scale: [1 / 128, 1 / 127.5, 1 / 60], channels: "bgr" },
  };
  const brisqueSpec = `brisque:model=${weights("brisque_model_live.yml")},range=${weights("brisque_range_live.yml")}`;
  const cnniqaSpec = `cnniqa:model=${weights("CNNIQA-LIVE.pth")}`;
  let rows: readonly Row[];
  let planes: Uint8Array;
  let jpegs: readonly Row[];

  beforeAll(async () => {
    const all = (JSON.parse(readFileSync(resolve(folder, "scores.json"), "utf8")) as { rows: readonly Row[] }).rows;
    rows = all.filter(({ png }) => png !== undefined);
    planes = await planesOf(rows.map(({ png = "" }) => png));
    jpegs = all.filter(({ file }) => file !== undefined);
  });

  const score = async (spec: string, on: Uint8Array, count: number): Promise<number[]> => {
    const measure = await openMeasure(spec);
    const { graph, score: output } = qualityGraph(model, measure);
    return run(model, graph, output, on, count);
  };
  const worst = (values: readonly number[], expected: readonly number[]): number =>
    Math.max(...values.map((value, i) => Math.abs(value - expected[i])));

  it("BRISQUE's features are OpenCV's", async () => {
    expect(rows.length).toBe(60);
    const b = new GraphBuilder({ name: "features", opset: model.graph.opset });
    const image = b.input(model.input, model.graph.types.get(model.input) as ValueType);
    const { features } = brisqueFeatures(b, model, image);
    const values = await run(model, b.build([features]), features, planes, rows.length);
    const expected = (await readSafetensors(resolve(folder, "quality.safetensors"))).tensors.get("brisque_features")
      ?.data as Float32Array;
    const outside = values.filter((value, i) => {
      const right = expected[rows[Math.floor(i / 36)].row * 36 + (i % 36)];
      return Math.abs(value - right) > Math.max(1e-3 + 1e-6, 2e-3 * Math.abs(right));
    });
    expect(outside).toEqual([]);
  });

  it("BRISQUE's scores are OpenCV's, to 0.05 on the same pixels and 1.0 after another JPEG decoder", async () => {
    expect(
      worst(
        await score(brisqueSpec, planes, rows.length),
        rows.map(({ brisque }) => brisque),
      ),
    ).toBeLessThan(0.05);
    const decoded = await planesOf(jpegs.map(({ file = "" }) => file));
    expect(jpegs.length).toBe(40);
    expect(
      worst(
        await score(brisqueSpec, decoded, jpegs.length),
        jpegs.map(({ brisque }) => brisque),
      ),
    ).toBeLessThan(1);
  });

  it("CNNIQA's scores are its author's, to 1e-3 on the same pixels and 0.3 after another JPEG decoder", async () => {
    expect(
      worst(
        await score(cnniqaSpec, planes, rows.length),
        rows.map(({ cnniqa }) => cnniqa),
      ),
    ).toBeLessThan(1e-3);
    const decoded = await planesOf(jpegs.map(({ file = "" }) => file));
    expect(
      worst(
        await score(cnniqaSpec, decoded, jpegs.length),
        jpegs.map(({ cnniqa }) => cnniqa),
      ),
    ).toBeLessThan(0.3);
  });

  it("BRISQUE calls a constant image the worst there is, not the best", async () => {
    const grey = new Uint8Array(2 * 3 * size * size).fill(90).fill(255, 3 * size * size);
    expect(await score(brisqueSpec, grey, 2)).toEqual([100, 100]);
  });
});
