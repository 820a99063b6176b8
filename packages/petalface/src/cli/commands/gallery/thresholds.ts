import { PetalfaceError } from "../../../errors.ts";
import {
  type ChosenThresholds,
  estimateThresholds,
  type GallerySearcher,
  singleThreshold,
} from "../../../gallery/index.ts";
import type { CliContext } from "../../context.ts";
import { readThresholds } from "./create.ts";

/** Options that say from which cosine on a face is a person's. */
export interface ThresholdFlags {
  readonly threshold?: number;
  readonly thresholds?: string;
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
  flags: ThresholdFlags,
  { signal }: Pick<CliContext, "signal">,
): Promise<ChosenThresholds> {
  if (flags.threshold !== undefined) return { kind: "given", table: singleThreshold(flags.threshold) };
  if (flags.thresholds !== undefined) return { kind: "given", table: await readThresholds(flags.thresholds) };
  if (stored !== null) return { kind: "stored", table: stored };
  const estimated = await estimateThresholds(await searcher.sample(sampled), searcher, flags.rate, signal);
  if (estimated === undefined)
    throw new PetalfaceError(
      "PETAL_OPTION_UNFIT",
      "a threshold can be estimated where at least two people are enrolled; enrol more, or give --threshold COSINE",
    );
  return estimated;
}

/** One line on thresholds and where they come from. */
export function describeThresholds({ kind, table, faces, smallestRate = 0 }: ChosenThresholds): string {
  const rows = table.rows.map(
    ({ alpha: [from, to], cosine }) =>
      `${cosine === null ? "none" : cosine.toFixed(3)}${from === 0 && to === 1 ? "" : ` for alpha ${from} to ${to}`}`,
  );
  const source = {
    given: "as given",
    stored: "stored in the gallery",
    estimated: `estimated on ${faces} enrolled faces for a false-positive rate of ${table.rate}`,
  }[kind];
  const few =
    kind === "estimated" && smallestRate > (table.rate ?? 1)
      ? `; so few faces can only show ${smallestRate.toPrecision(2)}, so their highest cosine counts`
      : "";
  return `thresholds: ${rows.join(", ")} (${source}${few})`;
}
