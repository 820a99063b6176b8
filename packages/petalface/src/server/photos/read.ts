import { PetalfaceError } from "../../errors.ts";
import {
  type Box,
  createCropFaces,
  createLocator,
  type FivePoints,
  openDetector,
  openLandmarker,
} from "../../faces/index.ts";
import { decodeImage, decodePhoto, encodePixels, imageSides, type Pixels } from "../../images/index.ts";

/** What the readers of photos need to know once; plain data for a worker. */
export interface PhotoOptions {
  /** Side of the crops in pixels. */
  readonly size: number;
  /** File of the detector; undefined: photos have to be aligned faces. */
  readonly detector: string | undefined;
  /** File of the landmark network; undefined: the detector's own points. */
  readonly landmarks: string | undefined;
  /** Pixels of one photo. */
  readonly pixels: number;
  /** Faces of one photo. */
  readonly faces: number;
}

/** Whether a photo is an aligned face: `auto` takes a square of at most 160 px for one. */
export const alignedModes = ["auto", "yes", "no"] as const;

/** One photo; plain data. */
export interface PhotoJob {
  readonly bytes: Uint8Array;
  /** What messages call it. */
  readonly name: string;
  readonly aligned: (typeof alignedModes)[number];
  /** Every face, or the one that the photo is of. */
  readonly all: boolean;
  /** Score from which on a box counts as a face; the detector's own unless given. */
  readonly threshold?: number | undefined;
  /** Also encode the crops as PNG. */
  readonly encode: boolean;
}

/** A face, cut out and aligned. */
export interface PhotoFace {
  readonly crop: Pixels;
  /** The crop as PNG; of an aligned face the photo itself. */
  readonly file: Uint8Array | null;
  /** In pixels of the photo. Null for a photo that is an aligned face. */
  readonly box: Box | null;
  readonly points: FivePoints | null;
  /** Of the detector, 0 to 1. */
  readonly score: number | null;
  /** Degrees by which the photo was rotated, so that the face is upright. */
  readonly rotation: number;
  /** Pixels of the photo along the crop. */
  readonly resolution: number;
}

/** The faces of a photo; none where it shows none. */
export interface PhotoFaces {
  readonly width: number;
  readonly height: number;
  readonly faces: readonly PhotoFace[];
  /** Faces that were found beyond the limit. */
  readonly more: number;
}

/** The faces of a photo, or why it is not worked on. */
export type PhotoResult =
  | PhotoFaces
  | { readonly refused: "unreadable-photo" | "too-large" | "no-detector"; readonly reason: string };

/** Finds the faces of photos. */
export type PhotoReader = (job: PhotoJob) => Promise<PhotoResult>;

/** Squares up to this side are aligned faces, where the request does not say it. */
const cropSide = 160;
const squareTolerance = 0.02;
/** Pictures with shorter sides show nothing. */
const leastSide = 4;

/**
 * Opens detector and landmarks, and makes a {@link PhotoReader}. Throws PetalfaceError where one of
 * them cannot be opened.
 */
export async function openPhotoReader(options: PhotoOptions): Promise<PhotoReader> {
  const { size, faces: most } = options;
  const detector = options.detector === undefined ? undefined : await openDetector(options.detector);
  const landmarks = options.landmarks === undefined ? undefined : await openLandmarker(options.landmarks);

  async function find({ bytes, name, all, threshold, encode }: PhotoJob): Promise<PhotoResult> {
    if (detector === undefined)
      return {
        refused: "no-detector",
        reason: `${name} is not an aligned face, and this server looks for no faces ('detector=none'); send squares of at most ${cropSide} px, or give aligned=yes`,
      };
    const photo = await decodePhoto(bytes, name);
    const locator = createLocator(detector.kind, landmarks);
    const crops = await createCropFaces(detector, locator, { size, all, rule: "central", threshold })(photo);
    // Where no face reaches the detector's threshold the best box is given all the same; not below
    // one that was asked for.
    const found = crops.filter(({ about }) => about.aligned && (about.score ?? 0) >= (threshold ?? 0));
    const kept = found.toSorted((one, other) => (other.about.score ?? 0) - (one.about.score ?? 0)).slice(0, most);
    const faces = await Promise.all(
      kept.map(async ({ pixels, about }): Promise<PhotoFace> => {
        const { box, points, score, rotation, resolution } = about;
        const file = encode ? await encodePixels(pixels) : null;
        return { crop: pixels, file, box, points, score, rotation, resolution };
      }),
    );
    return { width: photo.width, height: photo.height, faces, more: found.length - kept.length };
  }

  return async (job) => {
    const { name, aligned } = job;
    // Of its own: the decoder takes no memory that is shared, and messages make one of what comes.
    const bytes = new Uint8Array(job.bytes);
    try {
      const { width, height } = await imageSides(bytes, name);
      if (width * height > options.pixels)
        return {
          refused: "too-large",
          reason: `${name} is ${width} x ${height}; a photo may have ${options.pixels.toLocaleString("en")} pixels`,
        };
      if (Math.min(width, height) < leastSide)
        return {
          refused: "unreadable-photo",
          reason: `${name} is ${width} x ${height}; it needs ${leastSide} pixels a side`,
        };
      const isSquare = Math.abs(width - height) <= squareTolerance * Math.max(width, height);
      if (aligned === "no" || (aligned === "auto" && !(isSquare && width <= cropSide)))
        return await find({ ...job, bytes });
      const crop = await decodeImage(bytes, size, name);
      const resolution = Math.min(width, height);
      const face = { crop, file: bytes, box: null, points: null, score: null, rotation: 0, resolution };
      return { width, height, faces: [face], more: 0 };
    } catch (error) {
      if (error instanceof PetalfaceError) return { refused: "unreadable-photo", reason: error.message };
      throw error;
    }
  };
}
