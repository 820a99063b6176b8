/** One image that a protocol names. */
export interface ProtocolImage {
  /** As in {@link Sample.id}: the path relative to the data folder, with forward slashes. */
  readonly id: string;
  /** Index into {@link PairsProtocol.people}. */
  readonly person: number;
}

/** Two images and the truth about them. `first` and `second` index {@link PairsProtocol.images}. */
export interface ProtocolPair {
  readonly first: number;
  readonly second: number;
  readonly same: boolean;
  /** From 0, below {@link PairsProtocol.folds}. */
  readonly fold: number;
}

/** Pairs to verify, and the same images as a closed-set identification task. */
export interface PairsProtocol {
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
}

/**
 * How the two faces of a comparison were shown: both sharp; both degraded; or one sharp and one degraded
 * (for pairs each side in turn, for rank-1 the gallery sharp and the probe degraded). `degradation` is spelled as
 * `parseDegradation` reads it: `lr:16`.
 */
export type Condition =
  | { readonly kind: "sharp" }
  | { readonly kind: "lr"; readonly degradation: string }
  | { readonly kind: "mixed"; readonly degradation: string };

/** What a measure counts. All are shares in [0, 1]; `eer` is better when lower. */
export type MeasureKind = "accuracy" | "tar" | "auc" | "eer" | "rank1";

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
  /** Only of `tar`: how many impostor comparisons that rate lets through; below 10 the value is coarse. */
  readonly support?: number;
  /** How many comparisons (pairs) or probes (rank-1) were judged. */
  readonly count: number;
}

/** A false accept rate that was asked for and that the protocol has too few impostors to measure. */
export interface Unresolved {
  readonly far: number;
  readonly condition: Condition;
  readonly impostors: number;
}

/** Scores of all pairs under one condition; under `mixed` first sharp against second degraded for all pairs, then the reverse. */
export interface ConditionScores {
  readonly condition: Condition;
  /** Cosines, `pairs` of them, or twice that under `mixed`. */
  readonly scores: Float32Array;
}

/** Whether each probe's own person came first, ties lost. */
export interface ConditionHits {
  readonly condition: Condition;
  /** 1 or 0 for each of the protocol's probes, in order. */
  readonly hits: Uint8Array;
}

/** Alpha of every image of the protocol, sharp (`degradation` null) or degraded. */
export interface ImageAlphas {
  readonly degradation: string | null;
  readonly alpha: Float32Array;
}

/** Sizes of a protocol. */
export interface ProtocolSummary {
  readonly name: string;
  readonly fingerprint: string;
  readonly folds: number;
  readonly people: number;
  readonly images: number;
  readonly genuine: number;
  readonly impostor: number;
  readonly gallery: number;
  readonly probes: number;
}

/** How the intervals were made. */
export interface BootstrapSummary {
  readonly resamples: number;
  readonly seed: number;
}

/** Shares of what the adapted model left exactly as the frozen one has it. */
export interface Identical {
  /** Share of the sharp images whose embedding has the very same bits. */
  readonly images: number;
  /** Share of the pairs both of whose sharp embeddings do. */
  readonly pairs: number;
}

/** What {@link compareResults} needs besides the measures: the raw outcomes. */
export interface EvaluationDetail {
  /** Of each pair. */
  readonly same: Uint8Array;
  readonly fold: Int32Array;
  /** The people of each pair, as indices below `protocol.people`. */
  readonly first: Int32Array;
  readonly second: Int32Array;
  /** The indices of the two images of each pair. */
  readonly firstImage: Int32Array;
  readonly secondImage: Int32Array;
  /** The person of each probe. */
  readonly probePerson: Int32Array;
  readonly scores: readonly ConditionScores[];
  readonly hits: readonly ConditionHits[];
  readonly alphas: readonly ImageAlphas[];
  /** The first 64 bits of the SHA-256 of each image's sharp embedding, hex. */
  readonly digests: readonly string[];
}

/** Everything measured of one model on one protocol. All but `detail` is plain JSON. */
export interface EvaluationResult {
  readonly format: "petalface-evaluation/2";
  readonly protocol: ProtocolSummary;
  readonly data: { readonly spec: string; readonly fingerprint: string };
  /** As `parseDegradation` reads them. */
  readonly degradations: readonly string[];
  readonly bootstrap: BootstrapSummary;
  readonly measures: readonly Measure[];
  readonly unresolved: readonly Unresolved[];
  /** Against the frozen model, where one was given. */
  readonly identical?: Identical;
  readonly detail: EvaluationDetail;
}
