import { itemAt } from "onnx-grad";
import { decodePhoto, type Pixels, printPath, resize } from "../images/index.ts";
import { chooseFace } from "./choose.ts";
import type { Detector } from "./detector.ts";
import { findFaces } from "./find.ts";
import { distance, template } from "./geometry.ts";
import type { Locator } from "./points.ts";

/** Whether photos are aligned faces, and the reason. */
export interface Judgement {
  readonly aligned: boolean;
  readonly reason: string;
}

/** Photos that are looked at, evenly over the set. */
const looked = 32;
/** Sides up to this are those of face crops; a photo of a person is larger. */
const cropSide = 160;
/** Width and height of an aligned face may differ by this share, as when decoding. */
const squareTolerance = 0.02;
/** Side that larger squares are judged at. */
const side = 112;
/** Points this far from the template on average, in distances between its eyes, are not on it. */
const most = 0.25;

/**
 * Tells aligned faces from photos by 32 of them, spread evenly. One that is not square: photos. All
 * square and at most 160 px: faces. Else faces are looked for, in the squares reduced to 112 px:
 * they are aligned if in at least half of those with a face its five points lie on the template,
 * within a quarter of the distance between the eyes on average. A photo that cannot be read says
 * nothing.
 *
 * @param paths of all photos, by number
 * @param open opens what finds faces; called only where it is needed
 */
export async function judgeAlignment(
  count: number,
  paths: (at: number) => string,
  open: () => Promise<{ readonly detector: Detector; readonly locator: Locator; close(): Promise<void> }>,
): Promise<Judgement> {
  const squares: Pixels[] = [];
  let largest = 0;
  for (let sample = 0; sample < Math.min(looked, count); sample++) {
    const path = paths(Math.floor((sample * count) / Math.min(looked, count)));
    const photo = await decodePhoto(path).catch(() => undefined);
    if (photo === undefined) continue;
    const { pixels, width, height } = photo;
    if (Math.abs(width - height) > squareTolerance * Math.max(width, height))
      return { aligned: false, reason: `${printPath(path)} is ${width} x ${height}` };
    largest = Math.max(largest, width);
    squares.push(resize(pixels, side, side));
  }
  if (largest <= cropSide) return { aligned: true, reason: `all are squares of at most ${cropSide} px` };
  const { detector, locator, close } = await open();
  try {
    let [faces, onTemplate] = [0, 0];
    for (const square of squares) {
      const found = await findFaces(square, detector);
      const points = found && (await locator.locate(square, chooseFace(found.faces, side, side, "central")))?.points;
      if (points === undefined) continue;
      faces++;
      const wanted = template(side);
      const off = points.reduce((sum, point, at) => sum + distance(point, itemAt(wanted, at)), 0) / points.length;
      if (off <= most * distance(wanted[0], wanted[1])) onTemplate++;
    }
    const reason = `${onTemplate} of ${faces} faces in ${squares.length} of them lie on the template`;
    return { aligned: 2 * onTemplate >= faces, reason };
  } finally {
    await close();
  }
}
