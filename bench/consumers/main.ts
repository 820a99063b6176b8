/** The files of `export --for` in the products' own code. Exits with 1 if a bar is missed. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { writeModel } from "onnx-grad";
import { type Adapter, adaptedModel, exportedGraph, loadAdapter } from "petalface/adapters";
import { type Backbone, type EmbeddingModel, openBackbone, openEmbedder } from "petalface/backbones";
import { openData } from "petalface/data";
import { contractOf, fitGraph, formFor } from "petalface/deploy";
import { openLoader } from "petalface/images";
import { defineBenchmark } from "../skeleton/benchmark.ts";
import type { Python } from "../skeleton/python.ts";
import { lfw, modelFile } from "../skeleton/shared.ts";
import { spread } from "../skeleton/statistics.ts";
import { drawnAdapter } from "./adapter.ts";
import { type Row, renderConsumers, rowOf } from "./table.ts";

/** Consumers by the target whose file they load. */
const consumers = {
  insightface: "insightface",
  uniface: "uniface",
  opencv: "opencv",
  "opencv classic": "opencv",
  immich: "immich",
  frigate: "frigate",
  "openvino, float32": "frigate",
  "openvino, its default": "frigate",
} as const;

export default defineBenchmark({
  name: "consumers",
  title: "Exported files in the products' own code",
  measures: "Whether insightface, uniface, OpenCV, Immich, Frigate and OpenVINO embed as petalface does.",
  minutes: 12,
  needs: "the shared photos and weights",
  requirements: join(import.meta.dirname, "requirements.txt"),
  options: {
    models: { help: "names among the shared weights", default: ["mobilefacenet", "fr_feature", "edgeface_xs"] },
    faces: { help: "sharp faces, and as many at 12 and 16 px", default: 100 },
    run: { help: "a run of the one model; an adapter with drawn weights unless given" },
  },
  async run({ models, faces, run }, { work, needPython }) {
    const python = await needPython();
    const rows: Row[] = [];
    for (const name of models) {
      const folder = await mkdtemp(join(work, "run-"));
      rows.push(...(await measure(folder, { name, run, python, faces })));
      await rm(folder, { recursive: true, force: true });
    }
    return {
      body: renderConsumers(rows, faces, run === undefined ? "drawn weights" : "a trained run"),
      versions: python.versions,
      failed: rows.some(({ passes }) => passes === false),
    };
  },
});

interface Task {
  readonly name: string;
  readonly run: string | undefined;
  readonly python: Python;
  readonly faces: number;
}

/** All consumers on one model: embeddings of the adapted file against petalface's, and of sharp faces against the frozen file's. */
async function measure(folder: string, { name, run, python, faces: count }: Task): Promise<Row[]> {
  const backbone = await openBackbone(modelFile(name));
  const adapter = run === undefined ? await drawnAdapter(backbone) : await loadAdapter(run, backbone);
  const faces = await loadFaces(backbone.size, count);
  await writeFile(join(folder, "faces.bin"), interleaved(faces.planes, backbone.size));
  const here = await embed(adaptedModel(backbone, adapter), faces);
  const jobs = await writeJobs(folder, backbone, adapter);
  await writeFile(join(folder, "jobs.json"), JSON.stringify(jobs));
  python.run([join(import.meta.dirname, "consumers.py"), folder]);
  const text = await readFile(join(folder, "reports.json"), "utf8");
  const reports = JSON.parse(text) as { out: string; error?: string }[];
  const rows: Row[] = [];
  for (const consumer of Object.keys(consumers)) {
    const read = async (kind: string): Promise<Float32Array | string> => {
      const report = reports.find(({ out }) => out.endsWith(`${consumer}-${kind}.f32`));
      return report?.error ?? new Float32Array(new Uint8Array(await readFile(report?.out ?? "")).buffer);
    };
    rows.push(rowOf(name, consumer, await read("adapted"), await read("frozen"), here, backbone.width));
  }
  return rows;
}

interface Faces {
  readonly planes: Uint8Array;
  readonly count: number;
}

/** LFW faces as they are, then others at 12 and 16 px. */
async function loadFaces(size: number, each: number): Promise<Faces> {
  const data = await openData(lfw);
  await using loader = openLoader({ size, threads: 1 });
  const planes = await loader.load(
    spread(2 * each, data.length).map((at, i) => ({
      source: data.at(at).source,
      flip: false,
      degrade: i < each ? undefined : ({ kind: "lr", pixels: i % 2 === 0 ? 12 : 16 } as const),
    })),
  );
  return { planes, count: 2 * each };
}

/** Planes as OpenCV has images: channels last. */
function interleaved(planes: Uint8Array, size: number): Uint8Array {
  const plane = size ** 2;
  return Uint8Array.from({ length: planes.length }, (_, at) => {
    const [face, rest] = [Math.floor(at / (3 * plane)), at % (3 * plane)];
    return planes[(3 * face + (rest % 3)) * plane + Math.floor(rest / 3)];
  });
}

async function embed(model: EmbeddingModel, { planes, count }: Faces) {
  const embedder = await openEmbedder(model, { threads: 1, batch: 10 });
  const face = planes.length / count;
  const data = new Float32Array(count * model.width);
  const alpha = new Float32Array(count);
  for (let start = 0; start < count; start += 10) {
    const part = Math.min(10, count - start);
    const result = await embedder.embed(planes.subarray(start * face), part);
    data.set(result.data, start * model.width);
    if (result.alpha !== undefined) alpha.set(result.alpha, start);
  }
  await embedder.close();
  return { data, alpha };
}

/** Writes the adapted and the frozen file of every target, and lists who is to open them. */
async function writeJobs(folder: string, backbone: Backbone, adapter: Adapter) {
  const graphs = {
    adapted: await exportedGraph(backbone, adapter, "quality"),
    frozen: { ...backbone.graph, outputs: [backbone.output] },
  };
  const jobs: { consumer: string; file: string; out: string }[] = [];
  for (const [kind, graph] of Object.entries(graphs)) {
    for (const target of new Set(Object.values(consumers))) {
      const deployed = { ...backbone, graph };
      const form = formFor(contractOf(target), deployed, kind === "adapted");
      await writeModel(fitGraph(deployed, form), join(folder, `${target}-${kind}.onnx`));
    }
    for (const [consumer, target] of Object.entries(consumers))
      jobs.push({
        consumer,
        file: join(folder, `${target}-${kind}.onnx`),
        out: join(folder, `${consumer}-${kind}.f32`),
      });
  }
  return jobs;
}
