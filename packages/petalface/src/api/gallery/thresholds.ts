import { readFile } from "node:fs/promises";
import { PetalfaceError } from "../../errors.ts";
import {
  type ChosenThresholds,
  estimateThresholds,
  type GallerySearcher,
  parseThresholds,
  singleThreshold,
  type ThresholdTable,
} from "../../gallery/index.ts";
import { printPath } from "../../images/index.ts";
import type { Surroundings } from "../surroundings.ts";

/** Options that say from which cosine on a face is a person's. */
export interface ThresholdOptions {
  /** What the cosine of a match exceeds, whatever the quality. */
  readonly threshold?: number | undefined;
  /** A JSON file of thresholds by alpha. */
  readonly thresholds?: string | undefined;
  /** False-positive identification rate for which thresholds are estimated otherwise. */
  readonly rate: number;
}

/** Faces that thresholds are estimated on, at most. */
const sampled = 2048;

/**
 * The thresholds that options, the gallery or an estimate give. Throws PetalfaceError where there
 * are none.
 */
export async function chooseThresholds(
  searcher: GallerySearcher,
  stored: ChosenThresholds["table"] | null,
  options: ThresholdOptions,
  { signal }: Pick<Surroundings, "signal">,
): Promise<ChosenThresholds> {
  if (options.threshold !== undefined) return { kind: "given", table: singleThreshold(options.threshold) };
  if (options.thresholds !== undefined) return { kind: "given", table: await readThresholds(options.thresholds) };
  if (stored !== null) return { kind: "stored", table: stored };
  const estimated = await estimateThresholds(await searcher.sample(sampled), searcher, options.rate, signal);
  if (estimated === undefined)
    throw new PetalfaceError(
      "PETAL_OPTION_UNFIT",
      "a threshold can be estimated where at least two people are enrolled; enrol more, or give a cosine with 'threshold'",
    );
  return estimated;
}

/** Reads thresholds from a JSON file. Throws PetalfaceError. */
export async function readThresholds(path: string): Promise<ThresholdTable> {
  const text = await readFile(path, "utf8").catch((cause: Error) => {
    throw new PetalfaceError("PETAL_RESULT_INVALID", `cannot read ${printPath(path)} (${cause.message})`, { cause });
  });
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (cause) {
    throw new PetalfaceError("PETAL_RESULT_INVALID", `${printPath(path)} is not valid JSON`, { cause });
  }
  return parseThresholds(document, printPath(path));
}
