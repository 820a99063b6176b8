import { PetalfaceError } from "../errors.ts";
import { type BootstrapSummary, bootstrap, type Estimate, estimate, weighPairs } from "../evaluation/index.ts";
import { type AcceptCurve, type AcceptPoint, curvePoints, shareInterval } from "../matching/index.ts";

/** Comparisons of two faces each; all arrays have one entry for each comparison. */
export interface Comparisons {
  /** Cosines. */
  readonly scores: Float32Array;
  /** 1: one person, 0: two people. */
  readonly same: Uint8Array;
  /** The two people. */
  readonly first: Int32Array;
  readonly second: Int32Array;
  /** The lower alpha of the two faces; 1 for a model without alpha. */
  readonly alpha: Float32Array;
}

/** One threshold: cosines above it are accepted. */
export interface Threshold {
  /** The false-accept rate that it allows. */
  readonly far: number;
  /** Its cosine, with the 95 % interval of the bootstrap over people. */
  readonly cosine: Estimate;
  /** Share of comparisons of one person that it accepts; null without such comparisons. */
  readonly accepted: Estimate | null;
  /** How many comparisons of two people it was read from. */
  readonly impostors: number;
}

/** Thresholds of comparisons whose lower alpha lies in one range. */
export interface AlphaRange {
  readonly name: string;
  /** null where too few comparisons of two people fall into the range. */
  readonly thresholds: readonly (Threshold | null)[];
  /** How often two people reach other cosines; null where too few comparisons fall into it. */
  readonly curve?: AcceptCurve | null;
}

/** Everything that a file carries of its thresholds. */
export interface Thresholds {
  readonly format: 1;
  /** What they were measured on. */
  readonly data: string;
  readonly people: number;
  readonly faces: number;
  readonly all: readonly Threshold[];
  /** How often two people reach other cosines; files of older versions do not say it. */
  readonly curve?: AcceptCurve | null;
  /** By the lower alpha of the two faces; empty for a model without alpha. */
  readonly ranges: readonly AlphaRange[];
}

/**
 * Comparisons of two people that a rate must let through: with fewer, the threshold hangs on single
 * pairs.
 */
export const fewestAccepted = 10;
/** People below whose number an interval over people is too narrow. */
const fewestPeople = 20;

/**
 * The smallest rate that so many comparisons resolve, to two digits, rounded up: it is one that is
 * accepted.
 */
function finestRate(impostors: number): number {
  const rate = fewestAccepted / Math.max(1, impostors);
  const unit = 10 ** (Math.floor(Math.log10(rate)) - 1);
  return Number((Math.ceil(rate / unit - 1e-9) * unit).toPrecision(2));
}

/**
 * Ranges of the lower alpha: of a face that is clearly of low resolution, of one in between, and of
 * two sharp faces.
 */
const alphaRanges = [
  { name: "alpha below 0.5", alpha: [0, 0.5], has: (alpha: number) => alpha < 0.5 },
  { name: "alpha from 0.5 to 1", alpha: [0.5, 1], has: (alpha: number) => alpha >= 0.5 && alpha < 1 },
  { name: "alpha 1 (both sharp)", alpha: [1, 1], has: (alpha: number) => alpha >= 1 },
] as const;

/** What is known of comparisons of one range of alpha. */
export interface AlphaRow {
  readonly alpha: readonly [from: number, to: number];
  readonly cosine: number | null;
  readonly curve: AcceptCurve | null;
}

/**
 * The thresholds of the smallest rate by range of alpha, highest range first; a cosine is null
 * where too few comparisons show it. One range where nothing is known of alpha.
 */
export function cosinesByAlpha({ all, ranges, curve }: Pick<Thresholds, "all" | "ranges" | "curve">): {
  readonly far: number;
  readonly rows: readonly AlphaRow[];
} {
  const fars = all.map(({ far }) => far);
  const far = Math.min(...fars);
  const at = fars.indexOf(far);
  const known = alphaRanges.toReversed().flatMap(({ name, alpha }) => {
    const range = ranges.find((each) => each.name === name);
    const cosine = range?.thresholds[at]?.cosine.value ?? null;
    return range === undefined ? [] : [{ alpha, cosine, curve: range.curve ?? null }];
  });
  const [first] = all.filter((each) => each.far === far);
  const one: AlphaRow = { alpha: [0, 1], cosine: first?.cosine.value ?? null, curve: curve ?? null };
  return { far, rows: known.length > 0 ? known : [one] };
}

/**
 * Cosine thresholds for false-accept rates.
 *
 * @param people how many people there are
 * @param hasAlpha whether to look at ranges of alpha too
 * @throws PetalfaceError where there are too few comparisons of two people for a rate, or too few
 * people
 */
export function measureThresholds(
  comparisons: Comparisons,
  people: number,
  fars: readonly number[],
  options: BootstrapSummary,
  hasAlpha: boolean,
): Pick<Thresholds, "all" | "ranges" | "curve"> {
  if (people < fewestPeople)
    throw new PetalfaceError(
      "PETAL_DATA_UNFIT",
      `thresholds need at least ${fewestPeople} people, and there are ${people}: give more with 'data'`,
    );
  const impostors = comparisons.same.reduce((count, same) => count + (same === 1 ? 0 : 1), 0);
  const finest = fars.find((far) => far * impostors < fewestAccepted);
  if (finest !== undefined)
    throw new PetalfaceError(
      "PETAL_DATA_UNFIT",
      `a false-accept rate of ${finest} needs ${Math.ceil(fewestAccepted / finest).toLocaleString("en")} comparisons of two people, and there are ${impostors.toLocaleString("en")}: ask for ${finestRate(impostors)} or more, or give more faces`,
    );
  const { thresholds, curve } = thresholdsOf(comparisons, people, fars, options);
  const ranges = hasAlpha
    ? alphaRanges.map(({ name, has }) => ({
        name,
        ...thresholdsOf(
          select(comparisons, (i) => has(comparisons.alpha[i])),
          people,
          fars,
          options,
        ),
      }))
    : [];
  return { all: thresholds.filter((found) => found !== null), curve, ranges };
}

function select(from: Comparisons, keep: (index: number) => boolean): Comparisons {
  const kept = Int32Array.from(from.scores.keys()).filter(keep);
  return {
    scores: Float32Array.from(kept, (i) => from.scores[i]),
    same: Uint8Array.from(kept, (i) => from.same[i]),
    first: Int32Array.from(kept, (i) => from.first[i]),
    second: Int32Array.from(kept, (i) => from.second[i]),
    alpha: Float32Array.from(kept, (i) => from.alpha[i]),
  };
}

/**
 * One threshold for each rate, and how often two people reach other cosines; null where too few
 * comparisons of two people are there.
 */
function thresholdsOf(
  comparisons: Comparisons,
  people: number,
  fars: readonly number[],
  options: BootstrapSummary,
): { readonly thresholds: (Threshold | null)[]; readonly curve: AcceptCurve | null } {
  const order = Int32Array.from(comparisons.scores.keys()).sort(
    (a, b) => comparisons.scores[b] - comparisons.scores[a],
  );
  const sorted = select(comparisons, () => true);
  order.forEach((from, to) => {
    sorted.scores[to] = comparisons.scores[from];
    sorted.same[to] = comparisons.same[from];
    sorted.first[to] = comparisons.first[from];
    sorted.second[to] = comparisons.second[from];
  });
  const impostors = sorted.same.reduce((count, same) => count + (same === 1 ? 0 : 1), 0);
  const hasGenuine = impostors < sorted.same.length;
  const weights = new Float64Array(sorted.scores.length);
  const points = curvePoints(
    sorted.scores.filter((_, i) => sorted.same[i] !== 1),
    fars,
  );
  const rows = bootstrap(people, options, (multiplicities) => {
    weighPairs(sorted, multiplicities, weights);
    return [...fars.flatMap((far) => atRate(sorted, weights, far)), ...sharesFrom(sorted, weights, points)];
  });
  const thresholds = fars.map((far, i) => {
    if (far * impostors < fewestAccepted) return null;
    const [cosine, accepted] = [estimate(rows[2 * i]), estimate(rows[2 * i + 1])];
    return { far, cosine, accepted: hasGenuine ? accepted : null, impostors };
  });
  if (impostors < fewestAccepted) return { thresholds, curve: null };
  const curve = points.map(({ cosine, above, reached }, i): AcceptPoint => {
    // Few people draw nothing else than they have; as if comparisons were independent is the least.
    const [least, most] = shareInterval(reached, impostors);
    const { low, high } = estimate(rows[2 * fars.length + i]);
    return [cosine, above, reached, Math.min(low, least), Math.max(high, most)];
  });
  return { thresholds, curve: { impostors, beyond: shareInterval(0, impostors)[1], points: curve } };
}

/** Shares of the weight of impostors that reach the cosines of points, from the highest down. */
function sharesFrom(
  { scores, same }: Comparisons,
  weights: Float64Array,
  points: readonly { readonly cosine: number }[],
): number[] {
  const passed: number[] = [];
  let [sum, i] = [0, 0];
  for (const { cosine } of points) {
    for (; i < scores.length && scores[i] >= cosine; i++) if (same[i] !== 1) sum += weights[i];
    passed.push(sum);
  }
  // The last point is the lowest impostor.
  return passed.map((share) => share / sum);
}

/**
 * The least cosine above which no more than a share of the weight of impostors lies, and the
 * genuine share above it.
 */
function atRate({ scores, same }: Comparisons, weights: Float64Array, far: number): [number, number] {
  let [impostor, genuine] = [0, 0];
  weights.forEach((weight, i) => {
    if (same[i] === 1) genuine += weight;
    else impostor += weight;
  });
  const allowed = far * impostor * (1 + 1e-12);
  let [passed, found] = [0, 0];
  for (let i = 0; i < scores.length; i++) {
    const weight = weights[i];
    if (same[i] === 1) {
      found += weight;
      continue;
    }
    passed += weight;
    // Accepting above this impostor leaves it out, and whoever scores the same.
    if (passed > allowed) {
      for (let at = i - 1; at >= 0 && scores[at] === scores[i]; at--) if (same[at] === 1) found -= weights[at];
      return [scores[i], genuine === 0 ? Number.NaN : found / genuine];
    }
  }
  return [-1, genuine === 0 ? Number.NaN : 1];
}
