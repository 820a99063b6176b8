import type { FaceData } from "../../data/index.ts";
import type { OperatingChoice } from "../statistics/measures.ts";

/**
 * How the embeddings of a face and of its mirror image become one: added as they are, added at unit
 * length, or the face alone.
 */
export type Fusion = "sum" | "units" | "none";

/** Probes that are looked for in a gallery; indices into {@link Protocol.items}. */
export interface Search {
  readonly name: string;
  readonly probes: Int32Array;
  readonly gallery: Int32Array;
  /**
   * The gallery is the first item of each person; where that one is left out, the next takes its
   * place.
   */
  readonly firstOfEach?: boolean | undefined;
}

/** Items that are compared one to one; indices into {@link Protocol.items}. */
export interface Comparisons {
  readonly name: string;
  readonly first: Int32Array;
  readonly second: Int32Array;
  /** 1 where both show one person. */
  readonly same: Uint8Array;
  /** Which side is the gallery's, where one is. */
  readonly enrolled?: "first" | "second" | undefined;
  /** Fold of each, from 0, below {@link Protocol.folds}; without it no accuracy is measured. */
  readonly fold?: Int32Array | undefined;
}

/**
 * What is measured: which faces make up which items (single images, or templates of several), which
 * items are compared or searched for, and what is counted. A list of pairs becomes one with
 * {@link protocolOfPairs}.
 */
export interface Protocol {
  /** Its name on the command line. */
  readonly kind: string;
  /** What to call it in tables. */
  readonly name: string;
  readonly fingerprint: string;
  readonly data: FaceData;
  /** Faces of `data` that take part, in the order in which they are embedded. */
  readonly faces: Int32Array;
  /** Item of each of those faces. */
  readonly item: Int32Array;
  /**
   * Faces of one item with the same number are frames of one video; each face its own unless given.
   */
  readonly media?: Int32Array | undefined;
  /** What the embedding of a face is multiplied with, such as the detector's score. */
  readonly weight?: Float32Array | undefined;
  readonly items: readonly string[];
  /** Person of each item, from 0; -1 for a distractor. */
  readonly person: Int32Array;
  readonly people: number;
  /** Names of the people, where the protocol has them. */
  readonly names?: readonly string[] | undefined;
  /**
   * Whether people are those that genuine pairs connect, because no list names them; the intervals
   * may then be too narrow.
   */
  readonly guessed?: boolean | undefined;
  /** How many folds thresholds are chosen over; 0 unless given. */
  readonly folds?: number | undefined;
  readonly comparisons: readonly Comparisons[];
  readonly searches: readonly Search[];
  readonly choice: OperatingChoice;
  /** What the reference evaluator does with the mirror image. */
  readonly fusion: Fusion;
  /**
   * Gives TAR at the nearest point of the ROC, as the IJB evaluators do, instead of at the last
   * threshold that keeps the rate.
   */
  readonly nearest?: boolean | undefined;
  /**
   * What the digests of results are of: each face's embedding, where every item is one face, or the
   * item's unless given.
   */
  readonly digest?: "face" | undefined;
  /**
   * What may be degraded: all faces (comparisons are then also made between two degraded ones and
   * between one of each), or the probes of searches. Unless given, the faces are of low quality as
   * they are.
   */
  readonly degradable?: "all" | "probes" | undefined;
}
