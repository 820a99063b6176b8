import type { FastifyRequest } from "fastify";
import type { FaceDescription } from "../../gallery/index.ts";
import type { ServerContext } from "../context.ts";
import type { ServedGallery } from "../gallery/served.ts";
import { readUpload, type UploadedPhoto } from "../http/body.ts";
import type { PhotoFace, PhotoFaces, PhotoJob } from "../photos/read.ts";
import { Problem } from "../problem.ts";

/** How a request wants its photos looked at. */
export interface LookOptions extends Partial<Pick<PhotoJob, "aligned" | "all">> {
  readonly minScore?: number | undefined;
  readonly crops?: boolean | undefined;
}

/** A photo with its faces, or why it has none that can be used. */
export interface SeenPhoto {
  readonly name: string;
  readonly seen: PhotoFaces | Problem;
}

/** Photos of a request. Throws a {@link Problem} where there are none. */
export async function photosOf(request: FastifyRequest, context: ServerContext): Promise<readonly UploadedPhoto[]> {
  const { photos } = await readUpload(request, context.limits);
  if (photos.length === 0)
    throw new Problem(400, "no-photo", "send at least one photo: a form's field photo, or JSON with photos in base64");
  return photos;
}

/**
 * Finds the faces of photos. One that cannot be read does not keep the others from their answer,
 * unless it is the only one.
 *
 * @throws Problem where the server is busy, or the only photo cannot be used
 */
export async function seePhotos(
  photos: readonly UploadedPhoto[],
  { aligned = "auto", all = false, minScore, crops = false }: LookOptions,
  signal: AbortSignal,
  context: ServerContext,
): Promise<readonly SeenPhoto[]> {
  const seen = await inQueue(photos.length, context, () =>
    Promise.all(
      photos.map(async ({ name, bytes }): Promise<SeenPhoto> => {
        try {
          const job = { bytes, name, aligned, all, threshold: minScore, encode: crops };
          const faces = await context.photos.read(job, signal);
          context.metrics.faces(faces.faces.length);
          return { name, seen: faces };
        } catch (error) {
          if (error instanceof Problem) return { name, seen: error };
          throw error;
        }
      }),
    ),
  );
  const [only] = seen;
  if (seen.length === 1 && only?.seen instanceof Problem) throw only.seen;
  return seen;
}

/** The faces of the only photo that was looked at. Throws what is wrong with it. */
export function facesOf(photo: SeenPhoto | undefined): PhotoFaces {
  if (photo === undefined) throw new Error("a photo without an answer");
  if (photo.seen instanceof Problem) throw photo.seen;
  return photo.seen;
}

/**
 * Does work on so many photos, where the queue has room for them. Throws a {@link Problem} where it
 * has none.
 */
export async function inQueue<T>(photos: number, { queue }: ServerContext, work: () => Promise<T>): Promise<T> {
  if (!queue.take(photos))
    throw new Problem(503, "busy", "more photos wait than this server takes; try again soon", { retryAfter: 1 });
  try {
    return await work();
  } finally {
    queue.give(photos);
  }
}

/** Embeds faces, all at a time. */
export const describeAll = (
  faces: readonly PhotoFace[],
  { recogniser }: ServedGallery,
  signal: AbortSignal,
): Promise<FaceDescription[]> => Promise.all(faces.map(({ crop }) => recogniser.describe(crop, signal)));

/** What answers say of a face. */
export function aboutFace({ box, points, score, rotation, resolution, file }: PhotoFace, crops: boolean | undefined) {
  return {
    box,
    points,
    score,
    rotation,
    resolution,
    ...(crops && file !== null && { crop: Buffer.from(file).toString("base64") }),
  };
}

/** What answers say of a photo that cannot be used. */
export const aboutProblem = ({ code, message }: Problem) => ({ code, detail: message });

/** A gallery by its name in a path; the first one without a name. Throws a {@link Problem}. */
export function galleryOf(context: ServerContext, name?: string): ServedGallery {
  const [first] = context.galleries.values();
  const found = name === undefined ? first : context.galleries.get(name);
  if (found === undefined) throw new Problem(404, "not-found", "this server has no gallery of this name");
  return found;
}
