import { join } from "node:path";
import { PetalfaceError } from "../errors.ts";
import { writePiecesSafely } from "../files.ts";
import { decodePhoto, type Photo, type Pixels } from "../images/index.ts";
import { type Crop, type CropFaces, type CropOptions, createCropFaces } from "./crop.ts";
import { openDetector } from "./detector.ts";
import { openLandmarker } from "./landmarks.ts";
import { createLocator } from "./points.ts";
import type { FaceRecord } from "./record.ts";

/** Formats of the crops: lossless, or JPEG at quality 95. */
export const cropFormats = ["png", "jpg"] as const;

/** One of {@link cropFormats}. */
export type CropFormat = (typeof cropFormats)[number];

/** What a worker needs to know once; plain data. */
export interface WorkOptions extends CropOptions {
  readonly detector: string;
  /** Undefined: the detector's own points. */
  readonly landmarks: string | undefined;
  readonly format: CropFormat;
  readonly out: string;
}

/** One photo, by its file or its pixels; plain data. */
export interface Job {
  readonly photo: string | Pixels;
  /** What messages call it. */
  readonly name: string;
  /**
   * Path of the crop relative to the output folder, without ending; further faces get `~2`, `~3`
   * behind it.
   */
  readonly stem: string;
}

/** The crops of a photo as they were written, or why it could not be read. */
export type JobResult =
  | { readonly crops: readonly (Crop["about"] & { readonly path: string })[] }
  | { readonly error: string };

/** Does one job after another. */
export interface Work {
  run(job: Job): Promise<JobResult>;
  close(): Promise<void>;
}

/**
 * Opens the detector and the landmarks and makes a {@link Work}. Throws PetalfaceError where one of
 * them cannot be opened.
 */
export async function openWork(options: WorkOptions): Promise<Work> {
  const detector = await openDetector(options.detector);
  if (!detector.hasPoints && options.landmarks === undefined) {
    await detector.close();
    throw new PetalfaceError(
      "PETAL_OPTION_UNFIT",
      `${options.detector} (${detector.kind}) gives boxes without points; 'landmarks=own' needs a detector with points`,
    );
  }
  const landmarks = options.landmarks === undefined ? undefined : await openLandmarker(options.landmarks);
  const crop = createCropFaces(detector, createLocator(detector.kind, landmarks), options);
  return {
    run: (job) => align(job, crop, options),
    async close() {
      await Promise.all([detector.close(), landmarks?.close()]);
    },
  };
}

async function align(job: Job, crop: CropFaces, { format, out }: WorkOptions): Promise<JobResult> {
  let photo: Photo;
  try {
    photo = await readPhoto(job);
  } catch (error) {
    if (error instanceof PetalfaceError) return { error: error.message };
    throw error;
  }
  const crops: (Crop["about"] & { path: string })[] = [];
  for (const { pixels, about } of await crop(photo)) {
    const path = cropPath(job.stem, about.face, format);
    await writeCrop(out, join(out, path), pixels, format);
    crops.push({ path, ...about });
  }
  return { crops };
}

async function readPhoto({ photo, name }: Job): Promise<Photo> {
  if (typeof photo === "string") return await decodePhoto(photo, name);
  return { pixels: photo, width: photo.width, height: photo.height };
}

/** Where a crop lies, relative to the output folder. */
export const cropPath = (stem: string, face: number, format: CropFormat): FaceRecord["path"] =>
  `${stem}${face > 1 ? `~${face}` : ""}.${format}`;

/**
 * Complete or not at all, for readers and for a run that continues after a kill. Unfinished files
 * are in `out`, where the next run removes them.
 */
async function writeCrop(
  out: string,
  path: string,
  { data, width, height }: Pixels,
  format: CropFormat,
): Promise<void> {
  const { default: sharp } = await import("sharp");
  const image = sharp(data, { raw: { width, height, channels: 3 } });
  const bytes = await (format === "png"
    ? image.png({ compressionLevel: 6 })
    : image.jpeg({ quality: 95, chromaSubsampling: "4:4:4" })
  ).toBuffer();
  await writePiecesSafely(path, [bytes], { sync: false, workIn: out });
}
