import { Type } from "typebox";
import type { FaceDescription } from "../../gallery/index.ts";
import type { ServerContext } from "../context.ts";
import type { ServedGallery } from "../gallery/served.ts";
import type { UploadedPhoto } from "../http/body.ts";
import type { PhotoFace } from "../photos/read.ts";
import { Problem } from "../problem.ts";
import { facesOf, seePhotos } from "../routes/faces.ts";

/** An error with a code of CompreFace's own. */
export class CompreFaceError extends Error {
  override name = "CompreFaceError";
  readonly status: number;
  readonly code: number;

  constructor(status: number, code: number, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** CompreFace's query parameters, as its clients write them: also `True` for true. */
export const compreFaceQuery = {
  limit: Type.Optional(Type.Integer({ minimum: 0, description: "Most faces, largest first; 0: all" })),
  det_prob_threshold: Type.Optional(Type.Number({ minimum: 0, maximum: 1 })),
  prediction_count: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
  face_plugins: Type.Optional(Type.String()),
  status: Type.Optional(Type.String()),
};

/** What the facade's routes work with. */
export interface CompreFace {
  readonly context: ServerContext;
  readonly gallery: ServedGallery;
}

/** Values of {@link compreFaceQuery}. */
export interface CompreFaceQuery {
  readonly limit?: number | undefined;
  readonly det_prob_threshold?: number | undefined;
  readonly prediction_count?: number | undefined;
  readonly face_plugins?: string | undefined;
  readonly status?: string | undefined;
}

/** Names of fields that hold photos in the JSON form of CompreFace's routes. */
export const compreFaceFields = ["file", "source_image", "target_image"];

/** The faces of one photo, largest first. Throws a {@link Problem} where it shows none. */
export async function facesIn(
  photo: UploadedPhoto,
  { limit = 0, det_prob_threshold: minScore }: CompreFaceQuery,
  signal: AbortSignal,
  context: ServerContext,
): Promise<readonly PhotoFace[]> {
  const [one] = await seePhotos([photo], { all: true, minScore, crops: true }, signal, context);
  const { faces } = facesOf(one);
  if (faces.length === 0) throw new Problem(422, "no-face", "No face is found in the given image");
  const sorted = faces.toSorted((a, b) => areaOf(b) - areaOf(a));
  return limit === 0 ? sorted : sorted.slice(0, limit);
}

const areaOf = ({ box }: PhotoFace): number => (box === null ? 0 : (box[2] - box[0]) * (box[3] - box[1]));

/** What an answer holds on a face, with the plugins that the client asks for. */
export function aboutFace(
  { box, points, score, resolution }: PhotoFace,
  described: FaceDescription | undefined,
  { face_plugins: plugins = "" }: CompreFaceQuery,
): Record<string, unknown> {
  const [x_min, y_min, x_max, y_max] = (box ?? [0, 0, resolution, resolution]).map(Math.round);
  const asked = plugins.split(",").map((name) => name.trim());
  return {
    box: { probability: score ?? 1, x_max, y_max, x_min, y_min },
    ...(asked.includes("landmarks") && points !== null && { landmarks: points.map((point) => point.map(Math.round)) }),
    ...(asked.includes("calculator") && described !== undefined && { embedding: [...described.vector] }),
  };
}

/** The file of a form, or of JSON in base64. Throws {@link CompreFaceError} where there is none. */
export function fileOf(photos: readonly UploadedPhoto[], field: string): UploadedPhoto {
  const found = photos.find((photo) => photo.field === field);
  if (found === undefined) throw new CompreFaceError(400, 34, `Required part '${field}' is not present`);
  return found;
}
