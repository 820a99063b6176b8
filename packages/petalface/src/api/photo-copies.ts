import { basename, extname, join } from "node:path";
import { itemAt } from "onnx-grad";
import { type FaceData, type Sample, tallyOf } from "../data/index.ts";
import { PetalfaceError } from "../errors.ts";
import { openFileSet } from "../files.ts";
import { decodePhoto, encodePixels, type Pixels, resize } from "../images/index.ts";
import { type LeftOutOptions, leftOutOf, noteLeftOut, openFaces } from "./data.ts";
import { claimOutputs } from "./outputs.ts";
import type { Surroundings } from "./surroundings.ts";

/** Which photos to copy, and where to. */
export interface PhotoCopies extends LeftOutOptions {
  /** A folder with a folder of photos for each person. */
  readonly people: string;
  readonly out: string;
  /** Sides of the copied faces in pixels. */
  readonly sizes: readonly number[];
  /** Photos of a person that are copied at each size, at most. */
  readonly most: number;
  /** People's folders that are left out. */
  readonly except: readonly string[];
}

/** What {@link copyPhotos} wrote. */
export interface CopiedPhotos {
  readonly photos: number;
  readonly copies: number;
  /** Photos that are no larger than a copy. */
  readonly small: number;
  readonly leftOut: ReturnType<typeof leftOutOf>;
}

/** How copies are named, so that no copy is ever copied. */
const copyName = (id: string, size: number): string => `${basename(id, extname(id))}_${size}px.png`;
const isCopy = (id: string): boolean => /_\d+px\.png$/.test(id);

interface Copy {
  readonly source: string;
  readonly size: number;
  /** Below the folder of the copies. */
  readonly target: string;
}

/**
 * Writes low-resolution copies of photos, all or none: `petalface copies`. Throws PetalfaceError
 * where the set is no folder of photos.
 */
export async function copyPhotos(request: PhotoCopies, surroundings: Surroundings): Promise<CopiedPhotos> {
  const { people, out } = request;
  const data = await openFaces(people, request, surroundings);
  const copies = planCopies(data, request);
  await using _outputs = await claimOutputs(
    copies.map(({ target }) => join(out, target)),
    surroundings,
  );
  const tally = tallyOf(data);
  tally.tried(data.length);
  await using files = await openFileSet(out);
  const progress = surroundings.progress("copying", copies.length, "copies");
  const [bad, small] = [new Set<string>(), new Set<string>()];
  let written = 0;
  try {
    for (const [place, { source, size, target }] of copies.entries()) {
      surroundings.signal.throwIfAborted();
      progress.update(place);
      const photo = bad.has(source) ? undefined : await decodePhoto(source).catch((error: Error) => error);
      if (photo instanceof Error) {
        bad.add(source);
        tally.bad(photo.message, "unreadable");
      }
      if (photo === undefined || photo instanceof Error) continue;
      const { pixels } = photo;
      if (Math.min(pixels.width, pixels.height) <= size) small.add(source);
      else {
        await files.write(target, await encodePixels(lowResolution(pixels, size)));
        written++;
      }
    }
    await files.finish();
  } finally {
    progress.close();
  }
  const left = tally.report();
  if (bad.size > 0) noteLeftOut(left, surroundings);
  const photos = new Set(copies.map(({ source }) => source)).size;
  return { photos, copies: written, small: small.size, leftOut: leftOutOf(data, left) };
}

/**
 * Which photos are copied, at which sizes, and where to. Throws PetalfaceError where the set is no
 * folder of photos.
 */
function planCopies(data: FaceData, { sizes, most, except }: PhotoCopies): Copy[] {
  const missing = except.find((name) => !data.people.includes(name));
  if (missing !== undefined)
    throw new PetalfaceError("PETAL_OPTION_INVALID", `'except' ${missing}: ${data.spec} has no folder of that name`);
  const byPerson = new Map<number, Sample[]>();
  for (let index = 0; index < data.length; index++) {
    const sample = data.at(index);
    const name = data.people[sample.person];
    if (sample.source.kind !== "file" || name === undefined)
      throw new PetalfaceError(
        "PETAL_OPTION_INVALID",
        `${data.spec}: give a folder with a folder of photos for each person`,
      );
    if (except.includes(name) || isCopy(sample.id)) continue;
    byPerson.set(sample.person, [...(byPerson.get(sample.person) ?? []), sample]);
  }
  return [...byPerson].flatMap(([person, samples]) => {
    const count = Math.min(samples.length, most);
    const chosen = Array.from({ length: count }, (_, i) => itemAt(samples, Math.floor((i * samples.length) / count)));
    return chosen.flatMap(({ id, source }) =>
      sizes.map((size) => ({
        source: source.kind === "file" ? source.path : "",
        size,
        target: join(itemAt(data.people, person), copyName(id, size)),
      })),
    );
  });
}

/**
 * The photo as a camera would show it whose face is `size` pixels on the shorter side, at its own
 * size again.
 */
function lowResolution(pixels: Pixels, size: number): Pixels {
  const { width, height } = pixels;
  const factor = size / Math.min(width, height);
  const small = resize(pixels, Math.round(width * factor), Math.round(height * factor));
  return resize(small, width, height);
}
