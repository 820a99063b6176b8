import {
  degrade,
  drawDegradation,
  drawFace,
  type FaceSpace,
  type Pixels,
  parseDegradation,
  resize,
} from "petalface/images";
import sharp from "sharp";

/** The side of the crops that recognisers take. */
export const cropSide = 112;

/** A photo of a synthetic person as a sharp crop. */
export const sharpFace = (space: FaceSpace, seed: number, person: number, image: number): Pixels =>
  drawFace(space, { seed, person, image }, cropSide);

/** The same crop from a camera that has only `pixels` for the side of the face. */
export const lowFace = (face: Pixels, pixels: number): Pixels =>
  pixels >= cropSide ? face : degrade(face, drawDegradation(parseDegradation(`lr:${pixels}`), "figures"));

/** A crop as JPEG of a smaller side, so that figures stay small files. */
export function thumbnail(face: Pixels, side: number): Promise<Uint8Array> {
  const { width, height, data } = resize(face, side, side);
  return sharp(data, { raw: { width, height, channels: 3 } })
    .jpeg({ quality: 85 })
    .toBuffer();
}
