import type { EmbeddingModel } from "petalface/backbones";
import { type EnrolledFaces, enrolFaces } from "petalface/matching";
import { openFaceRows, type Rows, requestsOf, shrinkTo } from "../skeleton/faces.ts";
import type { Probes } from "./measure.ts";
import { kinds, plainSides } from "./plan.ts";
import { photoFile, probeFile, type Shown } from "./probes.ts";

/**
 * The enrolled photos and their copies, and the probes of every camera by name: `sharp`, `16` and
 * such, `still`.
 */
export interface Embedded {
  readonly width: number;
  readonly photos: Rows;
  readonly copies: readonly Rows[];
  readonly probes: ReadonlyMap<string, Probes>;
}

/** Sides of the copies that are enrolled. */
const copySides: readonly number[] = [16, 12];

/** Embeds gallery, copies and all probes with one model. */
export async function embedShown(
  model: EmbeddingModel,
  shown: Shown,
  folder: string,
  threads: number,
): Promise<Embedded> {
  await using faces = await openFaceRows(model, threads);
  const embed = (files: readonly string[], pixels?: number): Promise<Rows> =>
    faces.embed(requestsOf(files, shrinkTo(pixels)));
  const enrolled = shown.gallery.map(photoFile);
  const photos = await embed(enrolled);
  const copies: Rows[] = [];
  for (const pixels of copySides) copies.push(await embed(enrolled, pixels));
  const person = Int32Array.from(shown.probes, (probe) => probe.person);
  const sharp = shown.probes.map(({ id }) => photoFile(id));
  const probes = new Map<string, Probes>();
  probes.set("sharp", { person, ...(await embed(sharp)) });
  for (const pixels of plainSides) probes.set(String(pixels), { person, ...(await embed(sharp, pixels)) });
  for (const kind of kinds) {
    const files = shown.probes.map(({ id }) => probeFile(folder, kind, id));
    probes.set(kind, { person, ...(await embed(files)) });
  }
  return { width: model.width, photos, copies, probes };
}

/** The people as they are enrolled. */
export const galleryOf = ({ width, photos, copies }: Embedded): EnrolledFaces =>
  enrolFaces(
    photos.rows,
    copies.map(({ rows }) => rows),
    width,
  );

/**
 * What the model centred on a camera's crops makes of the gallery and of that camera's probes: its
 * output is the old one plus (1 - alpha) times the centre.
 */
export function centredOn(
  { width, photos, copies, probes }: Embedded,
  centres: ReadonlyMap<string, Float32Array>,
): Map<string, Embedded> {
  const moved = <R extends Rows>(given: R, centre: Float32Array): R => ({
    ...given,
    rows: given.rows.map((value, at) => {
      const alpha = given.alpha?.[Math.floor(at / width)] ?? 1;
      return value + (1 - alpha) * (centre[at % width] ?? 0);
    }),
  });
  return new Map(
    [...centres].flatMap(([kind, centre]): [string, Embedded][] => {
      const own = probes.get(kind);
      if (own === undefined) return [];
      const moveOne = <R extends Rows>(given: R): R => moved(given, centre);
      const enrolled = { photos: moveOne(photos), copies: copies.map(moveOne) };
      return [[kind, { width, ...enrolled, probes: new Map([[kind, moveOne(own)]]) }]];
    }),
  );
}
