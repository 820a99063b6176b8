import { type Pixels, resize } from "../images/index.ts";
import { type Box, type FivePoints, fitSimilarity, type Point, type Similarity, template } from "./geometry.ts";
import { cut } from "./views.ts";
import { warp } from "./warp.ts";

/**
 * Geometries of crops. `arcface`: five points on ArcFace's template. `opencv`: the same template,
 * which FaceRecognizerSF has too. `frigate`: by the eyes only, of a photo that is a crop as Frigate
 * saves them. `facenet`: the detector's box, stretched to a square (facenet-pytorch, margin 0).
 * `deepstream`: the same, as nvinfer crops. `deepface`: the detector's box after the eyes are
 * level, with black bands where it is no square.
 */
export const cropTemplates = ["arcface", "opencv", "frigate", "facenet", "deepstream", "deepface"] as const;

/** One of {@link cropTemplates}. */
export type CropTemplate = (typeof cropTemplates)[number];

/** A face in its photo: what a geometry is found from. */
export interface Face {
  readonly points: FivePoints;
  readonly box: Box;
}

/** Part of the crop that a product fills; what lies outside is black. */
interface Window {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

const isStretched = (name: CropTemplate): boolean => name === "facenet" || name === "deepstream";

/**
 * Where Frigate puts the eyes of a crop of `width` x `height` pixels
 * (frigate/data_processing/common/face/model.py and embeddings/onnx/face_embedding.py). The eyes
 * lie level, 0.3 of the width apart, their middle at half the width and 0.35 of the height. Then
 * the longer side becomes `size`, the shorter one a multiple of 4, centred on black.
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

/** The eyes of {@link frigateGeometry}. */
export const frigateEyes = (photo: Pick<Pixels, "width" | "height">, size: number): readonly [Point, Point] =>
  frigateGeometry(photo, size).eyes;

/**
 * DeepFace's crop (deepface/modules/detection.py and preprocessing.py): the photo is rotated so
 * that the eyes are level, the box keeps its sides and its middle, and its longer side becomes
 * `size`.
 */
function deepfacePlace({ points: [leftEye, rightEye], box }: Face, size: number): Similarity | undefined {
  const angle = Math.atan2(rightEye[1] - leftEye[1], rightEye[0] - leftEye[0]);
  const scale = size / Math.max(box[2] - box[0], box[3] - box[1]);
  const [a, b] = [scale * Math.cos(angle), -scale * Math.sin(angle)];
  if (!Number.isFinite(a) || !(scale > 0)) return undefined;
  const [x, y] = [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2];
  const middle = (size - 1) / 2;
  return { a, b, tx: middle - a * x + b * y, ty: middle - b * x - a * y };
}

/** The part of a square of `size` that a box of these sides fills, centred. */
function deepfaceWindow(box: Box, size: number): Window {
  const [w, h] = [box[2] - box[0], box[3] - box[1]];
  const factor = size / Math.max(w, h);
  const [width, height] = [Math.floor(w * factor + 1e-9), Math.floor(h * factor + 1e-9)];
  return { left: Math.floor((size - width) / 2), top: Math.floor((size - height) / 2), width, height };
}

/** A box within its photo, in whole pixels. */
function wholeBox([left, top, right, bottom]: Box, { width, height }: Pick<Pixels, "width" | "height">): Window {
  const [x, y] = [Math.floor(Math.max(0, left)), Math.floor(Math.max(0, top))];
  const [u, v] = [Math.floor(Math.min(width, right)), Math.floor(Math.min(height, bottom))];
  return { left: x, top: y, width: u - x, height: v - y };
}

/**
 * Where a face comes to lie in its crop; undefined where its points or its box span no face. Of a
 * stretched crop: with the mean of its two scales.
 */
export function placeFor(
  name: CropTemplate,
  face: Face,
  photo: Pick<Pixels, "width" | "height">,
  size: number,
): Similarity | undefined {
  if (isStretched(name)) {
    const { left, top, width, height } = wholeBox(face.box, photo);
    if (width < 1 || height < 1) return undefined;
    const scale = size / Math.sqrt(width * height);
    return { a: scale, b: 0, tx: -scale * left, ty: -scale * top };
  }
  if (name === "deepface") return deepfacePlace(face, size);
  if (name === "frigate") return fitSimilarity(face.points.slice(0, 2), frigateGeometry(photo, size).eyes);
  return fitSimilarity(face.points, template(size));
}

/** The crop of a face that {@link placeFor} has placed. */
export function cropFor(name: CropTemplate, photo: Pixels, face: Face, place: Similarity, size: number): Pixels {
  if (isStretched(name)) return resize(cut(photo, wholeBox(face.box, photo)), size, size);
  const crop = warp(photo, place, size);
  if (name !== "frigate" && name !== "deepface") return crop;
  const window = name === "frigate" ? frigateGeometry(photo, size).window : deepfaceWindow(face.box, size);
  return blackOutside(crop, window);
}

function blackOutside(crop: Pixels, { left, top, width, height }: Window): Pixels {
  const size = crop.width;
  const data = crop.data.slice();
  for (let y = 0; y < size; y++)
    for (let x = 0; x < size; x++)
      if (x < left || x >= left + width || y < top || y >= top + height)
        data.fill(0, 3 * (y * size + x), 3 * (y * size + x) + 3);
  return { ...crop, data };
}
