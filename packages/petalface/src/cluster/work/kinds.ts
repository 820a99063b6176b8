import { dirname, join } from "node:path";
import { itemAt } from "onnx-grad";
import { alignDefaults, alignInto, inputOfData } from "../../api/align/align.ts";
import { openGalleryModel } from "../../api/gallery/model.ts";
import { picturesOf } from "../../api/gallery/pictures.ts";
import { type Model, openModel } from "../../api/model.ts";
import type { Surroundings } from "../../api/surroundings.ts";
import { toInput } from "../../backbones/index.ts";
import { type FaceData, openData, subset } from "../../data/index.ts";
import { embedFaces, faceKey } from "../../embeddings/index.ts";
import { PetalfaceError } from "../../errors.ts";
import { makeFolder, removeUnfinished, writeFileSafely } from "../../files.ts";
import {
  embeddingRecord,
  enrolPeople,
  gateDefaults,
  isSameModel,
  migratePart,
  openDescriber,
  openEnrolled,
  openGallery,
} from "../../gallery/index.ts";
import { openImageStore, openLoader } from "../../images/index.ts";
import { openMeasure, qualityGraph } from "../../quality/index.ts";
import { openResources } from "../../resources.ts";
import { floatsOf, openSession } from "../../runtime/index.ts";
import { encodeSafetensors } from "../../tensors/index.ts";
import type { JobWork } from "./types.ts";

/** A shard's faces, and which of them are to be done: the others' content is done elsewhere. */
export interface ShardFaces {
  readonly number: number;
  /** Whether a worker has begun it before. */
  readonly again: boolean;
  /** Places in the job's set. */
  readonly own: readonly number[];
  /** Ids of faces whose content another place has, and that place. */
  readonly duplicates: Readonly<Record<string, { readonly shard: number; readonly place: number }>>;
}

/** What a shard gave; kept with it in the queue. */
export interface ShardResult {
  readonly faces: number;
  /** Faces without a result, and why. */
  readonly leftOut: readonly string[];
  readonly file?: string | undefined;
}

/** A job that this worker has open. */
export interface OpenJob extends AsyncDisposable {
  /** What the face at a place is called. */
  idOf(place: number): string;
  /** Whether a content is done once in the whole job; a gallery compares people itself. */
  readonly once: boolean;
  /** Hash of a face's content, where that is done once. */
  hash(place: number): Promise<Buffer>;
  run(shard: ShardFaces, context: Surroundings): Promise<ShardResult>;
}

/** Number of a shard in the names of its files. */
const named = (number: number): string => `shard-${String(number).padStart(6, "0")}`;

/** The folder of a job's results, without what killed workers of this machine left in it. */
async function folderOfResults(work: JobWork): Promise<string> {
  const out = given(work.out, "folder of results");
  await makeFolder(out);
  await removeUnfinished(out);
  return out;
}

/**
 * Writes the file of a shard's results. A worker of this machine that was killed may have left
 * one, which is removed.
 */
async function writeResults(file: string, content: string | Uint8Array, { again }: ShardFaces): Promise<void> {
  await writeFileSafely(file, content);
  // Not each time: the folder may hold a file for each of many shards.
  if (again) await removeUnfinished(dirname(file));
}

/**
 * Opens what a job's shards need: the set, the model, the gallery.
 *
 * @throws PetalfaceError where this machine sees another set or model than the job was submitted
 * with
 */
export async function openJob(work: JobWork, threads: number, context: Surroundings): Promise<OpenJob> {
  const open = openResources();
  try {
    const data = work.data === "" ? emptySet : await openData(work.data, { signal: context.signal });
    if (data.fingerprint !== work.fingerprint)
      throw new PetalfaceError(
        "PETAL_JOB_MISMATCH",
        `${work.data} is not the set that the job was submitted with (files differ)`,
      );
    const images = open.keep(openImageStore());
    const run = await openRun(work, data, threads, open.keep);
    return {
      run,
      once: work.kind !== "enrol" && work.kind !== "migrate",
      idOf: (place) => data.at(place).id,
      async hash(place) {
        // A picture that cannot be read is its own content: its shard says what is wrong with it.
        const key = await faceKey({ source: data.at(place).source, flip: false }, images).catch(() => undefined);
        return key === undefined ? Buffer.from(`place ${place}`) : Buffer.from(key.buffer);
      },
      [Symbol.asyncDispose]: open[Symbol.asyncDispose],
    };
  } catch (error) {
    await open[Symbol.asyncDispose]();
    throw error;
  }
}

/** The pictures of a gallery that keeps all that are needed. */
const emptySet: FaceData = {
  spec: "",
  length: 0,
  people: [],
  fingerprint: "",
  at: () => {
    throw new Error("an empty set has no faces");
  },
};

type Run = OpenJob["run"];
type Keep = ReturnType<typeof openResources>["keep"];

async function openRun(work: JobWork, data: FaceData, threads: number, keep: Keep): Promise<Run> {
  switch (work.kind) {
    case "embed":
      return await openEmbed(work, data, threads, keep);
    case "quality":
      return await openQuality(work, data, threads, keep);
    case "align":
      return openAlign(work, data, threads);
    case "enrol":
      return await openEnrol(work, data, threads, keep);
    case "migrate":
      return await openMigrate(work, data, threads, keep);
  }
}

/** A value that the command line has set. */
function given(value: string | undefined, name: string): string {
  if (value === undefined) throw new PetalfaceError("PETAL_JOB_MISSING", `the job has no ${name}`);
  return value;
}

async function modelOf(work: JobWork, threads: number, keep: Keep): Promise<Model> {
  const model = keep(await openModel({ model: given(work.model, "model"), adapter: work.adapter, threads }));
  if (model.backbone.spec.sha256 !== work.sha256)
    throw new PetalfaceError(
      "PETAL_JOB_MISMATCH",
      `${work.model} is not the model that the job was submitted with (its SHA-256 differs)`,
    );
  return model;
}

/**
 * `embed`: `out/shard-000012.safetensors` with `embeddings` `[n, width]`, `alpha` `[n]` and the ids
 * of the rows.
 */
async function openEmbed(work: JobWork, data: FaceData, threads: number, keep: Keep): Promise<Run> {
  const model = await modelOf(work, threads, keep);
  const embedder = await model.embedder();
  const loader = keep(openLoader({ size: model.size, threads, faces: data.length }));
  const out = await folderOfResults(work);
  return async (shard, { signal }) => {
    const { number, own, duplicates } = shard;
    const { width } = embedder;
    const rows: Float32Array[] = [];
    const alphas: number[] = [];
    const ids: string[] = [];
    const leftOut: string[] = [];
    const request = (index: number) => {
      const { source, quality } = data.at(itemAt(own, index));
      return { source, flip: false, quality };
    };
    const onLeft = (_: number, { message }: { readonly message: string }): void => void leftOut.push(message);
    for await (const part of embedFaces(own.length, request, { embedder, loader, signal, onLeft })) {
      const left = new Set(part.left);
      for (let row = 0; row < part.count; row++) {
        if (left.has(row)) continue;
        rows.push(part.data.slice(row * width, (row + 1) * width));
        if (part.alpha !== undefined) alphas.push(itemAt(part.alpha, row));
        ids.push(data.at(itemAt(own, part.start + row)).id);
      }
    }
    const embeddings = new Float32Array(rows.length * width);
    rows.forEach((row, at) => {
      embeddings.set(row, at * width);
    });
    const tensors = new Map([
      ["embeddings", { dtype: "F32" as const, shape: [rows.length, width], data: embeddings }],
      ...(alphas.length > 0
        ? [["alpha", { dtype: "F32" as const, shape: [alphas.length], data: Float32Array.from(alphas) }] as const]
        : []),
    ]);
    const file = join(out, `${named(number)}.safetensors`);
    const metadata = { ids: JSON.stringify(ids), duplicates: JSON.stringify(duplicates), model: work.sha256 ?? "" };
    await writeResults(file, encodeSafetensors(tensors, metadata), shard);
    return { faces: rows.length, leftOut, file };
  };
}

/** Faces that are judged together. */
const judgedAtOnce = 32;

/** `quality`: `out/shard-000012.jsonl`, a line `{ id, score }` for each face. */
async function openQuality(work: JobWork, data: FaceData, threads: number, keep: Keep): Promise<Run> {
  const { backbone } = await modelOf(work, threads, keep);
  const { graph, score } = qualityGraph(backbone, await openMeasure(given(work.metric, "quality measure")));
  const engine = keep(await openSession(graph, { threads }));
  const loader = keep(openLoader({ size: backbone.size, threads, faces: data.length }));
  const out = await folderOfResults(work);
  return async (shard, { signal }) => {
    const { number, own } = shard;
    const lines: string[] = [];
    const leftOut: string[] = [];
    for (let start = 0; start < own.length; start += judgedAtOnce) {
      signal.throwIfAborted();
      const part = own.slice(start, start + judgedAtOnce).map((place) => data.at(place));
      const bad = new Set<number>();
      const planes = await loader.load(
        part.map(({ source }) => ({ source, flip: false })),
        (index, { message }) => {
          bad.add(index);
          leftOut.push(message);
        },
      );
      const image = toInput(planes, part.length, part.length, backbone.size, backbone.spec);
      const scores = floatsOf(await engine.run({ [backbone.input]: image }), score);
      part.forEach(({ id }, row) => {
        if (!bad.has(row)) lines.push(`${JSON.stringify({ id, score: scores[row] })}\n`);
      });
    }
    const file = join(out, `${named(number)}.jsonl`);
    await writeResults(file, lines.join(""), shard);
    return { faces: lines.length, leftOut, file };
  };
}

/** `align`: crops and lists as `petalface align` writes them, in `out/shard-000012/`. */
function openAlign(work: JobWork, data: FaceData, threads: number): Run {
  const out = given(work.out, "folder of results");
  return async ({ number, own }, context) => {
    if (own.length === 0) return { faces: 0, leftOut: [] };
    const file = join(out, named(number));
    const choices = { ...alignDefaults, threads };
    const { crops, unreadable } = await alignInto(inputOfData(subset(data, own)), file, choices, context);
    return { faces: crops, leftOut: unreadable.first, file };
  };
}

/** `enrol`: faces into a gallery, through its gate. */
async function openEnrol(work: JobWork, data: FaceData, threads: number, keep: Keep): Promise<Run> {
  const store = keep(await openGallery(given(work.gallery, "gallery")));
  const { opened, engine, calibration } = await openGalleryModel(store, { threads });
  const describer = keep(await openDescriber(opened, calibration, engine));
  const loader = keep(openLoader({ size: opened.model.size, threads, faces: data.length }));
  return async ({ own }, { signal }) => {
    const leftOut: string[] = [];
    // Other workers enrol people too.
    await using enrolled = await openEnrolled(store, { threads });
    const { added, known, refused } = await enrolPeople(subset(data, own), {
      store,
      enrolled,
      describer,
      loader,
      signal,
      force: false,
      rules: { alpha: gateDefaults.alpha, side: gateDefaults.side },
      onLeft: ({ id }, reason) => leftOut.push(`${id}: ${reason}`),
    });
    return {
      faces: added + known,
      leftOut: [...leftOut, ...refused.map(({ id, reason }) => `${id}: refused, ${reason}`)],
    };
  };
}

/**
 * `migrate`: embeds faces of a gallery again by another model, and changes to it with the last one.
 */
async function openMigrate(work: JobWork, data: FaceData, threads: number, keep: Keep): Promise<Run> {
  const { record } = work;
  if (record === undefined) throw new PetalfaceError("PETAL_JOB_MISSING", "the job has no description of a model");
  const opened = await modelOf(work, threads, keep);
  const own = embeddingRecord(opened.backbone, opened.adapter, record.calibration ?? undefined, record.source);
  if (!isSameModel(own, record))
    throw new PetalfaceError(
      "PETAL_JOB_MISMATCH",
      `${work.model} or its adapter is not what the job was submitted with (their contents differ)`,
    );
  const store = keep(await openGallery(given(work.gallery, "gallery"), { parts: "allowed" }));
  const describer = keep(await openDescriber(opened, record.calibration, { threads }));
  const loader = keep(openLoader({ size: opened.size, threads, faces: data.length }));
  let pictures: ReturnType<typeof picturesOf> | undefined;
  return async ({ own }, { signal }) => {
    pictures ??= picturesOf(data, undefined);
    const options = { store, record, describer, loader, pictures: await pictures, signal };
    const range = { first: (own[0] ?? 0) + 1, last: (own.at(-1) ?? -1) + 1 };
    return { faces: await migratePart(options, range, work.faces), leftOut: [] };
  };
}
