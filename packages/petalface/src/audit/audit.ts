import type { Embedder } from "../backbones/index.ts";
import { type FaceData, nameKey } from "../data/index.ts";
import type { Loader } from "../images/index.ts";
import { openMatcher } from "../matching/index.ts";
import type { SessionOptions } from "../runtime/index.ts";
import { type CopyGroup, findCopies } from "./groups.ts";
import {
  findOutliers,
  findShared,
  type Levels,
  type Outlier,
  type People,
  readPeople,
  type SharedPerson,
} from "./people.ts";
import { readPictures } from "./pictures.ts";

/** What is looked at. */
export interface AuditOptions {
  readonly data: FaceData;
  /** A set that must not share anybody with the first: the test set of a training set, say. */
  readonly against?: FaceData | undefined;
  /** Loads faces at 112 px for comparing pictures. */
  readonly pictures: Loader;
  /** A model that measures which people look alike, and a loader at its size. */
  readonly model?:
    | { readonly embedder: Embedder; readonly loader: Loader; readonly session: SessionOptions }
    | undefined;
  readonly signal?: AbortSignal | undefined;
  /** What is being done, how far it is, and how far it goes. */
  readonly onProgress?: ((what: "pictures" | "people", done: number, total: number) => void) | undefined;
}

/**
 * What was found. Pictures are numbered through both sets: those of `against` follow those of
 * `data`.
 */
export interface Audit {
  readonly pictures: number;
  readonly unreadable: number;
  /** What was wrong with the first few of them. */
  readonly problems: readonly string[];
  /**
   * With a model: pictures that can be read and have no finite embedding, by number; they are in no
   * mean and no wrong name.
   */
  readonly notFinite: readonly number[];
  /** Pictures with the same pixels, and with nearly the same. */
  readonly exact: readonly CopyGroup[];
  readonly near: readonly CopyGroup[];
  /** False where so many pictures look alike that not every pair was compared. */
  readonly complete: boolean;
  /**
   * With a model: faces of `data` that do not look like their person, and the level used; undefined
   * levels where no person could be compared.
   */
  readonly outliers?: { readonly levels: Levels | undefined; readonly faces: readonly Outlier[] } | undefined;
  /** With `against`: people of equal name, and with a model those who look like one. */
  readonly shared?:
    | {
        readonly names: readonly string[];
        readonly alike: readonly SharedPerson[] | undefined;
        readonly level: number | undefined;
      }
    | undefined;
}

/** Looks for copies, wrong names and shared people. Throws the signal's reason if it aborts. */
export async function auditFaces(options: AuditOptions): Promise<Audit> {
  const { data, against, model, signal, onProgress } = options;
  const sets = against === undefined ? [data] : [data, against];
  const total = sets.reduce((sum, { length }) => sum + length, 0);
  const pictures = await readPictures(sets, options.pictures, {
    signal,
    onProgress: (done) => onProgress?.("pictures", done, total),
  });
  const { exact, near, complete } = findCopies(pictures);
  const found = {
    pictures: pictures.count,
    unreadable: pictures.unreadable.reduce((sum, flag) => sum + flag, 0),
    problems: pictures.problems,
    exact,
    near,
    complete,
  };
  const names = against && sharedNames(data, against);
  if (model === undefined)
    return { ...found, notFinite: [], shared: names && { names, alike: undefined, level: undefined } };
  const read = (set: FaceData, before: number): Promise<People> =>
    readPeople(set, model.embedder, model.loader, {
      signal,
      onProgress: (done) => onProgress?.("people", before + done, total),
    });
  using people = await read(data, 0);
  const matcher = await openMatcher(people.width, model.session);
  try {
    const { levels, outliers } = await findOutliers(people, matcher, signal);
    const outlying = { levels, faces: outliers };
    if (against === undefined || names === undefined)
      return { ...found, notFinite: people.notFinite, outliers: outlying };
    using others = await read(against, data.length);
    const level = levels?.alike;
    const alike = level === undefined ? undefined : await findShared(people, others, level, matcher, signal);
    const notFinite = [...people.notFinite, ...others.notFinite.map((face) => face + data.length)];
    return { ...found, notFinite, outliers: outlying, shared: { names, alike, level } };
  } finally {
    await matcher.close();
  }
}

/** Names that both sets have, in order. */
function sharedNames(one: FaceData, other: FaceData): string[] {
  const names = new Set(other.people.map(nameKey));
  return one.people.filter((name) => names.has(nameKey(name)));
}
