import { join } from "node:path";
import { PetalfaceError } from "../../errors.ts";
import {
  describeFaces,
  type ForeignFace,
  type ForeignFaces,
  type GalleryStore,
  openDescriber,
} from "../../gallery/index.ts";
import { openLoader, printPath } from "../../images/index.ts";
import { normaliseRows } from "../../matching/index.ts";
import { makeTemporary } from "../../temporary.ts";
import type { LeftOutOptions } from "../data.ts";
import type { Surroundings } from "../surroundings.ts";
import { fileName, writePictures } from "./foreign.ts";
import { type GivenOptions, openGiven } from "./given.ts";
import type { GalleryModel } from "./model.ts";

/** Faces that are compared, at most, and the median cosine below which two models are not one. */
const mostCompared = 64;
const leastCosine = 0.5;

/** Whose embeddings are compared with whose. */
export interface SpaceTask extends LeftOutOptions {
  readonly file: string;
  readonly foreign: ForeignFaces;
  readonly collection: string;
  readonly embeddings: string;
  readonly store: GalleryStore;
  readonly model: GalleryModel;
  readonly aligned: GivenOptions["aligned"];
}

/** What was compared before foreign embeddings were kept. */
export interface SpaceCheck {
  readonly faces: number;
  readonly medianCosine: number;
}

/**
 * Compares embeddings of the foreign model with those that the gallery's model makes of the same
 * faces' pictures. Faces of two models have cosines around 0.
 *
 * @returns null where no face has a picture
 * @throws PetalfaceError where the models differ
 */
export async function checkSpace(task: SpaceTask, context: Surroundings): Promise<SpaceCheck | null> {
  const { file, foreign, collection, embeddings, store, model } = task;
  const { width } = (await store.record()).space;
  const differ = (what: string): PetalfaceError =>
    new PetalfaceError(
      "PETAL_GALLERY_MISMATCH",
      `${embeddings} of ${printPath(file)} is another model than that of ${printPath(store.path)}: ${what}; import without 'embeddings' to embed the pictures again`,
    );
  if (model.record.adapter !== null)
    throw new PetalfaceError(
      "PETAL_OPTION_UNFIT",
      `${printPath(store.path)} was made with an adapter, and ${embeddings} had none; import into a gallery of the frozen model, then use petalface gallery migrate`,
    );
  const sample: ForeignFace[] = [];
  for (const face of foreign.faces(collection)) {
    if (face.model !== embeddings) continue;
    if (face.vector.length !== width)
      throw differ(`its embeddings have ${face.vector.length} numbers, and the gallery's ${width}`);
    if (face.picture !== null && sample.length < mostCompared) sample.push(face);
  }
  const cosines = sample.length === 0 ? [] : await cosinesAgain(sample, width, task, context);
  const median = cosines.toSorted((a, b) => a - b)[cosines.length >> 1];
  if (median === undefined && sample.length > 0)
    throw new PetalfaceError(
      "PETAL_DATA_UNFIT",
      `none of ${sample.length} pictures of ${printPath(file)} shows a face that could be compared; give 'aligned=yes' where they are aligned faces`,
    );
  if (median === undefined) {
    context.note(
      `note: no picture of a face is there to compare: that ${embeddings} is the gallery's model is what you say`,
    );
    return null;
  }
  if (median < leastCosine)
    throw differ(`the same ${cosines.length} faces have a median cosine of ${median.toFixed(2)} in both`);
  context.note(`${embeddings} and the gallery's model: median cosine ${median.toFixed(2)} of ${cosines.length} faces`);
  return { faces: cosines.length, medianCosine: median };
}

/** Cosines of embeddings with those that the gallery's model makes of the same pictures. */
async function cosinesAgain(
  sample: readonly ForeignFace[],
  width: number,
  { aligned, mostLeftOut, model: { opened, engine, calibration } }: SpaceTask,
  context: Surroundings,
): Promise<number[]> {
  const temporary = await makeTemporary();
  try {
    const manifest = join(temporary.path, "faces.jsonl");
    await writePictures(sample, temporary.path, manifest, aligned, () => false);
    const { size } = opened.model;
    using given = await openGiven([manifest], { aligned, mostLeftOut, size, threads: engine.threads }, context);
    const usable = Array.from({ length: given.data.length }, (_, at) => at).filter((at) => !given.lost.has(at));
    await using describer = await openDescriber(opened, calibration, engine);
    await using loader = openLoader({ size, threads: engine.threads, faces: given.data.length });
    const requests = usable.map((at) => ({ source: given.data.at(at).source, flip: false }));
    const byFile = new Map(sample.map((face) => [fileName(face.id), face]));
    const cosines: number[] = [];
    const parts = describeFaces(requests, { describer, loader, copies: [], signal: context.signal, onLeft: () => {} });
    for await (const { start, faces } of parts)
      faces.forEach((face, at) => {
        const place = usable[start + at];
        const original = place === undefined ? undefined : byFile.get(given.data.at(place).id);
        if (face === undefined || original === undefined) return;
        const [one, other] = [normaliseRows(face.vector, width), normaliseRows(original.vector, width)];
        cosines.push(one.reduce((sum, value, number) => sum + value * (other[number] ?? 0), 0));
      });
    return cosines;
  } finally {
    temporary.remove();
  }
}
