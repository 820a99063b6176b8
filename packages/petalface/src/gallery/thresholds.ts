import { itemAt } from "onnx-grad";
import { PetalfaceError } from "../errors.ts";
import {
  type AcceptCurve,
  type AcceptPoint,
  curvePoints,
  normaliseRows,
  shareIntervalOfPeople,
} from "../matching/index.ts";
import type { EmbeddingRecord } from "./record.ts";
import type { PersonSearcher } from "./search.ts";
import type { EnrolledVectors, GallerySettings, ThresholdRow, ThresholdTable } from "./types.ts";

/** A threshold, and where it comes from. */
export interface ChosenThresholds {
  /** `given` on the command line, `stored` in the gallery, or `estimated` on the people in it. */
  readonly kind: "given" | "stored" | "estimated";
  readonly table: ThresholdTable;
  /** Of estimated ones: from how many faces, and the smallest rate that so many can show. */
  readonly faces?: number | undefined;
  readonly smallestRate?: number | undefined;
}

/** One threshold for every quality. */
export const singleThreshold = (cosine: number): ThresholdTable => ({ rows: [{ alpha: [0, 1], cosine }] });

/** The row of a table for one alpha; undefined where it says nothing of such faces. */
export function thresholdAt({ rows }: ThresholdTable, alpha: number): ThresholdRow | undefined {
  const clamped = Math.min(1, Math.max(0, alpha));
  return rows.find(({ alpha: [from, to] }) => clamped >= from && (clamped < to || (to === 1 && clamped === 1)));
}

/** Reads a table. Throws PetalfaceError that names `what` where it is none. */
export function parseThresholds(document: unknown, what: string): ThresholdTable {
  const fail = (reason: string): never => {
    throw new PetalfaceError(
      "PETAL_RESULT_INVALID",
      `${what}: ${reason}; expected {"rows": [{"alpha": [0, 0.5], "cosine": 0.3}, {"alpha": [0.5, 1], "cosine": 0.25}]}`,
    );
  };
  if (typeof document !== "object" || document === null || !("rows" in document) || !Array.isArray(document.rows))
    return fail('has no list "rows"');
  const isShare = (value: unknown): value is number => typeof value === "number" && value >= 0 && value <= 1;
  const rows = document.rows.map((row: unknown): ThresholdRow => {
    if (typeof row !== "object" || row === null || !("alpha" in row) || !("cosine" in row))
      return fail('a row has no "alpha" or no "cosine"');
    const { alpha, cosine } = row;
    if (
      !Array.isArray(alpha) ||
      alpha.length !== 2 ||
      !isShare(alpha[0]) ||
      !isShare(alpha[1]) ||
      !(alpha[0] < alpha[1])
    )
      return fail("alpha is a range [from, to] in 0 to 1");
    if (cosine !== null && !(typeof cosine === "number" && cosine >= -1 && cosine <= 1))
      return fail("cosine is a number from -1 to 1, or null where no cosine will do");
    return { alpha: [alpha[0], alpha[1]], cosine };
  });
  if (rows.length === 0) fail("its list of rows is empty");
  const rate = "rate" in document && isShare(document.rate) ? document.rate : undefined;
  return { ...(rate !== undefined && { rate }), rows };
}

/**
 * Refuses thresholds that were measured with another model: its cosines mean something else.
 *
 * @param what the file of the thresholds
 */
export function refuseOtherThresholds({ measured }: ThresholdTable, record: EmbeddingRecord, what: string): void {
  if (measured === undefined) return;
  const same = measured.model === record.space.sha256 && measured.adapter === record.adapter;
  if (!same)
    throw new PetalfaceError(
      "PETAL_RESULT_INVALID",
      `${what}: it was measured with another ${measured.model === record.space.sha256 ? "adapter" : "model"} than the gallery's; measure again with petalface threshold, and give its file with 'thresholds'`,
    );
}

/** Faces that thresholds are estimated on, evenly over the gallery. */
const most = 2048;
/** Below, strangers are judged as poor faces are; from here on as sharp ones. */
const halfway = 0.5;

/**
 * Thresholds that hold a false-positive identification rate, estimated on the gallery itself: each
 * of up to 2,048 enrolled faces is searched among everybody but its own person, as a stranger would
 * be, and the threshold lies above all but `rate` of the best cosines. For poor probes (alpha below
 * 0.5) the faces' low-resolution copies stand in. Of the weights that copies get over a range of
 * alpha, the one that needs the higher threshold counts.
 *
 * @returns undefined where fewer than two people are enrolled
 */
export async function estimateThresholds(
  vectors: EnrolledVectors,
  searcher: PersonSearcher,
  rate: number,
  signal?: AbortSignal,
): Promise<ChosenThresholds | undefined> {
  const { width, people } = vectors;
  if (new Set(people).size < 2) return undefined;
  const count = Math.min(most, people.length);
  const chosen = Int32Array.from({ length: count }, (_, at) => Math.floor((at * people.length) / count));
  const without = chosen.map((face) => itemAt(people, face));
  const take = (data: Float32Array): Float32Array => {
    const rows = new Float32Array(count * width);
    chosen.forEach((face, at) => {
      rows.set(data.subarray(face * width, (face + 1) * width), at * width);
    });
    return normaliseRows(rows, width);
  };
  const strangers = async (rows: Float32Array, alpha: number): Promise<Float64Array> => {
    const found = await searcher.search({ rows, alpha: new Float64Array(count).fill(alpha), without }, 1, signal);
    return Float64Array.from(found, ([best]) => best?.cosine ?? -1);
  };
  const over = async (rows: Float32Array, alphas: readonly number[]): Promise<Omit<ThresholdRow, "alpha">> => {
    let cosine = -1;
    const curves: AcceptCurve[] = [];
    for (const alpha of alphas) {
      const cosines = await strangers(rows, alpha);
      cosine = Math.max(cosine, above(cosines.toSorted(), rate));
      curves.push(curveOf(cosines, without, rate));
    }
    return { cosine, rates: { of: "searches", curves } };
  };
  const copies = take(vectors.copies);
  const hasCopies = copies.some((value) => value !== 0);
  const sharp = await over(take(vectors.vectors), [1, halfway]);
  const rows: ThresholdRow[] = hasCopies
    ? [
        { alpha: [0, halfway], ...(await over(copies, [0, halfway])) },
        { alpha: [halfway, 1], ...sharp },
      ]
    : [{ alpha: [0, 1], ...sharp }];
  return { kind: "estimated", table: { rate, rows }, faces: count, smallestRate: 1 / count };
}

/** The cosine that at most a share of `rate` of rising values exceeds. */
function above(values: Float64Array, rate: number): number {
  // The slack lets 0.01 x 900 = 9 through although the product is not exact.
  const allowed = Math.floor(rate * values.length * (1 + 1e-12));
  return itemAt(values, Math.max(0, values.length - 1 - allowed));
}

/**
 * How often searches for strangers reach a cosine; intervals over people.
 *
 * @param cosines the highest one of each search
 * @param people of the searched faces, one a search
 */
function curveOf(cosines: Float64Array, people: Int32Array, rate: number): AcceptCurve {
  const own = new Map<number, number[]>();
  people.forEach((person, at) => {
    const list = own.get(person) ?? [];
    own.set(person, list);
    list.push(itemAt(cosines, at));
  });
  const intervalFrom = (cosine: number): readonly [number, number] =>
    shareIntervalOfPeople(
      Array.from(own.values(), (all) => ({ hits: all.filter((each) => each >= cosine).length, cases: all.length })),
    );
  return {
    impostors: cosines.length,
    beyond: intervalFrom(Number.POSITIVE_INFINITY)[1],
    points: curvePoints(cosines.toSorted().reverse(), [rate]).map(({ cosine, above: over, reached }): AcceptPoint => {
      const [low, high] = intervalFrom(cosine);
      return [cosine, over, reached, low, high];
    }),
  };
}

/** Thresholds as they are printed: without curves, and with how to get those. */
export type ShownThresholds = Omit<ChosenThresholds, "table"> & {
  readonly table: Omit<ThresholdTable, "rows"> & { readonly rows: readonly Omit<ThresholdRow, "rates">[] };
  readonly note?: string;
};

/** {@link ShownThresholds}. */
export function shownThresholds(
  { table, ...rest }: ChosenThresholds,
  gallery: Pick<GallerySettings, "copies">,
): ShownThresholds {
  const note = whyNoRates(table, gallery);
  const rows = table.rows.map(({ alpha, cosine }) => ({ alpha, cosine }));
  return { ...rest, table: { ...table, rows }, ...(note !== undefined && { note }) };
}

/**
 * Why some decisions have no false-accept rate, and what would give it; undefined where all have
 * one.
 */
export function whyNoRates(
  { rows, measured }: ThresholdTable,
  { copies }: Pick<GallerySettings, "copies">,
): string | undefined {
  const estimate = "without a threshold or table it is estimated on the gallery";
  if (rows.every(({ rates }) => rates === undefined))
    return measured === undefined
      ? `these thresholds do not say how often strangers are accepted; ${estimate}, and petalface threshold 'out' measures it`
      : `these thresholds are of an older petalface and do not say how often strangers are accepted; measure again with petalface threshold 'out'`;
  const isOfComparisons = rows.some(({ rates }) => rates?.of === "comparisons");
  return isOfComparisons && copies.length > 0
    ? `how often strangers are accepted was measured without low-resolution copies, which this gallery has, so it holds for sharp faces only; ${estimate}`
    : undefined;
}
