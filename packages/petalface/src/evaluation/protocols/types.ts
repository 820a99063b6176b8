import type { FaceData } from "../../data/index.ts";
import type { OperatingChoice } from "../statistics/measures.ts";

/** How the embeddings of a face and of its mirror image become one: added as they are, added at unit length, or the face alone. */
export type Fusion = "sum" | "units" | "none";

/** Probes that are looked for in a gallery; indices into {@link MatchProtocol.items}. */
export interface Search {
  readonly name: string;
  readonly probes: Int32Array;
  readonly gallery: Int32Array;
}

/** Items that are compared one to one; indices into {@link MatchProtocol.items}. */
export interface Comparisons {
  readonly name: string;
  readonly first: Int32Array;
  readonly second: Int32Array;
  /** 1 where both show one person. */
  readonly same: Uint8Array;
}

/**
 * A protocol that a data set comes with: which faces make up which items (single images, or templates of several), which items are compared, and
 * what is counted.
 */
export interface MatchProtocol {
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
  /** Faces of one item with the same number are frames of one video; each face its own unless given. */
  readonly media?: Int32Array | undefined;
  /** What the embedding of a face is multiplied with, such as the detector's score. */
  readonly weight?: Float32Array | undefined;
  readonly items: readonly string[];
  /** Person of each item, from 0; -1 for a distractor. */
  readonly person: Int32Array;
  readonly people: number;
  /** Whether people are those that genuine pairs connect, because no list names them; the intervals may then be too narrow. */
  readonly guessed?: boolean | undefined;
  readonly comparisons: readonly Comparisons[];
  readonly searches: readonly Search[];
  readonly choice: OperatingChoice;
  /** What the reference evaluator does with the mirror image. */
  readonly fusion: Fusion;
  /** Gives TAR at the nearest point of the ROC, as the IJB evaluators do, instead of at the last threshold that keeps the rate. */
  readonly nearest?: boolean | undefined;
  /** Items that may be degraded, where the protocol's own are sharp. */
  readonly degradable?: boolean | undefined;
}
