import { availableParallelism } from "node:os";
import { itemAt } from "onnx-grad";
import { chooseFace, createLocator, findFaces, openDetector, openLandmarker } from "petalface/faces";
import { resize } from "petalface/images";
import { mean } from "../skeleton/statistics.ts";
import type { DecodedPhoto, SamplePhoto } from "./sample.ts";

/** How exact the points of one detector are. */
export interface PointRow {
  readonly name: string;
  /** Width of the faces; undefined: as they are. */
  readonly width: number | undefined;
  readonly photos: number;
  readonly found: number;
  /** Means over photos, in distances between the eyes. */
  readonly error: number;
  readonly errorOther: number;
  readonly worst: number;
}

/**
 * Width of a photo's face: the boxes that SCRFD finds in the sample are 2.3 distances between the
 * eyes wide (median).
 */
function boxWidth({ landmarks }: SamplePhoto): number {
  const [x, y, u, v] = landmarks as [number, number, number, number];
  return 2.3 * Math.hypot(x - u, y - v);
}

/** Runs a detector with the landmarks on the sample, shrunk until faces have `width` pixels. */
export async function measurePoints(
  photos: readonly DecodedPhoto[],
  { name, file }: { readonly name: string; readonly file: string },
  width: number | undefined,
): Promise<PointRow> {
  const detector = await openDetector(file, availableParallelism());
  const landmarks = await openLandmarker("fr_landmark", availableParallelism());
  const locator = createLocator(detector.kind, landmarks);
  const errors: number[] = [];
  const others: number[] = [];
  for (const [at, sample] of photos.entries()) {
    const { pixels: photo, landmarks: truth } = sample;
    const side = width === undefined ? photo.width : Math.max(1, Math.round((photo.width * width) / boxWidth(sample)));
    const shrunk = resize(photo, side, side);
    const found = await findFaces(shrunk, detector);
    const points = found && (await locator.locate(shrunk, chooseFace(found.faces, side, side, "central")))?.points;
    if (points === undefined) continue;
    const wanted = truth.map((value) => ((value + 0.5) * side) / photo.width - 0.5) as [number, number, number, number];
    const eyes = Math.hypot(wanted[0] - wanted[2], wanted[1] - wanted[3]);
    const off = points.map(([x, y], point) =>
      Math.hypot(x - itemAt(wanted, 2 * point), y - itemAt(wanted, 2 * point + 1)),
    );
    const error = mean(off) / eyes;
    errors.push(error);
    if (at % 2 === 1) others.push(error);
  }
  await Promise.all([detector.close(), landmarks.close()]);
  return {
    name,
    width,
    photos: photos.length,
    found: errors.length,
    error: mean(errors),
    errorOther: mean(others),
    worst: Math.max(...errors),
  };
}
