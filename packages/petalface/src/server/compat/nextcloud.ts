import type { FaceDescription } from "../../gallery/index.ts";
import { normaliseRows } from "../../matching/index.ts";
import type { App, ServerContext } from "../context.ts";
import { readUpload } from "../http/body.ts";
import type { PhotoFace, PhotoFaces } from "../photos/read.ts";
import { Problem } from "../problem.ts";
import { describeAll, facesOf, galleryOf, seePhotos } from "../routes/faces.ts";

/** Most pixels that the app is asked to send, as the reference server does. */
const mostPixels = 3840 * 2160;
/**
 * Length of a descriptor. The app calls two faces alike where their descriptors are nearer than
 * 0.4 (its sensitivity): at this length that is a cosine of 0.35. It never changes, since the app
 * keeps descriptors.
 */
const length = 0.4 / Math.sqrt(2 - 2 * 0.35);

/**
 * The external model of Nextcloud's app facerecognition: `/open`, `/detect`, `/compute`,
 * `/welcome`. The app sends its key in x-api-key.
 */
export function nextcloudRoutes(app: App, context: ServerContext): void {
  const tags = ["Nextcloud"];
  const config = { scope: "search" } as const;

  app.get("/welcome", { config, schema: { tags, summary: "Names the model" } }, async () => ({
    "facerecognition-external-model": "welcome",
    version: "1.0.0",
    model: galleryOf(context).recogniser.model.record.space.model,
  }));

  app.get("/open", { config, schema: { tags, summary: "Says which pictures are taken" } }, async () => ({
    preferred_mimetype: "image/jpeg",
    maximum_area: Math.min(mostPixels, context.limits.pixels),
  }));

  app.post(
    "/detect",
    { config, schema: { tags, summary: "Find and describe the faces of a photo", description: "A form with `file`." } },
    async (request) => {
      const { name, seen } = await seeFile(
        (await readUpload(request, context.limits, ["file"])).photos,
        request.deadline,
      );
      const described = await describeAll(seen.faces, galleryOf(context), request.deadline);
      const faces = seen.faces.map((face, at) => aboutFace(face, described[at], seen));
      return { filename: name, "faces-count": faces.length, faces };
    },
  );

  app.post(
    "/compute",
    {
      config,
      schema: {
        tags,
        summary: "Describe a face whose box is known",
        description: "A form with `file` and `face` (JSON).",
      },
    },
    async (request) => {
      const { photos, fields } = await readUpload(request, context.limits, ["file"]);
      const given = boxOf(fields.face);
      const { name, seen } = await seeFile(photos, request.deadline);
      const nearest = seen.faces
        .map((face) => ({ face, shared: overlap(given, face) }))
        .sort((one, other) => other.shared - one.shared)[0];
      if (nearest === undefined || nearest.shared < leastOverlap)
        throw new Problem(422, "no-face", "no face was found at this place");
      const [described] = await describeAll([nearest.face], galleryOf(context), request.deadline);
      const { landmarks, descriptor } = aboutFace(nearest.face, described, seen);
      return { filename: name, face: { ...given, landmarks, descriptor } };
    },
  );

  async function seeFile(photos: Parameters<typeof seePhotos>[0], signal: AbortSignal) {
    const photo = photos.find(({ field }) => field === "file");
    if (photo === undefined) throw new Problem(400, "no-photo", "the form has no file");
    const [one] = await seePhotos([photo], { all: true }, signal, context);
    return { name: photo.name, seen: facesOf(one) };
  }
}

/** Share of the joint area from which on two boxes are of one face. */
const leastOverlap = 0.35;

interface FaceBox {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** The box of a face as the app sends it back. Throws a {@link Problem}. */
function boxOf(text: unknown): FaceBox {
  let face: Partial<Record<keyof FaceBox, unknown>>;
  try {
    face = (JSON.parse(typeof text === "string" ? text : "") ?? {}) as typeof face;
  } catch {
    throw new Problem(400, "invalid-request", "face is not JSON");
  }
  const { left, top, right, bottom } = face;
  if (![left, top, right, bottom].every((value) => typeof value === "number" && Number.isFinite(value)))
    throw new Problem(400, "invalid-request", "face has no left, top, right and bottom");
  return { ...face, left, top, right, bottom } as FaceBox;
}

function overlap(one: FaceBox, { box }: PhotoFace): number {
  if (box === null) return 1;
  const [left, top, right, bottom] = box;
  const width = Math.min(one.right, right) - Math.max(one.left, left);
  const height = Math.min(one.bottom, bottom) - Math.max(one.top, top);
  const shared = Math.max(0, width) * Math.max(0, height);
  const joint = (one.right - one.left) * (one.bottom - one.top) + (right - left) * (bottom - top) - shared;
  return joint > 0 ? shared / joint : 0;
}

function aboutFace(
  { box, points, score }: PhotoFace,
  described: FaceDescription | undefined,
  { width, height }: PhotoFaces,
) {
  const [left, top, right, bottom] = (box ?? [0, 0, width, height]).map(Math.round);
  const vector = described?.vector ?? new Float32Array();
  return {
    detection_confidence: score ?? 1,
    left,
    top,
    right,
    bottom,
    landmarks: (points ?? []).map(([x, y]) => ({ x: Math.round(x), y: Math.round(y) })),
    descriptor: [...normaliseRows(vector, vector.length)].map((value) => value * length),
  };
}
