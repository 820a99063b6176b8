import type { Pixels } from "../images/index.ts";
import { type FivePoints, fitSimilarity, type Point, type Similarity, template } from "./geometry.ts";
import { warp } from "./warp.ts";

/**
 * Geometries of crops. `arcface`: five points on ArcFace's template. `opencv`: the same template, which FaceRecognizerSF
 * has too. `frigate`: by the eyes only, of a photo that is a crop as Frigate saves them.
 */
export const cropTemplates = ["arcface", "opencv", "frigate"] as const;

/** One of {@link cropTemplates}. */
export type CropTemplate = (typeof cropTemplates)[number];

/** Part of the crop that a product fills; what lies outside is black. */
interface Window {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/**
 * Where Frigate puts the eyes of a crop of `width` x `height` pixels (frigate/data_processing/common/face/model.py and
 * embeddings/onnx/face_embedding.py). The eyes lie level, 0.3 of the width apart, their middle at half the width and
 * 0.35 of the height. Then the longer side becomes `size`, the shorter one a multiple of 4, centred on black.
 */
function frigateGeometry(
  { width, height }: Pick<Pixels, "width" | "height">,
  size: number,
): { readonly eyes: readonly [Point, Point]; readonly window: Window } {
  const shorter = Math.floor(((Math.min(width, height) / Math.max(width, height)) * size) / 4) * 4;
  const [w, h] = width === height ? [size, size] : width > height ? [size, shorter] : [shorter, size];
  const window = { left: Math.floor((size - w) / 2), top: Math.floor((size - h) / 2), width: w, height: h };
  const y = window.top + 0.35 * h;
  const x = window.left + 0.5 * w;
  return {
    eyes: [
      [x - 0.15 * w, y],
      [x + 0.15 * w, y],
    ],
    window,
  };
}

/** Where a face comes to lie in its crop; undefined where its points span no face. */
export function placeFor(
  name: CropTemplate,
  points: FivePoints,
  photo: Pick<Pixels, "width" | "height">,
  size: number,
): Similarity | undefined {
  if (name !== "frigate") return fitSimilarity(points, template(size));
  return fitSimilarity(points.slice(0, 2), frigateGeometry(photo, size).eyes);
}

/** The crop of a face that {@link placeFor} has placed. */
export function cropFor(name: CropTemplate, photo: Pixels, place: Similarity, size: number): Pixels {
  const crop = warp(photo, place, size);
  if (name !== "frigate") return crop;
  const { left, top, width, height } = frigateGeometry(photo, size).window;
  const data = crop.data.slice();
  for (let y = 0; y < size; y++)
    for (let x = 0; x < size; x++)
      if (x < left || x >= left + width || y < top || y >= top + height)
        data.fill(0, 3 * (y * size + x), 3 * (y * size + x) + 3);
  return { ...crop, data };
}
