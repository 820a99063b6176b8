import { itemAt } from "onnx-grad";
import { hashDistance, hashWords } from "../images/index.ts";
import { random } from "../random.ts";

/** Why a face should not be enrolled. */
export type GateReason =
  | "too small"
  | "blurred"
  | "near copy"
  | "not like the person's other faces"
  | "two people under one name"
  | "like somebody else";

/** What a face must be like to be enrolled. */
export interface GateRules {
  /** Least side of the picture in pixels, where it is a file. */
  readonly side: number;
  /** Least alpha. */
  readonly alpha: number;
}

/** What the gate lets through unless changed. */
export const gateDefaults: GateRules = { side: 32, alpha: 0.25 };

/** Hashes in at most so many of 256 bits are near copies, the threshold that PDQ is used with. */
const nearBits = 31;

/** The first of some pictures that a picture is nearly the same as; hashes of 32 bytes. */
export function nearCopy<T extends { readonly hash: Uint8Array }>(
  hash: Uint8Array,
  others: Iterable<T>,
): T | undefined {
  const pair = new Uint32Array(2 * hashWords);
  const bytes = new Uint8Array(pair.buffer);
  bytes.set(hash);
  for (const other of others) {
    bytes.set(other.hash, 4 * hashWords);
    if (hashDistance(pair, 0, 1) <= nearBits) return other;
  }
  return undefined;
}

/** Lines between the same person and another, seen on the faces themselves. */
export interface GateLevels {
  /**
   * A face with a lower cosine to its person's other faces is no nearer to them than strangers are.
   */
  readonly own: number;
  /** A face with a higher cosine to somebody else looks like that person. */
  readonly other: number;
}

/** Cosines that were seen while faces were enrolled, from which {@link GateLevels} come. */
export interface GateEvidence {
  /** Of faces with the mean of their person's other faces. */
  readonly own: number[];
  /** Of faces with the means of people drawn from the others. */
  readonly strangers: number[];
}

/** Fewer cosines of strangers say too little. */
const fewest = 30;
/** Standard deviations above the mean of strangers that only a mate reaches. */
const outlierDeviations = 3;
const aloneDeviations = 6;
/** Share of the way from strangers to one's own faces: the audit's line (`Levels.alike`). */
const alikeShare = 0.75;

/** Where the lines are; undefined where too few people are enrolled to see them. */
export function gateLevels({ own, strangers }: GateEvidence): GateLevels | undefined {
  if (strangers.length < fewest) return undefined;
  const mean = strangers.reduce((sum, value) => sum + value, 0) / strangers.length;
  const deviation = Math.sqrt(strangers.reduce((sum, value) => sum + (value - mean) ** 2, 0) / strangers.length);
  const median = own.toSorted((a, b) => a - b)[own.length >> 1];
  const outlier = mean + outlierDeviations * deviation;
  const other = median === undefined ? mean + aloneDeviations * deviation : mean + alikeShare * (median - mean);
  return { own: outlier, other: Math.max(other, outlier) };
}

/** Somebody's faces as one direction. */
export interface PersonSum {
  /** Sum of unit embeddings. */
  readonly sum: Float32Array;
  faces: number;
}

/**
 * Cosine of a unit embedding with a sum of those, less `share` times the embedding itself; NaN
 * where nothing is left.
 */
export function cosineWith(unit: Float32Array, sum: Float32Array, share = 0): number {
  let [product, squares] = [0, 0];
  for (let at = 0; at < unit.length; at++) {
    const own = itemAt(unit, at);
    const value = itemAt(sum, at) - share * own;
    product += value * own;
    squares += value * value;
  }
  return squares < 1e-12 ? Number.NaN : product / Math.sqrt(squares);
}

/** Strangers that each face is compared with for {@link GateEvidence}. */
const drawn = 8;
/** Cosines of each kind that are kept; more change nothing. */
const enough = 20_000;

/** Compares a face with its person's others, and with a few people drawn from the rest. */
export function addEvidence(
  evidence: GateEvidence,
  unit: Float32Array,
  person: PersonSum,
  others: readonly PersonSum[],
  seed: number,
): void {
  if (person.faces > 1 && evidence.own.length < enough) evidence.own.push(cosineWith(unit, person.sum, 1));
  if (evidence.strangers.length >= enough) return;
  const stream = random("gallery gate", seed);
  for (let draw = 0; draw < Math.min(drawn, others.length); draw++) {
    const other = stream.pick(others);
    if (other !== person && other.faces > 0) evidence.strangers.push(cosineWith(unit, other.sum));
  }
}
