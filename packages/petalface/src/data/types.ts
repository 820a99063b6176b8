import type { ImageSource } from "../images/index.ts";
import type { Unreadable } from "./unreadable.ts";

/** One face of a data set. */
export interface Sample {
  /**
   * Unique within the set and stable between runs: the path relative to the root, or `person/image`
   * of a synthetic set.
   */
  readonly id: string;
  /** Index into {@link FaceData.people}, or -1 where the person is unknown. */
  readonly person: number;
  readonly source: ImageSource;
  /** Quality score that came with the set, in its own unit. */
  readonly quality?: number;
}

/**
 * A set of faces, indexed without reading any image. `at` is cheap; millions of samples are fine.
 */
export interface FaceData {
  /** What the user typed. */
  readonly spec: string;
  readonly length: number;
  at(index: number): Sample;
  /** Names of the people, by person index; empty for a set without identities. */
  readonly people: readonly string[];
  /**
   * SHA-256 over ids, people and file sizes, hex: the same set gives the same fingerprint, wherever
   * it lies. Where the list of a large set was kept from an earlier run, all sizes are those of
   * that run, and only a part of them was looked at again.
   */
  readonly fingerprint: string;
  /**
   * A folder within a person's folder, relative to the set's, where there are any: the outermost
   * folder is the person.
   */
  readonly nested?: string | undefined;
  /** Files that were left out because they are not images. */
  readonly skipped?: number;
  /**
   * Entries that should be images and were left out because they cannot be opened: links to
   * nothing, folders called x.jpg, ....
   */
  readonly unreadable?: Unreadable;
  /**
   * Share of the images, in [0, 1], that may be left out before work with the set ends; 0.05 unless
   * given.
   */
  readonly mostLeftOut?: number | undefined;
}
