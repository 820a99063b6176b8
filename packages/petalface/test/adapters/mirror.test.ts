import { join } from "node:path";
import { readMetadata, writeModel } from "onnx-grad";
import { beforeAll, describe, expect, it } from "vitest";
import {
  type Adapter,
  adaptedModel,
  exportedGraph,
  levelsGraph,
  mirroredModel,
  mirrorWeight,
  withMirror,
} from "../../src/adapters/index.ts";
import { type Backbone, type EmbeddingModel, openBackbone } from "../../src/backbones/index.ts";
import { floatsOf, openSession } from "../../src/runtime/index.ts";
import { writeTinyBackbone } from "../support/backbone.ts";
import { drawnAdapter, embedHere, fedAs, noiseFaces } from "../support/deployed.ts";
import { temporaryFolder } from "../support/folder.ts";

const folder = temporaryFolder("petalface-mirror-");
const [count, size] = [12, 112];
const faces = noiseFaces(count, size);
let backbone: Backbone;
let adapter: Adapter;

beforeAll(async () => {
  await writeTinyBackbone(join(folder, "tiny.onnx"), 1, size);
  backbone = await openBackbone(join(folder, "tiny.onnx"));
  adapter = await drawnAdapter(backbone, { measure: "sharpness", low: 5, high: 9 });
});

/** Every row of pixels backwards. */
const mirrored = faces.slice();
for (let start = 0; start < faces.length; start += size) mirrored.subarray(start, start + size).reverse();

/** What a model must put out once it embeds mirror images too. */
async function expected(model: EmbeddingModel, weightOf: (alpha: number | undefined) => number) {
  const plain = await embedHere(model, faces, count);
  const other = await embedHere(model, mirrored, count);
  const { width } = model;
  const data = plain.data.map((value, at) => value + weightOf(plain.alpha[Math.floor(at / width)]) * other.data[at]);
  return { plain, data };
}

function expectNear(found: Float32Array, wanted: Float32Array): void {
  const largest = Math.max(...wanted.map(Math.abs));
  const error = Math.max(...found.map((value, at) => Math.abs(value - (wanted[at] ?? Number.NaN))));
  expect(error / largest).toBeLessThan(1e-5);
}

describe("mirroredModel", () => {
  it("adds mirror images by 1 - alpha, and leaves the embeddings of sharp faces and alpha alone", async () => {
    const model = adaptedModel(backbone, adapter);
    const { plain, data } = await expected(model, (alpha = 0) => 1 - alpha);
    const found = await embedHere(mirroredModel(model), faces, count);
    expectNear(found.data, data);
    expect(found.alpha).toEqual(plain.alpha);
    const sharp = [...plain.alpha.keys()].filter((row) => plain.alpha[row] === 1);
    expect(sharp.length).toBeGreaterThan(0);
    expect(sharp.length).toBeLessThan(count);
    const { width } = model;
    for (const row of sharp)
      expect(found.data.slice(row * width, (row + 1) * width)).toEqual(
        plain.data.slice(row * width, (row + 1) * width),
      );
  });

  it("adds all mirror images where there is no alpha", async () => {
    const { data } = await expected(backbone, () => 1);
    expectNear((await embedHere(mirroredModel(backbone), faces, count)).data, data);
  });
});

describe("withMirror", () => {
  it("keeps names of inputs, outputs and nodes, and has the weights once", async () => {
    const plain = await exportedGraph(backbone, adapter, "quality");
    const graph = withMirror(plain, plain.outputs[1] ?? "");
    expect([graph.inputs, graph.outputs]).toEqual([plain.inputs, plain.outputs]);
    const names = graph.nodes.map(({ name }) => name);
    expect(names.slice(0, plain.nodes.length).sort()).toEqual(plain.nodes.map(({ name }) => name).sort());
    expect(names.slice(plain.nodes.length).every((name) => name.startsWith("petalface/"))).toBe(true);
    const bytes = ({ constants }: typeof graph): number =>
      [...constants.values()].reduce((sum, constant) => sum + ("data" in constant ? constant.data.byteLength : 0), 0);
    expect(bytes(graph) - bytes(plain)).toBeLessThan(200);
  });

  it("takes alpha from a number", async () => {
    const plain = await exportedGraph(backbone, adapter, 0.25);
    const file = join(folder, "quarter.onnx");
    await writeModel(withMirror(plain, 0.25), file);
    expect(readMetadata(file).get("petalface.mirror")).toBe("0.75");
    const { data } = await expected({ ...backbone, graph: plain }, () => 0.75);
    expectNear((await embedHere(await openBackbone(file), faces, count)).data, data);
  });

  it("takes alpha from an input", async () => {
    const plain = await exportedGraph(backbone, adapter, "input");
    const graph = withMirror(plain, "alpha");
    expect(graph.inputs).toEqual([backbone.input, "alpha"]);
    const session = await openSession(graph, { threads: 1 });
    const alpha = Float32Array.from({ length: count }, (_, face) => face / (count - 1));
    const run = (pixels: Uint8Array, form = session) =>
      form.run({
        [backbone.input]: {
          dtype: "float32",
          dims: [count, 3, size, size],
          data: fedAs(pixels, count, size, backbone.spec),
        },
        alpha: { dtype: "float32", dims: [count], data: alpha },
      });
    const found = floatsOf(await run(faces), backbone.output).slice();
    await session.close();
    const single = await openSession(plain, { threads: 1 });
    const here = floatsOf(await run(faces, single), backbone.output).slice();
    const other = floatsOf(await run(mirrored, single), backbone.output).slice();
    await single.close();
    const { width } = backbone;
    expectNear(
      found,
      here.map((value, at) => value + (1 - (alpha[Math.floor(at / width)] ?? 0)) * (other[at] ?? 0)),
    );
  });
});

it("an adapter of a file that has mirror images says so in its own exports", async () => {
  const graph = { ...backbone.graph, metadata: new Map([...backbone.graph.metadata, ["petalface.mirror", "1"]]) };
  const given = { ...backbone, graph };
  for (const alpha of ["quality", "input", 0.5] as const)
    expect(mirrorWeight(await exportedGraph(given, adapter, alpha))).toBe("1");
  expect(mirrorWeight(await levelsGraph(given, adapter, 3))).toBe("1");
});
