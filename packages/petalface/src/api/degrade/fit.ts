import { availableParallelism } from "node:os";
import { itemAt } from "onnx-grad";
import { type FaceData, tallyOf } from "../../data/index.ts";
import {
  describedSize,
  drawDegradation,
  type FittedCamera,
  fitCamera,
  type ImageRequest,
  type ImageSource,
  openLoader,
} from "../../images/index.ts";
import { readableFaces } from "../export/readable.ts";
import type { Surroundings } from "../surroundings.ts";
import { canvas } from "./canvas.ts";

/** Columns of each kind and rows of the picture, and the space between, in pixels. */
const [columns, rows, gap, middle] = [5, 8, 4, 40];

/** Memory for decoded faces. */
const cacheBytes = 128 * 2 ** 20;

/**
 * A camera that was fitted, and its picture: real crops on the left, simulated ones on the right.
 */
export interface Fit extends FittedCamera {
  readonly png: Buffer;
}

/**
 * Fits a camera on its crops, and draws crops next to faces under the fitted spec. Pictures that
 * cannot be read are counted and left out.
 */
export async function fitOn(faces: FaceData, crops: FaceData, seed: number, context: Surroundings): Promise<Fit> {
  await using loader = openLoader({
    size: describedSize,
    threads: availableParallelism(),
    cacheBytes,
    faces: faces.length + crops.length,
  });
  const real = await sourcesOf(crops, loader);
  const models = await sourcesOf(faces, loader);
  const progress = context.progress("fitting", 100, "%");
  try {
    const fitted = await fitCamera({
      crops: real,
      faces: models,
      loader,
      seed,
      signal: context.signal,
      onProgress: (share) => progress.update(Math.floor(100 * share)),
    });
    const drawn = [
      spread(real).map((source): ImageRequest => ({ source, flip: false })),
      spread(models).map(
        (source, at): ImageRequest => ({ source, flip: false, degrade: drawDegradation(fitted.spec, "sheet", at) }),
      ),
    ];
    return { ...fitted, png: await sideBySide(await Promise.all(drawn.map((requests) => loader.load(requests)))) };
  } finally {
    progress.close();
  }
}

/** As many of a list as the picture has places for, spread over all of it. */
function spread(list: readonly ImageSource[]): readonly ImageSource[] {
  const count = Math.min(columns * rows, list.length);
  return Array.from({ length: count }, (_, at) => itemAt(list, Math.floor((at * list.length) / count)));
}

/** Sources of the faces of a set that can be read. */
async function sourcesOf(data: FaceData, loader: Parameters<typeof readableFaces>[2]): Promise<ImageSource[]> {
  const most = Math.min(data.length, 500);
  const chosen = Array.from({ length: most }, (_, at) => Math.floor((at * data.length) / most));
  return (await readableFaces(data, chosen, loader, tallyOf(data))).map((face) => data.at(face).source);
}

/** Blocks of faces next to each other, as one PNG. */
async function sideBySide(blocks: readonly Uint8Array[]): Promise<Buffer> {
  const pitch = describedSize + gap;
  const block = columns * pitch + gap;
  const [width, height] = [blocks.length * block + (blocks.length - 1) * middle, rows * pitch + gap];
  const picture = canvas(width, height, describedSize);
  const bytes = 3 * describedSize ** 2;
  blocks.forEach((planes, number) => {
    for (let cell = 0; cell < planes.length / bytes; cell++)
      picture.put(
        planes.subarray(cell * bytes, (cell + 1) * bytes),
        number * (block + middle) + gap + (cell % columns) * pitch,
        gap + Math.floor(cell / columns) * pitch,
      );
  });
  return await picture.png();
}
