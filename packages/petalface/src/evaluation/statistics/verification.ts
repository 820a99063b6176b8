/** Scored comparisons in one order; all arrays of one length. */
export interface ScoredPairs {
  readonly scores: Float32Array;
  /** 1 genuine, 0 impostor. */
  readonly same: Uint8Array;
  /** Fold of each, from 0. */
  readonly fold: Int32Array;
  /** The two people of each. */
  readonly first: Int32Array;
  readonly second: Int32Array;
  /** How many comparisons each stands for; 1 unless given. */
  readonly weight?: Float32Array | undefined;
}

/** {@link ScoredPairs} from the highest to the lowest score. */
export interface RankedPairs extends ScoredPairs {
  /** Where each stood before. */
  readonly origin: Int32Array;
}

/** Sorts by falling score; equal scores keep their order. */
export function rankPairs(pairs: ScoredPairs): RankedPairs {
  const { scores, weight } = pairs;
  const origin = Int32Array.from(scores.keys()).sort((a, b) => scores[b] - scores[a] || a - b);
  return {
    origin,
    scores: Float32Array.from(origin, (i) => scores[i]),
    same: Uint8Array.from(origin, (i) => pairs.same[i]),
    fold: Int32Array.from(origin, (i) => pairs.fold[i]),
    first: Int32Array.from(origin, (i) => pairs.first[i]),
    second: Int32Array.from(origin, (i) => pairs.second[i]),
    ...(weight !== undefined && { weight: Float32Array.from(origin, (i) => weight[i]) }),
  };
}

/**
 * The threshold that judges most of the weight right (same person if the score is above it), over
 * the pairs outside fold `skip`. Every distinct outcome is tried: the candidates lie midway between
 * neighbouring distinct scores, and one above all. The highest of several equally good ones wins,
 * which is the first maximum over growing distances of the usual LFW code.
 */
export function bestThreshold(ranked: RankedPairs, weights: Float64Array, skip = -1): number {
  const { scores, same, fold } = ranked;
  let right = 0;
  let bestRight = Number.NEGATIVE_INFINITY;
  let threshold = Number.POSITIVE_INFINITY;
  let previous = Number.POSITIVE_INFINITY;
  for (let i = 0; i < scores.length; i++) {
    const weight = weights[i];
    if (weight === 0 || fold[i] === skip) continue;
    const score = scores[i];
    if (score !== previous && right > bestRight) {
      bestRight = right;
      threshold = previous === Number.POSITIVE_INFINITY ? score + 1 : (score + previous) / 2;
    }
    previous = score;
    right += same[i] === 1 ? weight : -weight;
  }
  return right > bestRight && previous !== Number.POSITIVE_INFINITY ? previous - 1 : threshold;
}

/**
 * Weight judged right and weight judged, of the pairs whose verdict used a threshold from the other
 * folds.
 */
export interface KFoldAccuracy {
  /** Share of the weight that is judged right; NaN where there is no weight. */
  readonly accuracy: number;
  /** The threshold applied to each fold. */
  readonly thresholds: Float64Array;
}

/**
 * Accuracy with the threshold of each fold chosen on all others. It is the share over all pairs, so
 * it equals the mean over folds where folds are equally large (LFW), and stays defined where a
 * resample leaves a fold empty.
 *
 * @param weights of each ranked pair, not negative; whole numbers act like repeated pairs.
 */
export function kFoldAccuracy(ranked: RankedPairs, weights: Float64Array, folds: number): KFoldAccuracy {
  const thresholds = new Float64Array(folds);
  for (let skip = 0; skip < folds; skip++) thresholds[skip] = bestThreshold(ranked, weights, skip);
  const verdicts = judge(ranked, thresholds);
  let right = 0;
  let total = 0;
  for (let i = 0; i < weights.length; i++) {
    total += weights[i];
    if (verdicts[i] === 1) right += weights[i];
  }
  return { accuracy: total > 0 ? right / total : Number.NaN, thresholds };
}

/** 1 where a comparison is judged right with the threshold of its fold, else 0. */
export function judge(pairs: Pick<ScoredPairs, "scores" | "same" | "fold">, thresholds: Float64Array): Uint8Array {
  return Uint8Array.from(pairs.scores, (score, i) =>
    score > thresholds[pairs.fold[i]] === (pairs.same[i] === 1) ? 1 : 0,
  );
}

/**
 * What one walk down the ranked scores tells. All in [0, 1], NaN where genuine or impostor weight
 * is missing.
 */
export interface OperatingPoints {
  /** Chance that a genuine score is above an impostor score; ties count half. */
  readonly auc: number;
  /**
   * Error where false accept and false reject rate meet, on straight lines between neighbouring ROC
   * points.
   */
  readonly eer: number;
  /**
   * For each asked rate, the largest share of genuine pairs accepted at any threshold that accepts
   * no larger share of impostors.
   */
  readonly tar: readonly number[];
}

/** Exact weighted AUC, EER and TAR at the given false accept rates. */
export function operatingPoints(ranked: RankedPairs, weights: Float64Array, fars: readonly number[]): OperatingPoints {
  const { scores, same } = ranked;
  let genuine = 0;
  let impostor = 0;
  for (let i = 0; i < weights.length; i++) {
    if (same[i] === 1) genuine += weights[i];
    else impostor += weights[i];
  }
  if (genuine === 0 || impostor === 0) return { auc: Number.NaN, eer: Number.NaN, tar: fars.map(() => Number.NaN) };

  const tar = fars.map(() => 0);
  // The slack lets 0.01 x 900 = 9 impostors through although the division is not exact.
  const allowed = fars.map((far) => far * impostor * (1 + 1e-12));
  let accepted = 0;
  let falseAccepted = 0;
  let area = 0;
  let eer = Number.NaN;
  for (let i = 0; i < scores.length; ) {
    const score = scores[i];
    const acceptedBefore = accepted;
    const falseBefore = falseAccepted;
    for (; i < scores.length && scores[i] === score; i++) {
      if (same[i] === 1) accepted += weights[i];
      else falseAccepted += weights[i];
    }
    area += (falseAccepted - falseBefore) * (accepted + acceptedBefore) * 0.5;
    for (let f = 0; f < allowed.length; f++) if (falseAccepted <= allowed[f]) tar[f] = accepted / genuine;
    if (Number.isNaN(eer)) {
      const gap = falseAccepted / impostor - (1 - accepted / genuine);
      if (gap >= 0) {
        const gapBefore = falseBefore / impostor - (1 - acceptedBefore / genuine);
        const part = -gapBefore / (gap - gapBefore);
        eer = (falseBefore + part * (falseAccepted - falseBefore)) / impostor;
      }
    }
  }
  return { auc: area / (genuine * impostor), eer, tar };
}
