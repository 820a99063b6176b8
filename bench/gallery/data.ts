import { open } from "node:fs/promises";
import { drawer } from "../skeleton/statistics.ts";

/** Numbers of an embedding. */
export const width = 512;
/** Faces of one person. */
export const facesEach = 4;

/** Embeddings lie near a part of their space; these are drawn in so many directions. */
const directions = 128;
/** Length of what differs between photos of a person, as a share of what differs between people. */
const within = 0.6;

/**
 * Draws made-up embeddings: people are points in a space of 128 of 512 dimensions, photos are near
 * their person.
 */
export function embeddings() {
  const draw = drawer(1);
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - draw())) * Math.cos(2 * Math.PI * draw());
  const basis = Float32Array.from({ length: directions * width }, () => normal() / Math.sqrt(width));
  const person = (): Float32Array => Float32Array.from({ length: directions }, normal);
  /** Writes a photo of a person, of length 1, to row `row` of `out`. */
  const photo = (own: Float32Array, out: Float32Array, row: number): void => {
    const to = row * width;
    out.fill(0, to, to + width);
    for (let direction = 0; direction < directions; direction++) {
      const amount = own[direction] + within * normal();
      const from = direction * width;
      for (let at = 0; at < width; at++) out[to + at] += amount * basis[from + at];
    }
    let square = 0;
    for (let at = to; at < to + width; at++) square += out[at] ** 2;
    const scale = 1 / Math.sqrt(square);
    for (let at = to; at < to + width; at++) out[at] *= scale;
  };
  return { person, photo };
}

/** Embeddings that are written at once, in whole people. */
const atOnce = 4000;

/**
 * Writes `faces.f32` (`count x width` float32), and `probes.f32`: other photos of some of the
 * people, whose numbers it returns.
 */
export async function writeEmbeddings(folder: string, count: number, probes: number): Promise<Int32Array> {
  const { person, photo } = embeddings();
  const people = Math.ceil(count / facesEach);
  const wanted = Int32Array.from({ length: probes }, (_, probe) => Math.floor(((probe + 0.5) * people) / probes));
  const places = new Map([...wanted].map((own, probe) => [own, probe]));
  const ofProbes = new Float32Array(probes * width);
  const file = await open(`${folder}/faces.f32`, "w");
  for (let start = 0; start < count; start += atOnce) {
    const rows = new Float32Array(Math.min(atOnce, count - start) * width);
    for (let at = 0; at < rows.length / width; at += facesEach) {
      const own = person();
      for (let face = at; face < Math.min(rows.length / width, at + facesEach); face++) photo(own, rows, face);
      const probe = places.get((start + at) / facesEach);
      if (probe !== undefined) photo(own, ofProbes, probe);
    }
    await file.write(new Uint8Array(rows.buffer));
  }
  await file.close();
  const other = await open(`${folder}/probes.f32`, "w");
  await other.write(new Uint8Array(ofProbes.buffer));
  await other.close();
  return wanted;
}
