import { itemAt } from "onnx-grad";
import type { PetalfaceError } from "../errors.ts";
import type { ImageRequest, Loader } from "../images/index.ts";
import type { FaceData } from "./types.ts";
import { tallyOf, type Unreadable } from "./unreadable.ts";

/** A loader for training: a face that cannot be read is replaced by another. */
export interface FaceLoader extends Loader {
  /**
   * The face whose pixels stand for face `index`, once `load` answered for it: itself where it can
   * be read. Labels must follow it.
   */
  used(index: number): number;
  /**
   * Counts a face that can be read and that the model has nothing finite of; once for each face.
   * Its pixels stay its own.
   *
   * @throws PetalfaceError where too many are left out
   */
  leave(index: number, message: string): void;
  /** What was left out so far. */
  readonly unreadable: Unreadable;
  /** The same by face, for {@link joinSeen}. */
  seen(): SeenFaces;
}

/** Which faces of a set one process has tried, and what was wrong with some; JSON can hold it. */
export interface SeenFaces {
  /** A bit for each face, in base64. */
  readonly tried: string;
  /** Faces that cannot be read, and why. */
  readonly unreadable: readonly (readonly [face: number, message: string])[];
  /** Faces that the model has nothing finite of. */
  readonly notFinite: readonly (readonly [face: number, message: string])[];
}

/** What several processes have left out of a set, each face once; the first by their number. */
export function joinSeen(data: FaceData, all: readonly SeenFaces[]): Unreadable {
  const tally = tallyOf({ ...data, spec: data.spec, length: data.length, mostLeftOut: 1 });
  const tried = new Uint8Array(Math.ceil(data.length / 8));
  for (const seen of all)
    Buffer.from(seen.tried, "base64").forEach((bits, at) => {
      tried[at] = itemAt(tried, at) | bits;
    });
  for (let bits of tried) for (; bits > 0; bits >>= 1) tally.tried(bits & 1);
  for (const kind of ["unreadable", "notFinite"] as const) {
    const faces = new Map(all.flatMap((seen) => seen[kind]));
    for (const [, message] of [...faces].sort(([one], [other]) => one - other)) tally.bad(message, kind);
  }
  return tally.report();
}

/**
 * Lets a loader continue where faces of a set cannot be read. In place of such a face, its person's
 * next readable one is taken, in the order of the set and around its end; where the person has
 * none, or is unknown, the set's next one. So which faces all other positions of a training step
 * draw does not change, and the replacement depends on the files alone: not on timing, threads or
 * where a run was resumed. Requests without `face` still fail.
 *
 * @param loader closed with what is returned
 * @param onUnreadable called once for each face that is left out, with one line: the file and the
 * reason
 * @returns a loader whose `load` throws PetalfaceError as {@link tallyOf} does, where too many
 * faces cannot be read
 */
export function skipUnreadable(loader: Loader, data: FaceData, onUnreadable?: (message: string) => void): FaceLoader {
  const { length } = data;
  const tally = tallyOf(data);
  const tried = new Uint8Array(Math.ceil(length / 8));
  const bad = new Map<number, string>();
  const notFinite = new Map<number, string>();
  let next: Int32Array | undefined;

  const isTried = (face: number): boolean => ((itemAt(tried, face >> 3) >> (face & 7)) & 1) === 1;
  const note = (requests: readonly ImageRequest[]): void => {
    for (const { face } of requests) {
      if (face === undefined || isTried(face)) continue;
      tried[face >> 3] = itemAt(tried, face >> 3) | (1 << (face & 7));
      tally.tried(1);
    }
  };

  /** The first face from `index` on that is not known to be bad; undefined where all are. */
  const used = (index: number): number | undefined => {
    if (!bad.has(index)) return index;
    next ??= nextOfPerson(data);
    for (let face = itemAt(next, index); face !== index; face = itemAt(next, face)) if (!bad.has(face)) return face;
    for (let step = 1; step < length; step++) if (!bad.has((index + step) % length)) return (index + step) % length;
    return undefined;
  };

  /** The same request for the face that stands in. */
  const standIn = (request: ImageRequest): ImageRequest => {
    const { face } = request;
    if (face === undefined || !bad.has(face)) return request;
    const other = used(face);
    return other === undefined ? request : { ...request, face: other, source: data.at(other).source };
  };

  async function load(requests: readonly ImageRequest[], onBad?: Parameters<Loader["load"]>[1]) {
    const actual = requests.map(standIn);
    const failed: { at: number; error: PetalfaceError }[] = [];
    note(actual);
    const planes = await loader.load(actual, (at, error) => failed.push({ at, error }));
    while (failed.length > 0) {
      const round = failed.splice(0);
      for (const { at, error } of round) {
        const face = actual[at]?.face;
        if (face === undefined) {
          if (onBad === undefined) throw error;
          onBad(at, error);
        } else if (!bad.has(face)) {
          bad.set(face, error.message);
          onUnreadable?.(error.message);
          tally.bad(error.message);
        } else if (used(face) === undefined) throw error;
      }
      const places = round.map(({ at }) => at).filter((at) => actual[at]?.face !== undefined);
      const again = places.map((at) => standIn(itemAt(actual, at)));
      again.forEach((request, i) => {
        actual[itemAt(places, i)] = request;
      });
      note(again);
      const size = 3 * loader.size ** 2;
      const more = await loader.load(again, (i, error) => failed.push({ at: itemAt(places, i), error }));
      places.forEach((at, i) => {
        planes.set(more.subarray(i * size, (i + 1) * size), at * size);
      });
    }
    return planes;
  }

  return {
    size: loader.size,
    load,
    used: (index) => used(index) ?? index,
    leave(index, message) {
      if (notFinite.has(index)) return;
      notFinite.set(index, message);
      onUnreadable?.(message);
      tally.bad(message, "notFinite");
    },
    get unreadable() {
      return tally.report();
    },
    seen: () => ({
      tried: Buffer.from(tried).toString("base64"),
      unreadable: [...bad],
      notFinite: [...notFinite],
    }),
    close: () => loader.close(),
    [Symbol.asyncDispose]: () => loader.close(),
  };
}

/**
 * For each face its person's next one, around; itself where it is the only one or the person is
 * unknown.
 */
function nextOfPerson(data: FaceData): Int32Array {
  const next = new Int32Array(data.length);
  const first = new Int32Array(data.people.length).fill(-1);
  const last = new Int32Array(data.people.length).fill(-1);
  for (let face = 0; face < data.length; face++) {
    const { person } = data.at(face);
    next[face] = face;
    if (person < 0) continue;
    const previous = itemAt(last, person);
    if (previous < 0) first[person] = face;
    else next[previous] = face;
    last[person] = face;
  }
  last.forEach((face, person) => {
    if (face >= 0) next[face] = itemAt(first, person);
  });
  return next;
}
