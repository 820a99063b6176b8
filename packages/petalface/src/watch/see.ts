import { itemAt } from "onnx-grad";
import { rowsNotFinite } from "../backbones/index.ts";
import { cropFor, type Detector, findFaces, type Locator, placeFor } from "../faces/index.ts";
import type { Describer } from "../gallery/index.ts";
import { type Pixels, toPlanes } from "../images/index.ts";
import { normaliseRows } from "../matching/index.ts";
import type { SeenFace } from "./tracker.ts";

/** What finds and embeds the faces of a frame. */
export interface Eyes {
  readonly detector: Detector;
  readonly locator: Locator;
  readonly describer: Describer;
  /** Also look for far faces, in tiles: slower. */
  readonly far: boolean;
}

/** The faces of a frame, embedded together. */
export async function seeFaces(frame: Pixels, { detector, locator, describer, far }: Eyes): Promise<SeenFace[]> {
  const { size, width } = describer.embedder;
  const found = await findFaces(frame, detector, far ? { all: true } : { only: "whole" });
  if (found === undefined || found.weak) return [];
  const placed: Pick<SeenFace, "box" | "points" | "confidence">[] = [];
  const crops: Pixels[] = [];
  for (const face of found.faces) {
    const located = await locator.locate(frame, face);
    if (located === undefined) continue;
    const { points } = located;
    const place = placeFor("arcface", { points, box: face.box }, frame, size);
    if (place === undefined) continue;
    crops.push(cropFor("arcface", frame, { points, box: face.box }, place, size));
    placed.push({ box: face.box, points, confidence: face.score });
  }
  const { vectors, alpha, score } = await embedCrops(crops, describer);
  const bad = new Set(rowsNotFinite(vectors, width));
  return placed.flatMap((face, at): SeenFace[] => {
    if (bad.has(at)) return [];
    const vector = vectors.slice(at * width, (at + 1) * width);
    return [
      {
        ...face,
        vector,
        unit: normaliseRows(vector, width),
        copies: new Float32Array(width),
        alpha: itemAt(alpha, at),
        score: score === undefined ? null : itemAt(score, at),
      },
    ];
  });
}

async function embedCrops(crops: readonly Pixels[], { embedder, judge }: Describer) {
  const { size, width, batch } = embedder;
  const face = 3 * size ** 2;
  const vectors = new Float32Array(crops.length * width);
  const alpha = new Float32Array(crops.length).fill(1);
  let score: Float32Array | undefined;
  for (let start = 0; start < crops.length; start += batch) {
    const part = crops.slice(start, start + batch);
    const planes = new Uint8Array(part.length * face);
    for (const [at, crop] of part.entries()) toPlanes(crop, planes, at * face);
    const own = await embedder.embed(planes, part.length);
    vectors.set(own.data.subarray(0, part.length * width), start * width);
    if (own.alpha !== undefined) alpha.set(own.alpha.subarray(0, part.length), start);
    if (judge === undefined) continue;
    const judged = await judge.embed(planes, part.length);
    score ??= new Float32Array(crops.length);
    score.set(judged.data.subarray(0, part.length), start);
    if (own.alpha === undefined && judged.alpha !== undefined) alpha.set(judged.alpha.subarray(0, part.length), start);
  }
  return { vectors, alpha, score };
}
