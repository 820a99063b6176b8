import { degrade, drawFace, type FaceSpace, type Pixels } from "petalface/portable";
import type { Recogniser } from "./recogniser.ts";

export const seed = 2026;

/** Enrolled people: a sharp photo of each, and its embedding. */
export interface Gallery {
  readonly faces: readonly Pixels[];
  readonly embeddings: readonly Float32Array[];
}

/** What a search found. */
export interface Found {
  readonly alpha: number | undefined;
  /** Place of the right person, from 1. */
  readonly rank: number;
  /** Cosine with the right person. */
  readonly cosine: number;
  /** The most similar people, the best first. */
  readonly nearest: readonly number[];
}

/** Enrols synthetic people, one after the other, so that the page stays alive. */
export async function enrol(
  recogniser: Recogniser,
  space: FaceSpace,
  people: number,
  onProgress: (done: number) => void,
): Promise<Gallery> {
  const faces: Pixels[] = [];
  const embeddings: Float32Array[] = [];
  for (let person = 0; person < people; person++) {
    const face = drawFace(space, { seed, person, image: 0 }, recogniser.size);
    faces.push(face);
    embeddings.push((await recogniser.embed(face)).embedding);
    onProgress(person + 1);
  }
  return { faces, embeddings };
}

/** Another photo of a person than the enrolled one, at a resolution. */
export function probeFace(space: FaceSpace, size: number, person: number, pixels: number): Pixels {
  const face = drawFace(space, { seed, person, image: 1 }, size);
  return pixels >= size ? face : degrade(face, { kind: "lr", pixels });
}

const dot = (a: Float32Array, b: Float32Array): number => a.reduce((sum, value, at) => sum + value * (b[at] ?? 0), 0);

/** Compares a face with everybody who is enrolled. Equal cosines count against the right person. */
export async function search(recogniser: Recogniser, gallery: Gallery, face: Pixels, person: number): Promise<Found> {
  const { embedding, alpha } = await recogniser.embed(face);
  const cosines = gallery.embeddings.map((enrolled) => dot(embedding, enrolled));
  const cosine = cosines[person] ?? Number.NaN;
  const rank = 1 + cosines.filter((other, at) => at !== person && other >= cosine).length;
  const nearest = cosines.map((_, at) => at).sort((a, b) => (cosines[b] ?? 0) - (cosines[a] ?? 0));
  return { alpha, rank, cosine, nearest: nearest.slice(0, 5) };
}
