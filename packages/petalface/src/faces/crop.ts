import { itemAt } from "onnx-grad";
import { type Photo, type Pixels, resize } from "../images/index.ts";
import type { FaceRule } from "./choose.ts";
import type { Detector } from "./detector.ts";
import { type Box, mapPoints, scaleOf } from "./geometry.ts";
import type { Locator } from "./points.ts";
import { type FaceRecord, rounded } from "./record.ts";
import { type CropTemplate, cropFor, placeFor } from "./templates.ts";
import { findUpright, type UprightFace } from "./upright.ts";
import { cut } from "./views.ts";

/** How faces are cut out of photos. */
export interface CropOptions {
  /** Side of the crops in pixels. */
  readonly size: number;
  /** Every face of a photo, not only the one it is of. */
  readonly all: boolean;
  readonly rule: FaceRule;
  /** Score from which on a box counts as a face; the detector's own unless given. */
  readonly threshold?: number | undefined;
  /** Geometry of the crops; ArcFace's unless given. */
  readonly template?: CropTemplate | undefined;
}

/** A crop, and what is known of it. */
export interface Crop {
  readonly pixels: Pixels;
  readonly about: Pick<
    FaceRecord,
    | "face"
    | "faces"
    | "aligned"
    | "fallback"
    | "box"
    | "points"
    | "score"
    | "rotation"
    | "attempt"
    | "weak"
    | "scale"
    | "resolution"
    | "width"
    | "height"
  >;
}

/** Cuts the faces out of one photo; never none. */
export type CropFaces = (photo: Photo) => Promise<Crop[]>;

/**
 * Opens a {@link CropFaces}: find, choose, locate five points, turn upright, warp; a centred square
 * where no face is found.
 */
export function createCropFaces(detector: Detector, locator: Locator, options: CropOptions): CropFaces {
  const { size, all, rule, threshold, template = "arcface" } = options;
  return async ({ pixels, width, height }) => {
    // From pixels in memory to pixels of the photo; 1 but for very large photos.
    const stored = [width / pixels.width, height / pixels.height] as const;
    const faces = await findUpright(pixels, detector, locator, { all, rule, threshold });
    const crops: Omit<Crop["about"], "face" | "faces">[] = [];
    const images: Pixels[] = [];
    for (const face of faces) {
      const { pixels: upright } = face.rotated;
      const place = placeFor(template, face.rotated, upright, size);
      // Points in one heap span no face; such a crop would be one blown-up pixel.
      if (place === undefined || scaleOf(place) > size) continue;
      images.push(cropFor(template, upright, face.rotated, place, size));
      const scale = scaleOf(place) / Math.sqrt(stored[0] * stored[1]);
      crops.push({
        aligned: true,
        fallback: null,
        ...placed(face, stored),
        rotation: (90 * face.turn) as FaceRecord["rotation"],
        attempt: face.attempt,
        weak: face.weak,
        ...measures(scale, size),
        width,
        height,
      });
    }
    if (crops.length === 0) {
      const side = Math.min(pixels.width, pixels.height);
      images.push(centreSquare(pixels, side, size));
      crops.push({
        aligned: false,
        fallback: "centre",
        box: null,
        points: null,
        score: null,
        rotation: 0,
        attempt: null,
        weak: false,
        ...measures(size / Math.min(width, height), size),
        width,
        height,
      });
    }
    return crops.map((about, at) => ({
      pixels: itemAt(images, at),
      about: { face: at + 1, faces: crops.length, ...about },
    }));
  };
}

const measures = (scale: number, size: number): Pick<FaceRecord, "scale" | "resolution"> => ({
  scale: rounded(scale, 4),
  resolution: rounded(size / scale, 1),
});

/** A face's place, in pixels of the photo as it is stored. */
function placed(
  { box, points, score }: UprightFace,
  [across, down]: readonly [number, number],
): Pick<FaceRecord, "box" | "points" | "score"> {
  const x = (value: number): number => rounded((value + 0.5) * across - 0.5);
  const y = (value: number): number => rounded((value + 0.5) * down - 0.5);
  const edges: Box = [x(box[0]), y(box[1]), x(box[2]), y(box[3])];
  return { box: edges, points: mapPoints(points, ([u, v]) => [x(u), y(v)]), score: rounded(score, 4) };
}

/** The middle of a photo, scaled to the size of a crop. */
function centreSquare(photo: Pixels, side: number, size: number): Pixels {
  const left = Math.floor((photo.width - side) / 2);
  const top = Math.floor((photo.height - side) / 2);
  return resize(cut(photo, { left, top, width: side, height: side }), size, size);
}
