import { join } from "node:path";
import { keepEmbeddings, writePictures } from "../../../api/gallery/foreign.ts";
import { checkSpace } from "../../../api/gallery/foreign-space.ts";
import { openGalleryModel } from "../../../api/gallery-model.ts";
import { PetalfaceError } from "../../../errors.ts";
import { type ForeignFace, type ForeignFaces, openGallery } from "../../../gallery/index.ts";
import { printPath } from "../../../images/index.ts";
import { makeTemporary } from "../../../temporary.ts";
import type { CliContext } from "../../context.ts";
import { leftOutOptions } from "../../data.ts";
import { describeEnrolment, type EnrolFlags, enrolGiven, keepUntilOf, refuseOtherAdapter } from "./enrol.ts";

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
      : await checkSpace(
          {
            ...{ file, foreign, collection, embeddings: flags.embeddings, store, model, aligned: flags.aligned },
            ...leftOutOptions(flags),
          },
          context,
        );
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
