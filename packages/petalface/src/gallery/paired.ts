import { itemAt } from "onnx-grad";
import { identify, normaliseRows, openMatcher, type RowSource } from "../matching/index.ts";
import { type Random, random } from "../random.ts";
import type { SessionOptions } from "../runtime/index.ts";
import { release } from "./release.ts";
import type { ChosenFaces, EnrolledVectors, FaceOwners } from "./types.ts";

/** Rank-1 of the same searches before and after. */
export interface PairedRanks {
  /** Faces that were searched for, each among all others of the gallery. */
  readonly searches: number;
  /** Faces that could be: those whose person has another one. */
  readonly searchable: number;
  readonly before: number;
  readonly after: number;
  /** Searches that only the new model answers rightly, and those that only the old one does. */
  readonly gained: number;
  readonly lost: number;
}

/** The faces of a gallery by one model. */
export interface ModelFaces {
  read(chosen: ChosenFaces): Promise<EnrolledVectors>;
}

/** What a gallery with two models is compared with itself by. */
export interface PairedTask {
  readonly before: ModelFaces;
  readonly after: ModelFaces;
  /** Those that both models have embedded. */
  readonly owners: FaceOwners;
  readonly session: SessionOptions;
  readonly signal?: AbortSignal | undefined;
}

/** Faces that are searched for; more would say little more, and take longer. */
const mostSearches = 2048;
/** Faces that are read at once. */
const readAtOnce = 2048;

/**
 * Searches for enrolled faces among all others of the gallery, by the old and by the new model: for
 * the faces as they are, and for their low-resolution copies. Where more than 2,048 faces have
 * another one of their person, so many are drawn; the same faces always give the same draw. The
 * faces are read in parts: memory holds 8 bytes for each, and the embeddings of a few thousand.
 *
 * @returns null where no person has two faces, or there are no copies
 */
export async function pairedRanks(
  task: PairedTask,
): Promise<{ readonly sharp: PairedRanks | null; readonly copies: PairedRanks | null }> {
  const { before, after, owners } = task;
  const usable = withMates(owners.people);
  const chosen = drawSome(usable, mostSearches, random("faces of a paired comparison"));
  if (chosen.length === 0) return { sharp: null, copies: null };
  const [old, next] = [await readRows(before, owners, chosen), await readRows(after, owners, chosen)];
  const probes = (["vectors", "copies"] as const).flatMap((what) =>
    [...chosen.keys()]
      .filter((at) => [old, next].every((side) => rowOf(side, what, at).some((value) => value !== 0)))
      .map((at) => ({ what, at, face: itemAt(chosen, at) })),
  );
  const one = await isFirst(before, old, probes, task);
  const other = await isFirst(after, next, probes, task);
  const ranksOf = (what: Probe["what"]): PairedRanks | null => {
    const both = [...probes.keys()].filter((at) => probes[at]?.what === what);
    if (both.length === 0) return null;
    const count = (wanted: (was: boolean, is: boolean) => boolean): number =>
      both.filter((at) => wanted(itemAt(one, at), itemAt(other, at))).length;
    return {
      searches: both.length,
      searchable: usable.length,
      before: count((was) => was),
      after: count((_, is) => is),
      gained: count((was, is) => is && !was),
      lost: count((was, is) => was && !is),
    };
  };
  return { sharp: ranksOf("vectors"), copies: ranksOf("copies") };
}

/** A search: for the embedding of a chosen face, or for that of its copies. */
interface Probe {
  readonly what: "vectors" | "copies";
  /** Among the chosen faces. */
  readonly at: number;
  /** Among all faces. */
  readonly face: number;
}

/** Places of the faces whose person has another face, ascending. */
function withMates(people: Int32Array): Int32Array {
  // A byte for each id: a set of a million people would take a hundred times as much.
  const facesOf = new Uint8Array(1 + people.reduce((last, person) => Math.max(last, person), 0));
  for (const person of people) facesOf[person] = Math.min(2, itemAt(facesOf, person) + 1);
  const places = new Int32Array(people.length);
  let count = 0;
  people.forEach((person, at) => {
    if (facesOf[person] !== 2) return;
    places[count] = at;
    count++;
  });
  return places.subarray(0, count);
}

/**
 * At most `most` values, each as likely as any other, in their order (selection sampling: Knuth,
 * The Art of Computer Programming 2, algorithm 3.4.2 S).
 */
export function drawSome(values: Int32Array, most: number, stream: Random): Int32Array {
  const out = new Int32Array(Math.min(most, values.length));
  let taken = 0;
  for (let at = 0; at < values.length && taken < out.length; at++)
    if ((values.length - at) * stream.uniform() < out.length - taken) {
      out[taken] = itemAt(values, at);
      taken++;
    }
  return out;
}

const rowOf = (side: EnrolledVectors, what: Probe["what"], at: number): Float32Array =>
  side[what].subarray(at * side.width, (at + 1) * side.width);

/**
 * The embeddings of some faces, one row a place, whose rows are zeros where the face has gone
 * meanwhile.
 */
async function readRows(model: ModelFaces, owners: FaceOwners, places: Int32Array): Promise<EnrolledVectors> {
  const ids = places.map((place) => itemAt(owners.faces, place));
  const found = await model.read({ faces: ids });
  if (found.faces.length === ids.length) return found;
  const { width } = found;
  const people = places.map((place) => itemAt(owners.people, place));
  const [vectors, copies] = [new Float32Array(ids.length * width), new Float32Array(ids.length * width)];
  const [alpha, score] = [new Float32Array(ids.length), new Float64Array(ids.length)];
  let at = 0;
  found.faces.forEach((face, row) => {
    while (ids[at] !== face) at++;
    vectors.set(rowOf(found, "vectors", row), at * width);
    copies.set(rowOf(found, "copies", row), at * width);
    alpha[at] = itemAt(found.alpha, row);
    score[at] = itemAt(found.score, row);
  });
  return { width, faces: ids, people, vectors, copies, alpha, score };
}

/** Whether each search finds its person first. */
async function isFirst(
  model: ModelFaces,
  chosen: EnrolledVectors,
  probes: readonly Probe[],
  { owners, session, signal }: PairedTask,
): Promise<boolean[]> {
  const { width } = chosen;
  const rows = new Float32Array(probes.length * width);
  probes.forEach(({ what, at }, row) => {
    rows.set(rowOf(chosen, what, at), row * width);
  });
  const matcher = await openMatcher(width, session);
  try {
    const { rank } = await identify(
      matcher,
      {
        probes: normaliseRows(rows, width),
        probeLabels: Int32Array.from(probes, ({ face }) => itemAt(owners.people, face)),
        gallery: unitRows(model, owners, width),
        galleryLabels: owners.people,
        skip: Int32Array.from(probes, ({ face }) => face),
      },
      { signal },
    );
    return Array.from(rank, (place) => place === 1);
  } finally {
    await matcher.close();
  }
}

/** The unit embeddings of all faces, read when they are needed. */
function unitRows(model: ModelFaces, owners: FaceOwners, width: number): RowSource {
  return {
    count: owners.faces.length,
    width,
    async read(start, count) {
      const out = new Float32Array(count * width);
      for (let first = 0; first < count; first += readAtOnce) {
        const some = Math.min(readAtOnce, count - first);
        const places = Int32Array.from({ length: some }, (_, at) => start + first + at);
        const { vectors, copies } = await readRows(model, owners, places);
        out.set(normaliseRows(vectors, width), first * width);
        release(vectors, copies);
      }
      return out;
    },
  };
}
