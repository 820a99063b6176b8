/** What a false accept rate costs. */
export interface OperatingPoint {
  /** The rate that was allowed. */
  readonly far: number;
  /**
   * The largest share of genuine pairs accepted at any threshold that accepts no larger share of
   * impostors; NaN without genuine or impostor pairs.
   */
  readonly tar: number;
  /** Scores above this are accepted; -Infinity where everything is. */
  readonly above: number;
  /**
   * How many impostor pairs the rate lets through; with less than one it cannot be measured and
   * `tar` is what lies above all impostors.
   */
  readonly allowed: number;
}

/**
 * How many of `impostors` comparisons a false accept rate lets through. The slack lets 0.01 x 900 =
 * 9 through although the division is not exact.
 */
export function allowedImpostors(far: number, impostors: number): number {
  return Math.floor(far * impostors * (1 + 1e-12));
}

/**
 * Exact true accept rates at false accept rates. Sorts the impostor scores: memory of 4 bytes a
 * score.
 *
 * @param same 1 genuine, 0 impostor; as long as `scores`.
 */
export function tarAtFar(scores: Float32Array, same: Uint8Array, fars: readonly number[]): readonly OperatingPoint[] {
  const genuine = scores.filter((_, i) => same[i] === 1).sort();
  const impostor = scores.filter((_, i) => same[i] !== 1).sort();
  return fars.map((far) => {
    const allowed = allowedImpostors(far, impostor.length);
    if (genuine.length === 0 || impostor.length === 0) return { far, tar: Number.NaN, above: Number.NaN, allowed };
    const above = allowed >= impostor.length ? Number.NEGATIVE_INFINITY : impostor[impostor.length - 1 - allowed];
    return { far, tar: (genuine.length - countUpTo(genuine, above)) / genuine.length, above, allowed };
  });
}

/** How many entries of a rising array are at most `limit`. */
function countUpTo(sorted: Float32Array, limit: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] <= limit) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * A receiver operating characteristic from strict to lax: point `i` accepts the scores from
 * `threshold[i]` on.
 */
export interface Roc {
  readonly far: Float64Array;
  readonly tar: Float64Array;
  readonly threshold: Float64Array;
  readonly genuine: number;
  readonly impostors: number;
}

/**
 * The exact ROC, one point per distinct score. A point whose step equals the step after it lies
 * inside a straight run and is left out, the rule of scikit-learn's `roc_curve` with
 * `drop_intermediate`; the point (0, 0) that it puts in front is not there.
 *
 * @param weight how many comparisons each score stands for; 1 unless given.
 */
export function rocCurve(scores: Float32Array, same: Uint8Array, weight?: Float32Array): Roc {
  const genuine = falling(scores, same, 1, weight);
  const impostor = falling(scores, same, 0, weight);
  const far: number[] = [];
  const tar: number[] = [];
  const threshold: number[] = [];
  let step = { genuine: -1, impostor: -1 };
  while (genuine.next !== undefined || impostor.next !== undefined) {
    const score = Math.max(genuine.next ?? Number.NEGATIVE_INFINITY, impostor.next ?? Number.NEGATIVE_INFINITY);
    const taken = { genuine: genuine.takeFrom(score), impostor: impostor.takeFrom(score) };
    if (far.length > 1 && taken.genuine === step.genuine && taken.impostor === step.impostor)
      for (const list of [far, tar, threshold]) list.pop();
    step = taken;
    far.push(impostor.taken / impostor.total);
    tar.push(genuine.taken / genuine.total);
    threshold.push(score);
  }
  return {
    far: Float64Array.from(far),
    tar: Float64Array.from(tar),
    threshold: Float64Array.from(threshold),
    genuine: genuine.total,
    impostors: impostor.total,
  };
}

/** Walks down the scores of one kind. */
function falling(scores: Float32Array, same: Uint8Array, kind: 0 | 1, weight: Float32Array | undefined) {
  const chosen = scores.filter((_, i) => same[i] === kind);
  let weights = weight?.filter((_, i) => same[i] === kind);
  if (weights === undefined) chosen.sort();
  else {
    const order = Int32Array.from(chosen.keys()).sort((a, b) => chosen[a] - chosen[b]);
    const [before, plain] = [weights, chosen.slice()];
    weights = Float32Array.from(order, (i) => before[i]);
    order.forEach((from, to) => {
      chosen[to] = plain[from];
    });
  }
  let left = chosen.length;
  const walk = {
    total: weights?.reduce((sum, value) => sum + value, 0) ?? chosen.length,
    taken: 0,
    next: chosen[left - 1],
    /** Takes all scores from this one up; returns their weight. */
    takeFrom(score: number): number {
      const before = walk.taken;
      for (; left > 0 && chosen[left - 1] >= score; left--) walk.taken += weights?.[left - 1] ?? 1;
      walk.next = chosen[left - 1];
      return walk.taken - before;
    },
  };
  return walk;
}
