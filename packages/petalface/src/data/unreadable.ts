import { PetalfaceError } from "../errors.ts";

/** Images that could not be read: how many of how many, and what was wrong with the first few. */
export interface Unreadable {
  readonly count: number;
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
   * One of them could not be read.
   *
   * @throws PetalfaceError naming the first few when {@link tooMany} fail
   */
  bad(message: string): void;
  report(): Unreadable;
}

/** Failures that are named; of the others the number is said. */
const named = 5;
/** Share of the tried images that may fail. */
const share = 0.05;
/** The share is judged as if this many had been tried, since the first few images of a set say little about it. */
const beginning = 1000;

/**
 * Whether too many images of a set cannot be read: more than 5 % of those tried, where a set's beginning counts as 1,000
 * images (or as the whole set if that is smaller), so that a handful of bad files met early does not end the work. One
 * bad file alone never does, however small the set.
 *
 * @param total images of the set
 */
export function tooMany(bad: number, tried: number, total: number): boolean {
  return bad > Math.max(1, share * Math.max(tried, Math.min(total, beginning)));
}

/**
 * Opens a {@link Tally} over a set.
 *
 * @param spec what the user calls the set
 * @param total images of the set, those that failed before among them
 * @param before failures that are known already, all of the set having been looked at
 */
export function createTally(spec: string, total: number, before?: Unreadable): Tally {
  let count = before?.count ?? 0;
  let tried = count;
  const first = [...(before?.first ?? [])];
  return {
    tried(more) {
      tried += more;
    },
    bad(message) {
      count++;
      if (first.length < named) first.push(message);
      if (tooMany(count, tried, total)) throw tooManyError(spec, { count, tried, first });
    },
    report: () => ({ count, tried, first: [...first] }),
  };
}

/** The error that ends the work; it names the first few. */
export function tooManyError(spec: string, { count, tried, first }: Unreadable): PetalfaceError {
  return new PetalfaceError(
    `${spec}: ${count} of the ${tried} images tried cannot be read, more than 5 %; mend or remove them. ${list(count, first)}`,
  );
}

/** One line for people: how many images were left out, and the first few of them; undefined where there are none. */
export function printUnreadable({ count, tried, first }: Unreadable): string | undefined {
  if (count === 0) return undefined;
  return `${count} of ${tried} images cannot be read and ${count === 1 ? "is" : "are"} left out. ${list(count, first)}`;
}

function list(count: number, first: readonly string[]): string {
  const more = count - first.length;
  return `${more > 0 ? "The first: " : ""}${first.join("; ")}${more > 0 ? `; and ${more} more` : ""}`;
}
