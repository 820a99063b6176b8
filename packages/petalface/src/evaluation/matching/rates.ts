/** What a false accept rate costs. */
export interface OperatingPoint {
  /** The rate that was allowed. */
  readonly far: number;
  /** The largest share of genuine pairs accepted at any threshold that accepts no larger share of impostors; NaN without genuine or impostor pairs. */
  readonly tar: number;
  /** Scores above this are accepted; -Infinity where everything is. */
  readonly above: number;
  /** How many impostor pairs the rate lets through; with less than one it cannot be measured and `tar` is what lies above all impostors. */
  readonly allowed: number;
}

/** How many of `impostors` comparisons a false accept rate lets through. The slack lets 0.01 x 900 = 9 through although the division is not exact. */
export function allowedImpostors(far: number, impostors: number): number {
  return Math.floor(far * impostors * (1 + 1e-12));
}

/**
 * Exact true accept rates at false accept rates. Sorts the impostor scores: memory of 4 bytes a score.
 *
 * @param same 1 genuine, 0 impostor; as long as `scores`.
 */
export function tarAtFar(scores: Float32Array, same: Uint8Array, fars: readonly number[]): readonly OperatingPoint[] {
  const genuine = scores.filter((_, i) => same[i] === 1).sort();
  const impostor = scores.filter((_, i) => same[i] !== 1).sort();
  return fars.map((far) => {
    const allowed = allowedImpostors(far, impostor.length);
    if (genuine.length === 0 || impostor.length === 0) return { far, tar: Number.NaN, above: Number.NaN, allowed };
    const above =
      allowed >= impostor.length ? Number.NEGATIVE_INFINITY : (impostor[impostor.length - 1 - allowed] as number);
    return { far, tar: (genuine.length - countUpTo(genuine, above)) / genuine.length, above, allowed };
  });
}

/** How many entries of a rising array are at most `limit`. */
function countUpTo(sorted: Float32Array, limit: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] as number) <= limit) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** A receiver operating characteristic from strict to lax: point `i` accepts the scores from `threshold[i]` on. */
export interface Roc {
  readonly far: Float64Array;
  readonly tar: Float64Array;
  readonly threshold: Float64Array;
}

/**
 * The exact ROC, one point per distinct score. A point whose step equals the step after it lies inside a straight run and is left out, the
 * rule of scikit-learn's `roc_curve` with `drop_intermediate`; the point (0, 0) that it puts in front is not there.
 */
export function rocCurve(scores: Float32Array, same: Uint8Array): Roc {
  const genuine = scores.filter((_, i) => same[i] === 1).sort();
  const impostor = scores.filter((_, i) => same[i] !== 1).sort();
  const far: number[] = [];
  const tar: number[] = [];
  const threshold: number[] = [];
  let g = genuine.length;
  let i = impostor.length;
  let stepG = -1;
  let stepI = -1;
  while (g > 0 || i > 0) {
    const score = Math.max(
      g > 0 ? (genuine[g - 1] as number) : Number.NEGATIVE_INFINITY,
      i > 0 ? (impostor[i - 1] as number) : Number.NEGATIVE_INFINITY,
    );
    const [beforeG, beforeI] = [g, i];
    while (g > 0 && (genuine[g - 1] as number) >= score) g--;
    while (i > 0 && (impostor[i - 1] as number) >= score) i--;
    const straight = far.length > 1 && beforeG - g === stepG && beforeI - i === stepI;
    stepG = beforeG - g;
    stepI = beforeI - i;
    if (straight) {
      far.pop();
      tar.pop();
      threshold.pop();
    }
    far.push((impostor.length - i) / impostor.length);
    tar.push((genuine.length - g) / genuine.length);
    threshold.push(score);
  }
  return { far: Float64Array.from(far), tar: Float64Array.from(tar), threshold: Float64Array.from(threshold) };
}
