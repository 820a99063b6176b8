import { createHash } from "node:crypto";
import { PetalfaceError } from "../errors.ts";
import { encodePixels, type Pixels } from "../images/index.ts";
import type { FaceData, Sample } from "./types.ts";

/** What such a set is called in messages and in `run.json`. */
export const inMemory = "faces in memory";

/** An aligned face in memory: the bytes of an image file (JPEG, PNG, ...), or its pixels. */
export type ImageInMemory = Uint8Array | Pixels;

/** A face in memory, and what is known of it. */
export type FaceInMemory =
  | ImageInMemory
  | {
      readonly image: ImageInMemory;
      /** Who it is; unknown unless given. */
      readonly person?: string | undefined;
      /** A name for it, unique in the set; its number from 0 unless given. */
      readonly id?: string | undefined;
      /** Its quality score, for adapters that take one. */
      readonly quality?: number | undefined;
    };

/**
 * A set of faces from images in memory. The bytes are copied into memory that all threads share;
 * pixels are kept as PNG, without loss.
 *
 * @throws PetalfaceError if there are none, an entry is no image, or two have the same id
 */
export async function joinInMemory(
  faces: readonly FaceInMemory[],
  options: Pick<FaceData, "mostLeftOut"> = {},
): Promise<FaceData> {
  if (faces.length === 0) throw new PetalfaceError("PETAL_DATA_MISSING", "there are no faces in the list of images");
  const people: string[] = [];
  const numbers = new Map<string, number>();
  const samples: Sample[] = [];
  const ids = new Set<string>();
  const hash = createHash("sha256").update(inMemory);
  for (const [number, face] of faces.entries()) {
    const { image, person, id = String(number), quality } = "image" in face ? face : { image: face };
    if (ids.has(id))
      throw new PetalfaceError("PETAL_DATA_UNFIT", `two faces of the list have the id ${JSON.stringify(id)}`);
    ids.add(id);
    const bytes = shared(await bytesOf(image, number));
    hash.update(
      JSON.stringify([id, person ?? null, quality ?? null, createHash("sha256").update(bytes).digest("hex")]),
    );
    if (person !== undefined && !numbers.has(person)) numbers.set(person, people.push(person) - 1);
    samples.push({
      id,
      person: person === undefined ? -1 : (numbers.get(person) ?? -1),
      source: { kind: "memory", number, bytes },
      ...(quality !== undefined && { quality }),
    });
  }
  return {
    spec: inMemory,
    length: samples.length,
    people,
    fingerprint: hash.digest("hex"),
    ...options,
    at(index) {
      const sample = samples[index];
      if (sample === undefined) throw new RangeError(`sample ${index} of ${samples.length}`);
      return sample;
    },
  };
}

async function bytesOf(image: ImageInMemory, number: number): Promise<Uint8Array> {
  if (image instanceof Uint8Array) return image;
  const { width, height, data } = image;
  if (!(data instanceof Uint8Array) || !(width >= 1 && height >= 1) || data.length !== 3 * width * height)
    throw new PetalfaceError(
      "PETAL_DATA_DAMAGED",
      `face ${number} of the list is neither the bytes of an image file nor pixels: expected width x height x 3 bytes, RGB`,
    );
  return encodePixels(image);
}

/** A copy that worker threads read where it lies. */
function shared(bytes: Uint8Array): Uint8Array<SharedArrayBuffer> {
  const copy = new Uint8Array(new SharedArrayBuffer(bytes.length));
  copy.set(bytes);
  return copy;
}
