import { messageOf, PetalfaceError } from "../../errors.ts";
import type { Probes } from "../../gallery/index.ts";

/** A person that a face may be, by name: ids are different in each part. */
export interface NamedCandidate {
  readonly name: string;
  readonly cosine: number;
}

/**
 * What a search does where a part does not answer: it fails, or gives the others' answer and says
 * so.
 */
export type WhenDown = "error" | "partial";

/** A part that did not answer, and why. */
export interface MissingPart {
  readonly part: string;
  readonly reason: string;
}

/** One part of a gallery that is spread over servers, or whoever searches it on its own machine. */
export interface GalleryPart<C extends NamedCandidate = NamedCandidate> {
  /** For messages; without a password. */
  readonly shown: string;
  /**
   * The `top` nearest people of each probe, nearest first. Throws where the part cannot be searched
   * now.
   */
  search(probes: Probes, top: number, signal?: AbortSignal): Promise<C[][]>;
}

/** What a search over several parts found. */
export interface MergedSearch<C extends NamedCandidate = NamedCandidate> {
  /**
   * The `top` nearest people of each probe over all parts that answered, nearest first; of equal
   * ones the first name.
   */
  readonly candidates: C[][];
  /**
   * Parts that did not answer, and why: people in them were not looked at. Empty where the answer
   * is whole.
   */
  readonly missing: readonly MissingPart[];
}

/**
 * Which part a person belongs to: FNV-1a of the name, so that every program finds the same one.
 *
 * @param parts how many there are
 */
export function partOfPerson(name: string, parts: number): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(name)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  // Its low bits alone would put names that differ in their last letter side by side.
  return ((hash ^ (hash >>> 15)) >>> 0) % parts;
}

/**
 * Searches all parts at once and merges their answers. It is exact: the nearest people of all parts
 * are among the nearest of each. With whole answers the result is that of one gallery with
 * everybody.
 *
 * @param whenDown `error`: a part that does not answer is an error; `partial`: the others' answer
 * is given, and says which parts are missing
 * @throws PetalfaceError where a part does not answer and `whenDown` is `error`, or where none does
 */
export async function searchParts<C extends NamedCandidate>(
  parts: readonly GalleryPart<C>[],
  probes: Probes,
  top: number,
  { whenDown, signal }: { readonly whenDown: WhenDown; readonly signal?: AbortSignal | undefined },
): Promise<MergedSearch<C>> {
  const answers = await Promise.allSettled(parts.map((part) => part.search(probes, top, signal)));
  signal?.throwIfAborted();
  const found: C[][][] = [];
  const missing: MissingPart[] = [];
  for (const [at, { shown }] of parts.entries()) {
    const answer = answers[at];
    if (answer?.status === "fulfilled") found.push(answer.value);
    else if (answer?.reason instanceof PetalfaceError && !isDown(answer.reason)) throw answer.reason;
    else missing.push({ part: shown, reason: reasonOf(answer?.reason) });
  }
  const [first] = missing;
  if (first !== undefined && (whenDown === "error" || found.length === 0))
    throw new PetalfaceError(
      "PETAL_DATABASE_FAILED",
      `${missing.length} of ${parts.length} parts of the gallery cannot be searched, the first is ${first.part}: ${first.reason}`,
    );
  const [one = []] = found;
  const candidates = one.map((_, probe) =>
    found
      .flatMap((each) => each[probe] ?? [])
      .toSorted((a, b) => b.cosine - a.cosine || (a.name < b.name ? -1 : 1))
      .slice(0, top),
  );
  return { candidates, missing };
}

/** Whether an error means that a server does not answer now: others do not pass by themselves. */
export const isDown = (error: unknown): error is PetalfaceError =>
  error instanceof PetalfaceError && error.code === "PETAL_DATABASE_FAILED";

const reasonOf = (error: unknown): string => messageOf(error);
