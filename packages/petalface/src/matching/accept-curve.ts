import { itemAt } from "onnx-grad";
import { allowedImpostors } from "./rates.ts";

/**
 * A cosine, how many impostors lie above it, how many reach it, and the 95 % interval of the share
 * that reaches it.
 */
export type AcceptPoint = readonly [cosine: number, above: number, reached: number, low: number, high: number];

/** How often impostors reach a cosine. */
export interface AcceptCurve {
  /** How many it was measured on. */
  readonly impostors: number;
  /** Upper end of the 95 % interval of the share beyond the highest of them. */
  readonly beyond: number;
  /** From the highest cosine to the lowest. */
  readonly points: readonly AcceptPoint[];
}

/** Which share of impostors would be accepted if a cosine were just accepted. */
export interface FalseAcceptRate {
  /** In (0, 1]. Where no impostor reached the cosine, one part in so many as there were. */
  readonly rate: number;
  /** Whether no impostor reached the cosine: the true rate is below `rate` as far as was seen. */
  readonly below: boolean;
  /** 95 %. */
  readonly interval: [low: number, high: number];
  /** How many impostors it was measured on. */
  readonly impostors: number;
}

/** Each of the highest so many impostors is a point; further ones are by this factor farther. */
const [dense, factor] = [10, 1.25];

/**
 * The points of an {@link AcceptCurve} without their intervals: all of the highest impostors, then
 * about ten for each power of ten. Whoever is accepted above the threshold of one of the rates has
 * a rate of at most that.
 *
 * @param scores of impostors, descending
 * @param rates whose thresholds are points too
 */
export function curvePoints(
  scores: Float32Array | Float64Array,
  rates: readonly number[],
): { readonly cosine: number; readonly above: number; readonly reached: number }[] {
  const ranks = new Set<number>();
  for (let rank = 1; rank < scores.length; rank = rank < dense ? rank + 1 : Math.ceil(rank * factor)) ranks.add(rank);
  for (const rate of rates) {
    const allowed = allowedImpostors(rate, scores.length);
    if (allowed < scores.length) for (const rank of [firstOf(scores, allowed), allowed + 1]) ranks.add(rank);
  }
  ranks.add(scores.length);
  const out = new Map<number, { readonly cosine: number; readonly above: number; readonly reached: number }>();
  for (const rank of [...ranks].sort((a, b) => a - b)) {
    if (rank < 1) continue;
    const cosine = itemAt(scores, rank - 1);
    const above = firstOf(scores, rank - 1);
    let reached = rank;
    while (reached < scores.length && scores[reached] === cosine) reached++;
    out.set(cosine, { cosine, above, reached });
  }
  return [...out.values()];
}

/** The first place with the same score as one place: so many scores lie above it. */
function firstOf(scores: Float32Array | Float64Array, place: number): number {
  let at = place;
  while (at > 0 && scores[at - 1] === scores[place]) at--;
  return at;
}

/** Reads a curve at a cosine; between two points on a logarithmic scale. */
export function falseAcceptRateAt({ impostors, beyond, points }: AcceptCurve, cosine: number): FalseAcceptRate {
  const next = points.findIndex(([other]) => other <= cosine);
  const at = (rate: number, interval: [number, number]): FalseAcceptRate => ({
    rate,
    below: false,
    interval,
    impostors,
  });
  const lower = points[next];
  const upper = next === -1 ? points.at(-1) : points[next - 1];
  if (lower !== undefined && lower[0] === cosine) return at(lower[2] / impostors, [lower[3], lower[4]]);
  if (upper === undefined) return { rate: 1 / impostors, below: true, interval: [0, beyond], impostors };
  const [highCosine, , reached, low, high] = upper;
  if (lower === undefined || lower[1] === reached) return at(reached / impostors, [low, high]);
  const share = (highCosine - cosine) / (highCosine - lower[0]);
  return at((reached / impostors) * (lower[1] / reached) ** share, [low, lower[4]]);
}
