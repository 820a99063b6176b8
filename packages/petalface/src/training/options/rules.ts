import { gateParts } from "../../adapters/index.ts";
import { isGiven } from "../../quality/index.ts";
import { marginOf, usesMargin } from "../losses/names.ts";
import type { TrainingOptions } from "./presets.ts";

/**
 * What takes statistics over the images that are computed together, so that parts of a batch are
 * not the batch.
 */
export const looksAtBatch = (options: Pick<TrainingOptions, "batchNorm" | "loss">): string[] => [
  ...(options.batchNorm === "train" ? ["'batchNorm=train'"] : []),
  ...(marginOf(options.loss) === "adaface" ? ["AdaFace"] : []),
];

/**
 * Says what is wrong with options that are each in range but do not go together; undefined if
 * nothing is.
 */
export type OptionRule = (options: TrainingOptions) => string | undefined;

/** Which options do not go together. */
export const optionRules: readonly OptionRule[] = [
  ({ alphaThreshold, calibration }) =>
    alphaThreshold !== undefined && calibration !== "paper"
      ? "'alphaThreshold' belongs to 'calibration=paper'; give 'alphaRange=LOW,HIGH'"
      : undefined,
  ({ alphaRange, calibration }) =>
    alphaRange.length > 0 && calibration === "paper"
      ? "'alphaRange' is clamped, 'calibration=paper' is not; give 'alphaThreshold'"
      : undefined,
  ({ quality, calibration, sharpShare }) =>
    isGiven(quality) && calibration === "paper" && sharpShare < 1
      ? "'quality=external' has no score for faces that training degrades, and 'calibration=paper' has no default for it; give 'sharpShare=1', or 'alphaRange'"
      : undefined,
  ({ gate, rank }) =>
    rank % gateParts(gate) === 0 ? undefined : `'gate=${gate}' halves the rank; 'rank=${rank}' is odd`,
  ({ method, gate }) =>
    method === "dora" && gate !== "single" ? "'method=dora' has no gate: leave out 'gate'" : undefined,
  ({ method, upRate }) =>
    upRate !== 1 && method !== "lora" && method !== "dora"
      ? "'upRate' is of up projections: it works with 'method=lora' and 'method=dora' only"
      : undefined,
  ({ method, dropout }) =>
    dropout > 0 && method !== "lora" ? "'dropout' needs adapters: it works with 'method=lora' only" : undefined,
  ({ method, outputDropout }) =>
    outputDropout > 0 && method !== "lora"
      ? "'outputDropout' needs adapters: it works with 'method=lora' only"
      : undefined,
  ({ batch, accumulate }) =>
    batch % accumulate === 0 ? undefined : `'accumulate=${accumulate}' does not divide 'batch=${batch}'`,
  (options) => {
    const { batch, accumulate } = options;
    const [what] = looksAtBatch(options);
    return what !== undefined && batch === accumulate
      ? `${what} takes statistics over the images of a part: give 'accumulate' less than 'batch=${batch}'`
      : undefined;
  },
  ({ loss, classesPerStep, batch }) =>
    usesMargin(loss) && classesPerStep < batch
      ? `'classesPerStep=${classesPerStep}' is less than 'batch=${batch}': every face needs its class`
      : undefined,
  ({ variants, batchNorm }) =>
    variants > 0 && batchNorm === "train"
      ? "'variants' keeps the output of frozen layers for each face, but with 'batchNorm=train' it depends on the batch"
      : undefined,
];
