import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { exportModel } from "petalface";
import { type Adapter, adaptedModel, loadAdapter, saveAdapter } from "petalface/adapters";
import type { Backbone, EmbeddingModel } from "petalface/backbones";
import type { ImageRequest } from "petalface/images";
import { defineBenchmark, type Place } from "../skeleton/benchmark.ts";
import { loadPlanes, openFaceRows, somePhotos } from "../skeleton/faces.ts";
import { readFloats } from "../skeleton/floats.ts";
import { rowAt } from "../skeleton/linear.ts";
import type { Python } from "../skeleton/python.ts";
import { modelFile, openShared, shared } from "../skeleton/shared.ts";
import { drawnAdapter } from "./adapter.ts";
import { aboutConsumers, type Embedded, type Row, renderConsumers, rowOf } from "./table.ts";

/** Consumers: the target whose file they load, and whether it is written with alpha in levels. */
const consumers: Readonly<Record<string, { readonly target: string; readonly inLevels?: true }>> = {
  "insightface, a pack": { target: "insightface" },
  "insightface, --levels 9": { target: "insightface", inLevels: true },
  uniface: { target: "uniface" },
  "uniface, --levels 9": { target: "uniface", inLevels: true },
  opencv: { target: "opencv" },
  "opencv classic": { target: "opencv" },
  deepface: { target: "deepface" },
  immich: { target: "immich" },
  frigate: { target: "frigate" },
  "openvino, float32": { target: "frigate" },
  "openvino, its default": { target: "frigate" },
};

const levels = 9;

export default defineBenchmark({
  name: "consumers",
  title: "Exported files in the products' own code",
  measures: "Whether the products' own code makes of an exported file what petalface makes of it.",
  minutes: 8,
  needs: "the shared photos and weights",
  requirements: "consumers",
  options: {
    models: { help: "names among the shared weights", default: ["mobilefacenet", "fr_feature", "edgeface_xs"] },
    runs: { help: "a run for each of them; adapters with drawn weights unless given", default: [] as string[] },
    faces: { help: "sharp faces, and as many at 12 and 16 px", default: 100 },
  },
  async run({ models, runs, faces }, place) {
    const python = await place.needPython();
    const rows: Row[] = [];
    for (const [at, name] of models.entries()) {
      rows.push(...(await measure({ name, run: runs[at], faces }, python, place)));
      console.error(renderConsumers(rows));
    }
    const adapter = runs.length > 0 ? "trained" : "drawn weights";
    return {
      body: `${aboutConsumers(faces, adapter, levels)}\n\n${renderConsumers(rows)}`,
      versions: python.versions,
      failed: rows.some((row) => row.passes === false),
    };
  },
});

interface Task {
  readonly name: string;
  readonly run: string | undefined;
  readonly faces: number;
}

/**
 * All consumers on one model: embeddings of the adapted file against petalface's, and of sharp
 * faces against the frozen file's.
 */
async function measure({ name, run, faces: each }: Task, python: Python, { work }: Place): Promise<Row[]> {
  const folder = await mkdtemp(join(work, "run-"));
  try {
    const backbone = await openShared(name);
    const place = run ?? join(folder, "adapter");
    if (run === undefined) await saveAdapter(place, backbone, await drawnAdapter(backbone));
    const adapter = await loadAdapter(place, backbone);
    // Some as they are, then others at 12 and 16 px.
    const photos = await somePhotos(2 * each, (at) => (at < each ? undefined : at % 2 === 0 ? 12 : 16));
    await writeFile(join(folder, "faces.bin"), interleaved(await loadPlanes(backbone.size, photos), backbone.size));
    const here = await embed(adaptedModel(backbone, adapter), photos);
    const rounded = await embedRounded(backbone, adapter, photos, here);
    const jobs = await writeJobs(folder, modelFile(name), place);
    await writeFile(join(folder, "jobs.json"), JSON.stringify(jobs));
    python.run([join(import.meta.dirname, "consumers.py"), folder]);
    const reports = JSON.parse(await readFile(join(folder, "reports.json"), "utf8")) as {
      out: string;
      error?: string;
    }[];
    const rows: Row[] = [];
    for (const [consumer, { inLevels }] of Object.entries(consumers)) {
      const read = async (kind: string): Promise<Float32Array | string> => {
        const report = reports.find(({ out }) => out.endsWith(`${consumer}-${kind}.f32`));
        if (report === undefined) return "it was not run";
        return report.error ?? (await readFloats(report.out));
      };
      const own = inLevels ? rounded : here;
      const [adapted, frozen] = [await read("adapted"), await read("frozen")];
      rows.push(rowOf({ model: name, consumer }, { adapted, frozen, own, exact: here }, backbone.width));
    }
    return rows;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Planes as OpenCV has images: channels last. */
function interleaved(planes: Uint8Array, size: number): Uint8Array {
  const plane = size ** 2;
  return Uint8Array.from({ length: planes.length }, (_, at) => {
    const [face, rest] = [Math.floor(at / (3 * plane)), at % (3 * plane)];
    return planes[(3 * face + (rest % 3)) * plane + Math.floor(rest / 3)];
  });
}

async function embed(model: EmbeddingModel, photos: readonly ImageRequest[]): Promise<Embedded> {
  await using faces = await openFaceRows(model, 1);
  const { rows: data, alpha = new Float32Array(photos.length) } = await faces.embed(photos);
  return { data, alpha };
}

/** Embeddings by petalface at the level next to each face's alpha. */
async function embedRounded(
  backbone: Backbone,
  adapter: Adapter,
  photos: readonly ImageRequest[],
  exact: Embedded,
): Promise<Embedded> {
  const { width } = backbone;
  const data = new Float32Array(exact.data.length);
  const alpha = exact.alpha.map((value) => Math.floor(value * (levels - 1) + 0.5) / (levels - 1));
  for (const level of new Set(alpha)) {
    const faces = [...alpha.keys()].filter((face) => alpha[face] === level);
    const part = await embed(
      adaptedModel(backbone, adapter, level),
      faces.map((face) => photos[face]),
    );
    for (const [at, face] of faces.entries()) data.set(rowAt(part.data, width, at), face * width);
  }
  return { data, alpha };
}

/**
 * Writes the adapted and the frozen file of every target as `petalface export` does, and lists who
 * is to open them.
 */
async function writeJobs(folder: string, model: string, adapter: string) {
  const detector = join(shared, "weights/scrfd_2.5g_bnkps.onnx");
  const jobs: { consumer: string; file: string; out: string }[] = [];
  for (const kind of ["adapted", "frozen"] as const) {
    const files = new Map<string, string>();
    for (const form of ["exact", "levels"] as const) {
      const wanted = Object.values(consumers).filter(({ inLevels = false }) => inLevels === (form === "levels"));
      const { written } = await exportModel({
        model,
        out: join(folder, `${kind}-${form}`),
        for: [...new Set(wanted.map(({ target }) => target))].join(","),
        detector,
        ...(kind === "adapted" && { adapter, ...(form === "levels" && { levels }) }),
      });
      for (const { target, files: own } of written) files.set(`${target} ${form}`, own[0] ?? "");
    }
    for (const [consumer, { target, inLevels }] of Object.entries(consumers))
      jobs.push({
        consumer,
        file: files.get(`${target} ${inLevels ? "levels" : "exact"}`) ?? "",
        out: join(folder, `${consumer}-${kind}.f32`),
      });
  }
  return jobs;
}
