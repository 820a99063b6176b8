/**
 * The files of `export --for` in the products' own code: `npm run bench -- consumers --help`. Exits with 1 if a bar is missed.
 */
import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { writeModel } from "onnx-grad";
import { type Adapter, adaptedModel, exportedGraph, loadAdapter } from "petalface/adapters";
import { type Backbone, type EmbeddingModel, openBackbone, openEmbedder } from "petalface/backbones";
import { openData } from "petalface/data";
import { contractOf, fitGraph, formFor } from "petalface/deploy";
import { openLoader } from "petalface/images";
import { makePython, pythonVersions, runPython } from "../networks/python.ts";
import { shared } from "../skeleton/shared.ts";
import { drawnAdapter } from "./adapter.ts";
import { type Row, renderConsumers, rowOf } from "./table.ts";

const { values } = parseArgs({
  options: {
    models: { type: "string", default: "mobilefacenet,fr_feature,edgeface_xs" },
    faces: { type: "string", default: "100" },
    run: { type: "string" },
    work: { type: "string", default: join(tmpdir(), "petalface-bench-consumers") },
    python: { type: "string", default: "python3" },
    out: { type: "string", default: join(import.meta.dirname, "../results/consumers.md") },
    help: { type: "boolean", default: false },
  },
});

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

if (values.help)
  console.log(`npm run bench -- consumers [--models A,B] [--faces N] [--run RUN] [--work FOLDER] [--python PROGRAM] [--out FILE]
--models: names of models in the shared data. --faces: sharp faces, and as many at 12 and 16 px.
--run: a run of the one model that --models names; an adapter with drawn weights unless given.
--work: where the Python environment is kept (1 GB, in the system's temporary folder unless given).`);
else await main();

async function main(): Promise<void> {
  const requirements = join(import.meta.dirname, "requirements.txt");
  await mkdir(values.work, { recursive: true });
  const interpreter = await makePython(join(values.work, "python"), values.python, requirements);
  const rows: Row[] = [];
  for (const name of values.models.split(",")) rows.push(...(await measure(name, interpreter)));
  const commit = execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8" }).trim();
  const text = renderConsumers(rows, {
    faces: Number(values.faces),
    models: values.models,
    adapter: values.run === undefined ? "drawn weights" : "a trained run",
    versions: await pythonVersions(requirements),
    commit,
    processor: cpus()[0]?.model.trim() ?? "unknown",
    date: new Date().toISOString().slice(0, 10),
  });
  await writeFile(values.out, text);
  console.log(text);
  process.exit(rows.every((row) => row.passes !== false) ? 0 : 1);
}

/** All consumers on one model: embeddings of the adapted file against petalface's, and of sharp faces against the frozen file's. */
async function measure(name: string, interpreter: string): Promise<Row[]> {
  const folder = await mkdtemp(join(values.work, "run-"));
  try {
    const backbone = await openBackbone(join(shared, "weights", `${name}.onnx`));
    const adapter = values.run === undefined ? await drawnAdapter(backbone) : await loadAdapter(values.run, backbone);
    const faces = await loadFaces(backbone.size, Number(values.faces));
    await writeFile(join(folder, "faces.bin"), interleaved(faces.planes, backbone.size));
    const here = await embed(adaptedModel(backbone, adapter), faces);
    const jobs = await writeJobs(folder, backbone, adapter);
    await writeFile(join(folder, "jobs.json"), JSON.stringify(jobs));
    runPython(interpreter, join(import.meta.dirname, "consumers.py"), [folder]);
    const reports = JSON.parse(await readFile(join(folder, "reports.json"), "utf8")) as {
      out: string;
      error?: string;
    }[];
    const rows: Row[] = [];
    for (const consumer of Object.keys(consumers)) {
      const [adapted, frozen] = ["adapted", "frozen"].map((kind) =>
        reports.find(({ out }) => out.endsWith(`${consumer}-${kind}.f32`)),
      );
      const read = async (report: typeof adapted): Promise<Float32Array | string> =>
        report?.error ?? new Float32Array(new Uint8Array(await readFile(report?.out ?? "")).buffer);
      rows.push(rowOf(name, consumer, await read(adapted), await read(frozen), here, backbone.width));
    }
    return rows;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface Faces {
  readonly planes: Uint8Array;
  readonly count: number;
}

/** LFW faces as they are, then others at 12 and 16 px. */
async function loadFaces(size: number, each: number): Promise<Faces> {
  const data = await openData(join(shared, "data/lfw112"));
  await using loader = openLoader({ size, threads: 1 });
  const planes = await loader.load(
    Array.from({ length: 2 * each }, (_, i) => ({
      source: data.at(Math.floor((i * data.length) / (2 * each))).source,
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
