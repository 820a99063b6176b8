import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import { type GalleryModel, openGalleryModel } from "../../../api/gallery-model.ts";
import { PetalfaceError } from "../../../errors.ts";
import {
  describeFaces,
  type ForeignFace,
  type ForeignFaces,
  type GalleryStore,
  openDescriber,
  openGallery,
} from "../../../gallery/index.ts";
import { openLoader, printPath } from "../../../images/index.ts";
import { normaliseRows } from "../../../matching/index.ts";
import { makeTemporary } from "../../../temporary.ts";
import type { CliContext } from "../../context.ts";
import { describeEnrolment, type EnrolFlags, enrolGiven, keepUntilOf, refuseOtherAdapter } from "./enrol.ts";
import { openGiven } from "./faces.ts";

/** How the faces of another product are enrolled. */
export interface ForeignFlags extends EnrolFlags {
  readonly collection?: string;
  readonly embeddings?: string;
}

/** Where they go. */
export interface ForeignTarget {
  readonly address: string;
  readonly shown: string;
}

/**
 * Enrols the faces of another product in a gallery. Their pictures are embedded again by the
 * gallery's model. Embeddings are kept only where the user names the model that made them, and
 * that model is compared with the gallery's on faces that have a picture.
 */
export async function importForeign(
  file: string,
  foreign: ForeignFaces,
  target: ForeignTarget,
  flags: ForeignFlags,
  context: CliContext,
): Promise<void> {
  const { shown: path } = target;
  const collection = chooseCollection(file, foreign, flags.collection);
  const models = foreign.models(collection);
  if (flags.embeddings !== undefined && !models.some(({ name }) => name === flags.embeddings))
    throw new PetalfaceError(
      "PETAL_OPTION_UNFIT",
      `${printPath(file)} has no embeddings of ${flags.embeddings}; there are: ${models.map(({ name }) => name).join(", ")}`,
    );
  await using store = await openGallery(target.address);
  const model = await openGalleryModel(store, flags);
  refuseOtherAdapter(model, path);
  const isKept = (face: ForeignFace): boolean =>
    face.model === flags.embeddings && (face.picture === null || !foreign.wholePhotos);
  const checked =
    flags.embeddings === undefined
      ? null
      : await checkSpace({ file, foreign, collection, embeddings: flags.embeddings, store, model }, flags, context);
  const temporary = await makeTemporary();
  try {
    const manifest = join(temporary.path, "faces.jsonl");
    const { pictures, without } = await writePictures(
      foreign.faces(collection),
      temporary.path,
      manifest,
      flags.aligned,
      isKept,
    );
    const given =
      pictures === 0
        ? { enrolment: { added: 0, people: 0, known: 0, refused: [], compared: true }, left: [] }
        : await enrolGiven({ store, model }, [manifest], flags, undefined, context);
    const kept = await keepEmbeddings(foreign.faces(collection), isKept, store, keepUntilOf(flags), context.signal);
    const { enrolment, left } = given;
    const lines = [
      `${foreign.product}, ${collection}: ${describeEnrolment(path, { enrolment: { ...enrolment, added: enrolment.added + kept.added, known: enrolment.known + kept.known, people: enrolment.people + kept.people }, left }, flags.report)}`,
      ...(kept.added > 0 ? [`${kept.added} of them with the embeddings of ${flags.embeddings}`] : []),
      ...(without > 0
        ? [
            `${without} faces have no picture and were left out; --embeddings ${models[0]?.name} keeps their embeddings, if the gallery's model is that one`,
          ]
        : []),
    ];
    context.result(
      {
        ...{ file, product: foreign.product, collection, gallery: path, ...enrolment },
        ...{ keptEmbeddings: kept.added, keptBefore: kept.known, withoutPicture: without, models, sameModel: checked },
        ...{ forced: context.force, leftOut: left },
      },
      lines.join("\n"),
    );
    if (enrolment.added + enrolment.known + kept.added + kept.known === 0) context.exitCode = 1;
  } finally {
    temporary.remove();
  }
}

/** The collection that is asked for, or the only one. Throws PetalfaceError. */
function chooseCollection(file: string, { product, collections }: ForeignFaces, asked: string | undefined): string {
  const names = collections.map(({ name, faces }) => `${name} (${faces} faces)`).join(", ");
  if (collections.length === 0)
    throw new PetalfaceError("PETAL_DATA_MISSING", `${printPath(file)}: no person is enrolled in this ${product}`);
  if (asked === undefined && collections.length === 1) return collections[0]?.name ?? "";
  if (asked === undefined || !collections.some(({ name }) => name === asked))
    throw new PetalfaceError(
      "PETAL_OPTION_INVALID",
      `${printPath(file)} has ${asked === undefined ? "several collections" : `no collection ${asked}`}; give one with --collection: ${names}`,
    );
  return asked;
}

/**
 * Writes the pictures of faces as files with a manifest, and counts what has no picture. Crops that
 * were stretched get their shape back, unless they are said to be aligned.
 */
async function writePictures(
  faces: Iterable<ForeignFace>,
  folder: string,
  manifest: string,
  aligned: ForeignFlags["aligned"],
  isKept: (face: ForeignFace) => boolean,
): Promise<{ readonly pictures: number; readonly without: number }> {
  let [pictures, without] = [0, 0];
  let lines = "";
  for (const face of faces) {
    if (isKept(face)) continue;
    if (face.picture === null) {
      without++;
      continue;
    }
    const name = fileName(face.id);
    await writeFile(join(folder, name), aligned === "yes" ? face.picture : await unstretched(face));
    lines += `${JSON.stringify({ path: name, person: face.person })}\n`;
    pictures++;
  }
  await writeFile(manifest, lines);
  return { pictures, without };
}

/** The name of a file, whatever the product's ids are. */
const fileName = (id: string): string =>
  /^[\w-]{1,80}$/.test(id) ? id : createHash("sha256").update(id).digest("hex").slice(0, 32);

/** A picture's file; one that the product stretched to a square gets its shape back. */
async function unstretched({ picture, aspect }: ForeignFace): Promise<Uint8Array> {
  if (picture === null) return new Uint8Array();
  if (aspect === undefined) return picture;
  const { width = 112, height = 112 } = await sharp(picture).metadata();
  const scale = Math.sqrt((width * height) / aspect);
  return await sharp(picture)
    .resize(Math.round(scale * aspect), Math.round(scale), { fit: "fill" })
    .png()
    .toBuffer();
}

/** Faces that are compared, at most, and the median cosine below which two models are not one. */
const mostCompared = 64;
const leastCosine = 0.5;

interface CheckTask {
  readonly file: string;
  readonly foreign: ForeignFaces;
  readonly collection: string;
  readonly embeddings: string;
  readonly store: GalleryStore;
  readonly model: GalleryModel;
}

/** What was compared before foreign embeddings were kept. */
interface SpaceCheck {
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
async function checkSpace(task: CheckTask, flags: ForeignFlags, context: CliContext): Promise<SpaceCheck | null> {
  const { file, foreign, collection, embeddings, store, model } = task;
  const { width } = (await store.record()).space;
  const differ = (what: string): PetalfaceError =>
    new PetalfaceError(
      "PETAL_GALLERY_MISMATCH",
      `${embeddings} of ${printPath(file)} is another model than that of ${printPath(store.path)}: ${what}; import without --embeddings to embed the pictures again`,
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
  const cosines = sample.length === 0 ? [] : await cosinesAgain(sample, model, width, flags, context);
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
  { opened, engine, calibration }: GalleryModel,
  width: number,
  { aligned, maxLeftOut }: ForeignFlags,
  context: CliContext,
): Promise<number[]> {
  const temporary = await makeTemporary();
  try {
    const manifest = join(temporary.path, "faces.jsonl");
    await writePictures(sample, temporary.path, manifest, aligned, () => false);
    const { size } = opened.model;
    using given = await openGiven([manifest], { aligned, maxLeftOut, size, threads: engine.threads }, context);
    const usable = Array.from({ length: given.data.length }, (_, at) => at).filter((at) => !given.lost.has(at));
    await using describer = await openDescriber(opened, calibration, engine);
    await using loader = openLoader({ size, threads: engine.threads });
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

/** Faces of one person that are written at once. */
const atOnce = 256;

/** Enrols faces with the embeddings that they have. Nothing judges their quality: alpha is 1. */
async function keepEmbeddings(
  faces: Iterable<ForeignFace>,
  isKept: (face: ForeignFace) => boolean,
  store: GalleryStore,
  keepUntil: string | undefined,
  signal: AbortSignal,
): Promise<{ readonly added: number; readonly known: number; readonly people: number }> {
  const found = { added: 0, known: 0, people: 0 };
  let some: ForeignFace[] = [];
  const write = async (): Promise<void> => {
    const [first] = some;
    if (first === undefined) return;
    signal.throwIfAborted();
    const isNew = (await store.ids([first.person])).size === 0;
    const added = await store.add(
      first.person,
      some.map(({ vector }) => ({
        ...{ vector, copies: new Float32Array(vector.length), alpha: 1, score: null, keepUntil },
        source: new Uint8Array(createHash("sha256").update(new Uint8Array(vector.buffer)).digest().subarray(0, 16)),
        picture: new Uint8Array(32),
      })),
    );
    found.added += added;
    found.known += some.length - added;
    if (isNew && added > 0) found.people++;
    some = [];
  };
  for (const face of faces) {
    if (!isKept(face)) continue;
    if (some[0]?.person !== face.person || some.length >= atOnce) await write();
    some.push(face);
  }
  await write();
  return found;
}
