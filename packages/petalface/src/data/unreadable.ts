import { PetalfaceError } from "../errors.ts";

/**
 * Images of a set that are left out: how many of how many, and what was wrong with the first few.
 */
export interface Unreadable {
  readonly count: number;
  /**
   * How many of them can be read, but a model makes no finite embedding or score of them; none
   * unless given.
   */
  readonly notFinite?: number | undefined;
  /** Images that somebody tried to read, these among them. */
  readonly tried: number;
  /** One line for each of the first few: which file, and why. */
  readonly first: readonly string[];
}

/** Counts images that are tried and that fail, and ends the work when too many do. */
export interface Tally {
  /** These many more images are being read; call it before {@link Tally.bad}. */
  tried(count: number): void;
  /**
   * One of them is left out.
   *
   * @param kind whether it could not be read, or a model makes nothing finite of it
   * @throws PetalfaceError naming the first few when {@link tooMany} are left out
   */
  bad(message: string, kind?: "unreadable" | "notFinite"): void;
  report(): Unreadable;
}

/** Failures that are named; the others are counted. */
const named = 5;
/** Share of the tried images that may be left out unless a set says otherwise. */
const usualShare = 0.05;
/**
 * The share is judged as if this many had been tried, since the first few images of a set say
 * little about it.
 */
const beginning = 1000;

/**
 * Whether too many images of a set cannot be read: more than 5 % of those tried, where a set's
 * beginning counts as 1,000 images (or as the whole set if that is smaller), so that a handful of
 * bad files met early does not end the work. One bad file alone never does, however small the set.
 *
 * @param total images of the set
 * @param share the share that may be left out
 */
function tooMany(bad: number, tried: number, total: number, share = usualShare): boolean {
  return bad > Math.max(1, share * Math.max(tried, Math.min(total, beginning)));
}

/**
 * Opens a {@link Tally}.
 *
 * @param spec what the user calls the set
 * @param total images of the set, those that failed before among them
 * @param before failures that are known already, all of the set having been looked at
 * @param share the share of the set that may be left out, 0.05 unless given
 */
function createTally(spec: string, total: number, before?: Unreadable, share = usualShare): Tally {
  let count = before?.count ?? 0;
  let notFinite = before?.notFinite ?? 0;
  let tried = count;
  const first = [...(before?.first ?? [])];
  return {
    tried(more) {
      tried += more;
    },
    bad(message, kind = "unreadable") {
      count++;
      if (kind === "notFinite") notFinite++;
      if (first.length < named) first.push(message);
      if (tooMany(count, tried, total, share)) throw tooManyError(spec, { count, notFinite, tried, first }, share);
    },
    report: () => ({ count, ...(notFinite > 0 && { notFinite }), tried, first: [...first] }),
  };
}

/** Throws PetalfaceError where more of a set is left out than may be. */
export function requireMost(spec: string, left: Unreadable, share = usualShare): void {
  if (tooMany(left.count, left.tried, left.tried, share)) throw tooManyError(spec, left, share);
}

/** Opens a {@link Tally} over all faces of a set, with what was left out when it was opened. */
export function tallyOf({ spec, length, unreadable, mostLeftOut }: TalliedSet): Tally {
  return createTally(spec, length + (unreadable?.count ?? 0), unreadable, mostLeftOut);
}

/** What {@link tallyOf} asks of a set of faces. */
export interface TalliedSet {
  readonly spec: string;
  readonly length: number;
  readonly unreadable?: Unreadable | undefined;
  readonly mostLeftOut?: number | undefined;
}

/** The error that ends the work; it names the first few. */
function tooManyError(spec: string, left: Unreadable, share = usualShare): PetalfaceError {
  const { count, tried, first } = left;
  return new PetalfaceError(
    "PETAL_DATA_DAMAGED",
    `${spec}: ${count} of the ${tried} images tried ${reasonOf(left)}, more than ${Number((100 * share).toPrecision(3))} %; repair or remove them, or raise 'maxLeftOut'. ${list(count, first)}`,
  );
}

/**
 * One line for people: how many images are left out, and the first few of them; undefined where
 * there are none.
 */
export function printUnreadable(left: Unreadable): string | undefined {
  const { count, tried, first } = left;
  if (count === 0) return undefined;
  return `${count} of ${tried} images ${reasonOf(left)} and ${count === 1 ? "is" : "are"} left out. ${list(count, first)}`;
}

/** What is wrong with them. */
function reasonOf({ count, notFinite = 0 }: Unreadable): string {
  if (notFinite === 0) return "cannot be read";
  const gives = count === 1 ? "gives" : "give";
  const lost = count - notFinite;
  return lost === 0
    ? `${gives} no finite numbers`
    : `cannot be used (${lost} cannot be read, ${notFinite} give no finite numbers)`;
}

function list(count: number, first: readonly string[]): string {
  const more = count - first.length;
  return `${more > 0 ? "The first: " : ""}${first.join("; ")}${more > 0 ? `; and ${more} more` : ""}`;
}
