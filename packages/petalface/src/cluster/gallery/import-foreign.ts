import { join } from "node:path";
import { keepEmbeddings, writePictures } from "../../api/gallery/foreign.ts";
import { checkSpace } from "../../api/gallery/foreign-space.ts";
import { type GalleryModelOptions, openGalleryModel } from "../../api/gallery/model.ts";
import type { Surroundings } from "../../api/surroundings.ts";
import { PetalfaceError } from "../../errors.ts";
import { type ForeignFace, type ForeignFaces, openGallery } from "../../gallery/index.ts";
import { printPath } from "../../images/index.ts";
import { makeTemporary } from "../../temporary.ts";
import { type EnrolOptions, enrolGiven, type GivenEnrolment, refuseOtherAdapter } from "./enrol.ts";

/** How the faces of another product are enrolled. */
export interface ForeignOptions extends EnrolOptions, GalleryModelOptions {
  /** Which of the product's collections; needed where there are several. */
  readonly collection?: string | undefined;
  /** Name of the product's model whose embeddings are kept; none unless given. */
  readonly embeddings?: string | undefined;
}

/** What {@link importForeign} did. */
export interface ForeignImport {
  readonly collection: string;
  /** Faces that were enrolled by their pictures. */
  readonly given: GivenEnrolment;
  /** Faces whose embeddings were kept. */
  readonly kept: Awaited<ReturnType<typeof keepEmbeddings>>;
  /** Faces without a picture, which were left out. */
  readonly without: number;
  /** Models of the collection's embeddings. */
  readonly models: ReturnType<ForeignFaces["models"]>;
  /** How near the named model is to the gallery's; null where no embeddings are kept. */
  readonly sameModel: Awaited<ReturnType<typeof checkSpace>> | null;
}

/**
 * Enrols the faces of another product in a gallery. Their pictures are embedded again by the
 * gallery's model. Embeddings are kept only where the user names the model that made them, and
 * that model is compared with the gallery's on faces that have a picture.
 */
export async function importForeign(
  file: string,
  foreign: ForeignFaces,
  target: { readonly address: string; readonly shown: string },
  options: ForeignOptions,
  surroundings: Surroundings,
): Promise<ForeignImport> {
  const { aligned, embeddings, keepUntil, mostLeftOut } = options;
  const collection = chooseCollection(file, foreign, options.collection);
  const models = foreign.models(collection);
  if (embeddings !== undefined && !models.some(({ name }) => name === embeddings))
    throw new PetalfaceError(
      "PETAL_OPTION_UNFIT",
      `${printPath(file)} has no embeddings of ${embeddings}; there are: ${models.map(({ name }) => name).join(", ")}`,
    );
  await using store = await openGallery(target.address);
  const model = await openGalleryModel(store, options);
  refuseOtherAdapter(model, target.shown);
  const isKept = (face: ForeignFace): boolean =>
    face.model === embeddings && (face.picture === null || !foreign.wholePhotos);
  const check = { file, foreign, collection, store, model, aligned, mostLeftOut };
  const sameModel = embeddings === undefined ? null : await checkSpace({ ...check, embeddings }, surroundings);
  const temporary = await makeTemporary();
  try {
    const { path } = temporary;
    const manifest = join(path, "faces.jsonl");
    const faces = foreign.faces(collection);
    const { pictures, without } = await writePictures(faces, path, manifest, aligned, isKept);
    const given =
      pictures === 0
        ? { enrolment: { added: 0, people: 0, known: 0, refused: [], compared: true }, left: [] }
        : await enrolGiven({ store, model }, [manifest], options, surroundings);
    const { signal } = surroundings;
    const kept = await keepEmbeddings(foreign.faces(collection), isKept, store, keepUntil, signal);
    return { collection, given, kept, without, models, sameModel };
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
      `${printPath(file)} has ${asked === undefined ? "several collections" : `no collection ${asked}`}; give one with 'collection': ${names}`,
    );
  return asked;
}
