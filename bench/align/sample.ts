import { readFileSync } from "node:fs";
import { join } from "node:path";
import { decodePhoto, type Pixels } from "petalface/images";
import { shared } from "../skeleton/shared.ts";

/** Folder of the whole photos. */
export const photoFolder = join(shared, "data/lfw250_sample");

/** A photo of the sample: its file, and x and y of its five landmarks. */
export interface SamplePhoto {
  readonly file: string;
  readonly landmarks: readonly number[];
}

/** The same with its pixels. */
export interface DecodedPhoto extends SamplePhoto {
  readonly pixels: Pixels;
}

export const decodeSamplePhoto = async (photo: SamplePhoto): Promise<DecodedPhoto> => ({
  ...photo,
  pixels: (await decodePhoto(join(photoFolder, photo.file))).pixels,
});

/** The 401 photos of the LFW sample. */
export const readSample = (): readonly SamplePhoto[] =>
  readFileSync(`${photoFolder}_landmarks.txt`, "utf8")
    .trim()
    .split("\n")
    .map((line) => {
      const [file = "", ...landmarks] = line.split("\t");
      return { file, landmarks: landmarks.map(Number) };
    });
