import type { Unreadable } from "../../data/index.ts";
import type { CopyOptions } from "../../matching/index.ts";

/** One image that a protocol names. */
export interface ProtocolImage {
  /** As in {@link Sample.id}: the path relative to the data folder, with forward slashes. */
  readonly id: string;
  /** Index into {@link PairList.people}. */
  readonly person: number;
}

/** Two images and the truth about them. `first` and `second` index {@link PairList.images}. */
export interface ProtocolPair {
  readonly first: number;
  readonly second: number;
  readonly same: boolean;
  /** From 0, below {@link PairList.folds}. */
  readonly fold: number;
}

/**
 * Pairs to verify, as a list names them, and the same images as a closed-set identification task.
 */
export interface PairList {
  readonly kind: "pairs";
  /** What to call it in tables: the file name and the folds. */
  readonly name: string;
  readonly people: readonly string[];
  readonly images: readonly ProtocolImage[];
  readonly pairs: readonly ProtocolPair[];
  /** How many folds the thresholds are chosen over; at least 2. */
  readonly folds: number;
  /** One image a person, the first that the protocol lists; indices into {@link images}. */
  readonly gallery: readonly number[];
  /** All other images of those people. */
  readonly probes: readonly number[];
  /** SHA-256 over images and pairs, hex. Only results of equal fingerprints can be compared. */
  readonly fingerprint: string;
  /**
   * Whether the people are not named: images that pairs connect count as one person. One person may
   * then count as several, so that there is no rank-1 and the intervals, which take people for
   * independent, may be too narrow.
   */
  readonly guessed?: boolean | undefined;
}

/**
 * How the two faces of a comparison were shown: both as the data gives them (`sharp`, whatever
 * detail they have: {@link FaceResolution}); both degraded; or one as given and one degraded (for
 * pairs each side in turn, for rank-1 the gallery as given and the probe degraded). `degradation`
 * is spelled as `parseDegradation` reads it: `lr:16`. Protocols with conditions of their own name
 * them: `d1`, `surveillance to booking`.
 */
export type Condition =
  | { readonly kind: "sharp" }
  | { readonly kind: "lr"; readonly degradation: string }
  | { readonly kind: "mixed"; readonly degradation: string }
  | { readonly kind: "named"; readonly name: string };

/**
 * What a measure counts. All are shares in [0, 1]; `eer` is better when lower. `rank` is the share
 * of probes whose mate is among the first {@link Measure.rank} (`rank1` is the case of 1); `tpir`
 * the share of probes with a mate that are found at a false positive identification rate.
 */
export type MeasureKind = "accuracy" | "tar" | "auc" | "eer" | "rank1" | "rank" | "tpir";

/** A number with its uncertainty. */
export interface Estimate {
  readonly value: number;
  /** 95 % interval: percentiles of the bootstrap over people. */
  readonly low: number;
  readonly high: number;
  /** Standard deviation of the bootstrap. */
  readonly standardError: number;
}

/** One measured number of one model. */
export interface Measure extends Estimate {
  /** Unique within a result, e.g. `accuracy/mixed:16` or `tar@0.01/sharp`. */
  readonly key: string;
  readonly kind: MeasureKind;
  readonly condition: Condition;
  /** Only of `tar`: the false accept rate that was allowed. */
  readonly far?: number;
  /**
   * Of `tar`: how many impostor comparisons that rate lets through; below 10 the value is coarse.
   */
  readonly support?: number;
  /** Of `rank` and `tpir`: how far down the mate may stand. */
  readonly rank?: number;
  /**
   * Only of `tpir`: the share of probes without a mate that may raise an alarm; `support` says how
   * many these are.
   */
  readonly fpir?: number;
  /** How many comparisons (pairs) or probes (identification) were judged. */
  readonly count: number;
}

/**
 * A false accept rate that was asked for and that the protocol has too few impostors to measure.
 */
export interface Unresolved {
  readonly far: number;
  readonly condition: Condition;
  readonly impostors: number;
}

/**
 * Comparisons of two faces (or templates) under one condition. All arrays have one entry a
 * comparison. Under `mixed` a pairs protocol lists all pairs twice: first sharp against second
 * degraded, then the reverse.
 */
export interface VerificationOutcome {
  readonly kind: "verification";
  readonly condition: Condition;
  /** Cosines. */
  readonly scores: Float32Array;
  /** 1 genuine, 0 impostor. */
  readonly same: Uint8Array;
  /** The two people, as indices below `protocol.people`. */
  readonly first: Int32Array;
  readonly second: Int32Array;
  /** The two images or templates, as indices into {@link EvaluationDetail.items}. */
  readonly firstItem: Int32Array;
  readonly secondItem: Int32Array;
  /** Fold of each, from 0, below `protocol.folds`; without it no accuracy is measured. */
  readonly fold?: Int32Array | undefined;
  /**
   * How many comparisons each one stands for, where millions were thinned (see `thinComparisons`);
   * 1 unless given.
   */
  readonly weight?: Float32Array | undefined;
}

/** Searches of probes in a gallery under one condition. All arrays have one entry a probe. */
export interface IdentificationOutcome {
  readonly kind: "identification";
  readonly condition: Condition;
  /** The person of each probe, below `protocol.people`. */
  readonly person: Int32Array;
  /** Its image or template, as an index into {@link EvaluationDetail.items}. */
  readonly item: Int32Array;
  /** Where its best mate stands, ties lost; 0 where the gallery holds none. */
  readonly rank: Int32Array;
  /** Best score of a mate, and of anybody else; -Infinity where there is none. */
  readonly mate: Float32Array;
  readonly other: Float32Array;
  /** How many faces the gallery holds. */
  readonly gallery: number;
}

/** What was measured under one condition, before any number is taken from it. */
export type Outcome = VerificationOutcome | IdentificationOutcome;

/**
 * Alpha of every item, as given (`degradation` null) or degraded; NaN for one that was left out.
 */
export interface ImageAlphas {
  readonly degradation: string | null;
  readonly alpha: Float32Array;
}

/** Sizes of a protocol. */
export interface ProtocolSummary {
  /** Its family: `pairs`, or the name of a protocol that data sets come with. */
  readonly kind: string;
  readonly name: string;
  /** Only results of equal fingerprints can be compared. */
  readonly fingerprint: string;
  /** 0 where no accuracy over folds is measured. */
  readonly folds: number;
  readonly people: number;
  /** Whether people are guessed from the pairs; see {@link PairList.guessed}. */
  readonly guessed?: boolean | undefined;
  readonly images: number;
  readonly genuine: number;
  readonly impostor: number;
  readonly gallery: number;
  readonly probes: number;
}

/**
 * What a measurement left out: images that cannot be read or have no finite embedding, and with
 * them every comparison that they are in.
 */
export interface LeftOut extends Unreadable {
  /** Ids of all of them, in the protocol's order. */
  readonly faces: readonly string[];
}

/** How the intervals were made. */
export interface BootstrapSummary {
  readonly resamples: number;
  readonly seed: number;
}

/** Shares of what the adapted model left exactly as the frozen one has it. */
export interface Identical {
  /** Share of all images, as given, whose embedding has the very same bits. */
  readonly images: number;
  /** Share of the pairs both of whose embeddings do, where there are pairs. */
  readonly pairs?: number;
  /**
   * The same share of those images that the adapted model gives alpha 1, and how many these are;
   * absent without alphas.
   */
  readonly atAlphaOne?: { readonly images: number; readonly count: number };
}

/** How much detail faces have as they are given: effective resolution, in pixels a side. */
export interface FaceResolution {
  /** Which faces: all that are compared, or those that are enrolled or searched for. */
  readonly role: "faces" | "gallery" | "probes";
  /** The protocol's own condition that the probes belong to, where it has several. */
  readonly condition?: string;
  /** How many of them were looked at. */
  readonly looked: number;
  readonly median: number;
  /** 90 % of the faces lie between these. */
  readonly low: number;
  readonly high: number;
  /** Whether nearly all of them have the detail of sharp photos. */
  readonly sharp: boolean;
}

/** A person that a search found, by the face that is most similar to the probe. */
export interface NearPerson {
  /** The enrolled image or template, as an index into {@link EvaluationDetail.items}. */
  readonly item: number;
  /** Below `protocol.people`; -1 for a distractor. */
  readonly person: number;
  /** Cosine. */
  readonly score: number;
}

/** Some probes of a search with the people that are nearest to them: what a report shows. */
export interface NearestPeople {
  readonly condition: Condition;
  readonly probes: readonly {
    /** As an index into {@link EvaluationDetail.items}. */
    readonly item: number;
    readonly person: number;
    /** Most similar first; each person once. */
    readonly nearest: readonly NearPerson[];
  }[];
}

/** What {@link compareResults} and a report need besides the measures: the raw outcomes. */
export interface EvaluationDetail {
  /** Names of the images or templates. */
  readonly items: readonly string[];
  readonly outcomes: readonly Outcome[];
  readonly alphas: readonly ImageAlphas[];
  /**
   * The first 64 bits of the SHA-256 of each item's embedding, as given, hex, and empty for one
   * that was left out.
   */
  readonly digests: readonly string[];
  /** Of each search, a few probes that were chosen before anything was measured. */
  readonly nearest?: readonly NearestPeople[];
}

/** How a saved result was made. */
export interface MadeBy {
  /** The protocol as it was given. */
  readonly protocol: string;
  /** Version of petalface. */
  readonly petalface: string;
  /** Commit of its repository, where it ran from its sources. */
  readonly commit?: string | undefined;
}

/** Everything measured of one model on one protocol. All but `detail` is plain JSON. */
export interface EvaluationResult {
  readonly format: "petalface-evaluation/3";
  readonly protocol: ProtocolSummary;
  readonly data: { readonly spec: string; readonly fingerprint: string };
  /** As `parseDegradation` reads them. */
  readonly degradations: readonly string[];
  readonly bootstrap: BootstrapSummary;
  readonly measures: readonly Measure[];
  readonly unresolved: readonly Unresolved[];
  /** Images that were left out, where there are any. */
  readonly leftOut?: LeftOut;
  /**
   * How faces were enrolled in the conditions that are named `..., copies`, where there are any.
   */
  readonly copies?: CopyOptions;
  /** Against the frozen model, where one was given. */
  readonly identical?: Identical;
  /**
   * How sharp the faces are that nothing was done to, where it was measured
   * ({@link measureResolution}).
   */
  readonly resolution?: readonly FaceResolution[];
  /** Of results that were saved. */
  readonly made?: MadeBy;
  readonly detail: EvaluationDetail;
}
