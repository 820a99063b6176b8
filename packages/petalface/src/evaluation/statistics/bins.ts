import { PetalfaceError } from "../../errors.ts";
import { conditionLabel } from "../results/condition.ts";
import { outcomesOf } from "../results/outcomes.ts";
import type { EvaluationResult, VerificationOutcome } from "../results/types.ts";

/** How the comparisons of one range of quality came out. */
export interface QualityBin {
  /** Range of the comparison's quality: the poorer of its two faces' alphas. */
  readonly low: number;
  readonly high: number;
  readonly comparisons: number;
  readonly genuine: number;
  /**
   * Share judged rightly, genuine and impostor comparisons counting the same; NaN where one of them
   * is missing.
   */
  readonly frozen: number;
  readonly adapted: number;
}

/** Errors once the poorest comparisons are not judged at all. */
export interface RejectPoint {
  /** Share of all comparisons that was rejected. */
  readonly rejected: number;
  /**
   * False non-match rate of what is left, at the threshold that lets 1 % of all impostors through.
   */
  readonly frozen: number;
  readonly adapted: number;
}

/** What quality has to do with errors. */
export interface QualityBins {
  readonly conditions: readonly string[];
  readonly bins: readonly QualityBin[];
  readonly rejects: readonly RejectPoint[];
}

/** Impostors let through where errors are set against rejects. */
const far = 0.01;
const shares = [0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8] as const;

/** All comparisons of a result, one after the other. */
interface Pool {
  readonly conditions: string[];
  readonly quality: Float32Array;
  readonly same: Uint8Array;
  readonly fold: Int32Array;
  readonly frozen: Float32Array;
  readonly adapted: Float32Array;
}

/**
 * Accuracy by quality, and error against reject (Grother and Tabassi, IEEE TPAMI 29, 2007), on all
 * comparisons of an evaluation together, whatever they were degraded to. Quality is the alpha that
 * the adapted model gave the poorer face; accuracy is at one threshold for all qualities, chosen on
 * the other folds.
 *
 * @param bins equally wide ranges of alpha; alpha of exactly 0 and exactly 1 are ranges of their
 * own
 * @throws PetalfaceError where the adapted result has no alphas or the two are of other comparisons
 */
export function qualityBins(frozen: EvaluationResult, adapted: EvaluationResult, bins: number): QualityBins {
  const pool = gather(frozen, adapted);
  const right = { frozen: judged(pool, pool.frozen), adapted: judged(pool, pool.adapted) };
  const edges = Array.from({ length: bins + 1 }, (_, i) => i / bins);
  const ranges: (readonly [number, number, (alpha: number) => boolean])[] = [
    [0, 0, (alpha) => alpha === 0],
    ...edges.slice(0, -1).map((low, i) => {
      const high = edges[i + 1];
      return [low, high, (alpha: number) => alpha > 0 && alpha < 1 && alpha >= low && alpha < high] as const;
    }),
    [1, 1, (alpha) => alpha === 1],
  ];
  const found = ranges.map(([low, high, within]): QualityBin => {
    const inside = indices(pool.quality.length, (i) => within(pool.quality[i]));
    return {
      low,
      high,
      comparisons: inside.length,
      genuine: inside.filter((i) => pool.same[i] === 1).length,
      frozen: balanced(pool, right.frozen, inside),
      adapted: balanced(pool, right.adapted, inside),
    };
  });
  return { conditions: pool.conditions, bins: found, rejects: rejectPoints(pool) };
}

const indices = (count: number, test: (index: number) => boolean): number[] => {
  const out: number[] = [];
  for (let i = 0; i < count; i++) if (test(i)) out.push(i);
  return out;
};

function gather(frozen: EvaluationResult, adapted: EvaluationResult): Pool {
  const pairs = outcomesOf(adapted.detail, "verification");
  const others = outcomesOf(frozen.detail, "verification");
  const parts = pairs.flatMap((outcome, at) => {
    const other = others[at];
    const quality = qualityOf(adapted, outcome);
    if (other === undefined || other.scores.length !== outcome.scores.length)
      throw new PetalfaceError(
        "PETAL_RESULT_MISMATCH",
        "the frozen and the adapted model were measured on different comparisons; measure both again",
      );
    return quality === undefined ? [] : [{ outcome, other, quality }];
  });
  if (parts.length === 0)
    throw new PetalfaceError(
      "PETAL_OPTION_UNFIT",
      "quality bins need an adapted model that measures quality, on sharp or degraded pairs; give 'adapter'",
    );
  const total = parts.reduce((sum, { quality }) => sum + quality.length, 0);
  const pool: Pool = {
    conditions: parts.map(({ outcome }) => conditionLabel(outcome.condition)),
    quality: new Float32Array(total),
    same: new Uint8Array(total),
    fold: new Int32Array(total),
    frozen: new Float32Array(total),
    adapted: new Float32Array(total),
  };
  let at = 0;
  for (const { outcome, other, quality } of parts) {
    pool.quality.set(quality, at);
    pool.same.set(outcome.same, at);
    if (outcome.fold) pool.fold.set(outcome.fold, at);
    pool.frozen.set(other.scores, at);
    pool.adapted.set(outcome.scores, at);
    at += quality.length;
  }
  return pool;
}

/**
 * The poorer alpha of each comparison; undefined where the condition is none of images, sharp or
 * degraded.
 */
function qualityOf({ detail }: EvaluationResult, outcome: VerificationOutcome): Float32Array | undefined {
  const { condition, firstItem, secondItem } = outcome;
  if (condition.kind === "named") return undefined;
  const alphasOf = (degradation: string | null) =>
    detail.alphas.find((each) => each.degradation === degradation)?.alpha;
  const sharp = alphasOf(null);
  const degraded = condition.kind === "sharp" ? sharp : alphasOf(condition.degradation);
  if (sharp === undefined || degraded === undefined) return undefined;
  const half = firstItem.length / 2;
  return Float32Array.from(firstItem, (first, i) => {
    const second = secondItem[i];
    // Mixed: sharp against degraded for the first half of the comparisons, then the reverse.
    const [a, b] =
      condition.kind === "mixed" ? (i < half ? [sharp, degraded] : [degraded, sharp]) : [degraded, degraded];
    return Math.min(a[first], b[second]);
  });
}

/**
 * Whether each comparison is judged rightly at the threshold with the best balanced accuracy on the
 * other folds.
 */
function judged({ same, fold }: Pool, scores: Float32Array): Uint8Array {
  const right = new Uint8Array(scores.length);
  const order = Array.from(scores, (_, i) => i).sort((a, b) => scores[a] - scores[b]);
  for (const own of new Set(fold)) {
    const others = new Set(fold).size === 1 ? order : order.filter((i) => fold[i] !== own);
    const genuine = others.reduce((sum, i) => sum + same[i], 0);
    let [below, rejected, best, threshold] = [0, 0, 0, Number.NEGATIVE_INFINITY];
    others.forEach((i, at) => {
      if (same[i] === 1) below++;
      else rejected++;
      const next = others[at + 1];
      const value = (genuine - below) / genuine + rejected / (others.length - genuine);
      if (value <= best || next === undefined || scores[next] === scores[i]) return;
      best = value;
      threshold = (scores[i] + scores[next]) / 2;
    });
    for (let i = 0; i < scores.length; i++)
      if (fold[i] === own) right[i] = scores[i] > threshold === (same[i] === 1) ? 1 : 0;
  }
  return right;
}

function balanced({ same }: Pool, right: Uint8Array, inside: readonly number[]): number {
  const of = (kind: number): number => {
    const own = inside.filter((i) => same[i] === kind);
    return own.reduce((sum, i) => sum + right[i], 0) / own.length;
  };
  return (of(0) + of(1)) / 2;
}

function rejectPoints(pool: Pool): RejectPoint[] {
  const { quality, same } = pool;
  const poorest = Array.from(quality, (_, i) => i).sort((a, b) => quality[a] - quality[b] || a - b);
  const threshold = (scores: Float32Array): number => {
    const impostors = scores.filter((_, i) => same[i] === 0).sort();
    return impostors[Math.min(impostors.length - 1, Math.ceil((1 - far) * impostors.length))];
  };
  const limits = { frozen: threshold(pool.frozen), adapted: threshold(pool.adapted) };
  return shares.map((rejected) => {
    const genuine = poorest.slice(Math.round(rejected * poorest.length)).filter((i) => same[i] === 1);
    const missed = (model: "frozen" | "adapted"): number =>
      genuine.filter((i) => pool[model][i] < limits[model]).length / genuine.length;
    return { rejected, frozen: missed("frozen"), adapted: missed("adapted") };
  });
}

/** The bins and the curve as text rows, headings first. */
export function printQualityBins({ conditions, bins, rejects }: QualityBins): {
  readonly title: string;
  /** Explains the columns. */
  readonly legend: string;
  readonly bins: readonly (readonly string[])[];
  readonly rejects: readonly (readonly string[])[];
} {
  const percent = (value: number): string => (Number.isFinite(value) ? (100 * value).toFixed(2) : "-");
  return {
    title: `by quality (alpha of the poorer face), all of ${conditions.join(", ")} together, one threshold`,
    legend:
      "alpha: 0 is poor quality, and the adapter works fully; 1 is high quality, and it is off. gain: adapted minus frozen, in points",
    bins: [
      ["alpha", "comparisons", "genuine", "frozen", "adapted", "gain"],
      ...bins.map(({ low, high, comparisons, genuine, frozen, adapted }) => [
        low === high ? `exactly ${low}` : `${low.toFixed(2)} to ${high.toFixed(2)}`,
        ...[comparisons, genuine].map(String),
        percent(frozen),
        percent(adapted),
        percent(adapted - frozen),
      ]),
    ],
    rejects: [
      ["lowest quality rejected", "frozen misses", "adapted misses"],
      ...rejects.map(({ rejected, frozen, adapted }) => [`${100 * rejected} %`, percent(frozen), percent(adapted)]),
    ],
  };
}
