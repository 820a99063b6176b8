import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { FaceData } from "petalface/data";
import { decodeImage, drawFace, encodePixels, openFaceSpace, type Pixels, resize } from "petalface/images";
import { drawer } from "../skeleton/statistics.ts";
import { drawLeaves } from "./leaves.ts";
import { openMixer } from "./mixed.ts";
import { type Kind, side, spaceSide } from "./plan.ts";
import { openProjection } from "./projection.ts";
import { drawTexture, fitTexture } from "./texture.ts";

/** Photos that the texture of detail is fitted on. */
const fitted = 600;

/**
 * Writes the faces of one kind as a folder per person, as many as there are photos, unless an
 * earlier call did, and returns the folder.
 */
export async function writeFaces(kind: Kind, photos: FaceData, work: string): Promise<string> {
  const folder = join(work, "faces", kind.replaceAll(/[^a-z0-9]+/g, "-"));
  const done = `${folder}.done`;
  if ((await readFile(done, "utf8").catch(() => "")) === photos.fingerprint) return folder;
  await rm(folder, { recursive: true, force: true });
  const maker = await openMaker(photos);
  for (let at = 0; at < photos.length; at++) {
    const file = join(folder, maker.person(kind, at), `${at}.png`);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, await encodePixels(await maker.make(kind, at)));
  }
  await writeFile(done, photos.fingerprint);
  return folder;
}

async function openMaker(photos: FaceData) {
  const space = await openFaceSpace();
  const projection = openProjection(space);
  const photo = async (at: number): Promise<Pixels> => {
    const { source } = photos.at(at);
    if (source.kind !== "file") throw new Error(`${photos.at(at).id} is not a file`);
    return decodeImage(source.path, side);
  };
  const projected = async (at: number): Promise<Pixels> =>
    projection.nearest(resize(await photo(at), spaceSide, spaceSide), side);
  /** What a photo has beyond its nearest face of the space. */
  const detail = async (at: number): Promise<Float32Array> => {
    const [real, near] = [await photo(at), await projected(at)];
    return Float32Array.from(real.data, (value, i) => value - (near.data[i] ?? 0));
  };
  const drawn = (at: number): Pixels => drawFace(space, { seed: 1, person: at, image: 0 }, side);
  /** Another photo, far away in the list and so of another person. */
  const other = (at: number): number => (at + (photos.length >> 1)) % photos.length;
  const coefficients = async (at: number): Promise<number[]> =>
    projection.coefficients(resize(await photo(at), spaceSide, spaceSide));
  let mixer: ReturnType<typeof openMixer> | undefined;
  let texture: Promise<ReturnType<typeof fitTexture>> | undefined;
  const textureOfPhotos = async () =>
    fitTexture(await Promise.all(Array.from({ length: Math.min(fitted, photos.length) }, (_, at) => detail(at))));
  return {
    person(kind: Kind, at: number): string {
      const known = kind.startsWith("photos") || kind.startsWith("projected");
      return known ? (photos.people[photos.at(at).person] ?? `face-${at}`) : `face-${at}`;
    },
    async make(kind: Kind, at: number): Promise<Pixels> {
      // Neighbouring seeds of this generator begin alike.
      const uniform = drawer(Math.imul(at + 1, 0x9e3779b1));
      switch (kind) {
        case "photos":
          return photo(at);
        case "photos at 56 px":
          return resize(resize(await photo(at), spaceSide, spaceSide), side, side);
        case "photos projected":
          return projected(at);
        case "projected, others' detail":
          return added(await projected(at), await detail(other(at)));
        case "synthetic":
          return drawn(at);
        case "synthetic, photos' detail":
          return added(drawn(at), await detail(at));
        case "synthetic, random detail": {
          texture ??= textureOfPhotos();
          return added(drawn(at), drawTexture(await texture, uniform));
        }
        case "dead leaves":
          return drawLeaves(side, uniform);
        default:
          mixer ??= openMixer(photos.length, coefficients);
          return projection.face((await mixer)(kind, at, other(at), uniform), side);
      }
    },
  };
}

const added = (face: Pixels, detail: Float32Array): Pixels => ({
  ...face,
  data: new Uint8Array(Uint8ClampedArray.from(face.data, (value, at) => value + (detail[at] ?? 0)).buffer),
});
