import {
  createDegrader,
  type Degradation,
  type Degrader,
  drawFace,
  type FaceSpace,
  faceSpaceOf,
  flip,
  type Pixels,
  parseSafetensors,
  toPlanes,
} from "petalface/portable";

/**
 * Faces in memory: those to train on, and those kept back to measure on, two of each person where
 * there are two.
 */
export interface Faces {
  readonly kind: "synthetic" | "pictures";
  readonly train: readonly Pixels[];
  /**
   * A sharp gallery face and a probe of each held-out person; for pictures of unknown people both
   * are the same picture.
   */
  readonly held: readonly { readonly gallery: Pixels; readonly probe: Pixels }[];
  /** Pictures that could not be read. */
  readonly unreadable: number;
}

/** Seeds of the people to train on and of those to measure on: two sets of people. */
const seeds = { train: 0, held: 1 } as const;

/** Share of the visitor's pictures that is kept back, and the least number of them. */
const heldShare = 0.25;
const leastHeld = 4;

/** Least pictures that can be trained on and measured. */
export const leastPictures = 12;

/** Draws people of the face space: `people` to train on with two photos each, and `held` others. */
export function drawPeople(space: FaceSpace, size: number, people: number, held: number): Faces {
  const draw = (seed: number, person: number, image: number): Pixels => drawFace(space, { seed, person, image }, size);
  return {
    kind: "synthetic",
    train: Array.from({ length: 2 * people }, (_, i) => draw(seeds.train, i >> 1, i & 1)),
    held: Array.from({ length: held }, (_, person) => ({
      gallery: draw(seeds.held, person, 0),
      probe: draw(seeds.held, person, 1),
    })),
    unreadable: 0,
  };
}

/** Reads the face space that is next to the page. */
export async function loadFaceSpace(url: string): Promise<FaceSpace> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  return faceSpaceOf(parseSafetensors(new Uint8Array(await response.arrayBuffer()), url), url);
}

/**
 * Decodes pictures, cut to their middle square; every fourth is kept back. Throws where fewer than
 * {@link leastPictures} can be read.
 */
export async function readPictures(
  files: readonly Blob[],
  size: number,
  onProgress: (done: number) => void,
): Promise<Faces> {
  const all: Pixels[] = [];
  for (const [index, file] of files.entries()) {
    const pixels = await decode(file, size).catch(() => undefined);
    if (pixels !== undefined) all.push(pixels);
    onProgress(index + 1);
  }
  const unreadable = files.length - all.length;
  if (all.length < leastPictures)
    throw new Error(
      `${all.length} of ${files.length} pictures could be read; at least ${leastPictures} are needed, a few hundred are better`,
    );
  const every = Math.max(2, Math.floor(all.length / Math.max(leastHeld, Math.floor(all.length * heldShare))));
  return {
    kind: "pictures",
    train: all.filter((_, index) => index % every !== 0),
    held: all.filter((_, index) => index % every === 0).map((pixels) => ({ gallery: pixels, probe: pixels })),
    unreadable,
  };
}

async function decode(file: Blob, size: number): Promise<Pixels> {
  const bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
  try {
    const side = Math.min(bitmap.width, bitmap.height);
    const canvas = new OffscreenCanvas(size, size);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    if (context === null) throw new Error("no canvas");
    context.imageSmoothingQuality = "high";
    const [left, top] = [(bitmap.width - side) / 2, (bitmap.height - side) / 2];
    context.drawImage(bitmap, left, top, side, side, 0, 0, size, size);
    const { data } = context.getImageData(0, 0, size, size);
    const rgb = new Uint8Array(3 * size * size);
    for (let from = 0, to = 0; to < rgb.length; from += 4, to += 3) rgb.set(data.subarray(from, from + 3), to);
    return { width: size, height: size, data: rgb };
  } finally {
    bitmap.close();
  }
}

/** Lays faces out as the network's planes: mirrored and at low resolution as asked. */
export function planesOf(
  faces: readonly { readonly pixels: Pixels; readonly flip?: boolean; readonly degrade?: Degradation | undefined }[],
  size: number,
  degrader: Degrader = createDegrader(),
): Uint8Array {
  const planes = new Uint8Array(faces.length * 3 * size * size);
  for (const [index, face] of faces.entries()) {
    const mirrored = face.flip === true ? flip(face.pixels) : face.pixels;
    const shown = face.degrade === undefined ? mirrored : degrader(mirrored, face.degrade);
    toPlanes(shown, planes, index * 3 * size * size);
  }
  return planes;
}
