import { cosinesByAlpha, thresholdsIn, thresholdsKey } from "../../deploy/index.ts";
import { PetalfaceError } from "../../errors.ts";
import { readGivenFile } from "../../files.ts";
import {
  type ChosenThresholds,
  type EmbeddingRecord,
  estimateThresholds,
  type GallerySearcher,
  parseThresholds,
  refuseOtherThresholds,
  singleThreshold,
  type ThresholdTable,
} from "../../gallery/index.ts";
import { printPath } from "../../images/index.ts";
import type { StoredThresholds } from "../export/thresholds.ts";
import type { Surroundings } from "../surroundings.ts";

/** Options that say from which cosine on a face is a person's. */
export interface ThresholdOptions {
  /** What the cosine of a match exceeds, whatever the quality. */
  readonly threshold?: number | undefined;
  /** A JSON file of thresholds by alpha, or what `petalface threshold` wrote. */
  readonly thresholds?: string | undefined;
  /** False-positive identification rate for which thresholds are estimated otherwise. */
  readonly rate: number;
}

/** Faces that thresholds are estimated on, at most. */
const sampled = 2048;

/**
 * The thresholds that options, the gallery or an estimate give. Throws PetalfaceError where there
 * are none, or they are another model's.
 */
export async function chooseThresholds(
  searcher: GallerySearcher,
  record: EmbeddingRecord,
  stored: ChosenThresholds["table"] | null,
  options: ThresholdOptions,
  { signal }: Pick<Surroundings, "signal">,
): Promise<ChosenThresholds> {
  if (options.threshold !== undefined) return { kind: "given", table: singleThreshold(options.threshold) };
  if (options.thresholds !== undefined) {
    const table = await readThresholds(options.thresholds);
    refuseOtherThresholds(table, record, printPath(options.thresholds));
    return { kind: "given", table };
  }
  if (stored !== null) {
    // The gallery may have moved to another model since.
    refuseOtherThresholds(stored, record, "the thresholds that the gallery keeps");
    return { kind: "stored", table: stored };
  }
  const estimated = await estimateThresholds(await searcher.sample(sampled), searcher, options.rate, signal);
  if (estimated === undefined)
    throw new PetalfaceError(
      "PETAL_OPTION_UNFIT",
      "a threshold can be estimated where at least two people are enrolled; enrol more, or give a cosine with 'threshold'",
    );
  return estimated;
}

/**
 * Reads thresholds from a JSON file: by alpha, or as `petalface threshold` writes them, of which
 * the smallest false-accept rate counts. Throws PetalfaceError.
 */
export async function readThresholds(path: string): Promise<ThresholdTable> {
  const bytes = await readGivenFile(path).catch((cause: Error) => {
    throw new PetalfaceError("PETAL_RESULT_INVALID", `cannot read ${printPath(path)} (${cause.message})`, { cause });
  });
  const text = bytes.toString();
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (cause) {
    throw new PetalfaceError("PETAL_RESULT_INVALID", `${printPath(path)} is not valid JSON`, { cause });
  }
  const measured = thresholdsIn(new Map([[thresholdsKey, text]])) as StoredThresholds | undefined;
  if (measured === undefined || measured.all.length === 0) return parseThresholds(document, printPath(path));
  const { far, rows: found } = cosinesByAlpha(measured);
  const rows = found.map(({ alpha, cosine, curve }) => ({
    ...{ alpha, cosine },
    ...(curve !== null && { rates: { of: "comparisons" as const, curves: [curve] } }),
  }));
  const { data, model, adapter } = measured;
  return { rows, measured: { far, data, model, adapter } };
}
