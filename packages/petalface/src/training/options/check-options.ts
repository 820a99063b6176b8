import { gateNames, gateParts, loraInitNames, methodNames } from "../../adapters/index.ts";
import { PetalfaceError } from "../../errors.ts";
import { isGiven } from "../../quality/index.ts";
import { optimizerNames } from "../optimiser/optimizer.ts";
import { degradationOf } from "./degradation.ts";
import {
  arcGradientNames,
  baseNames,
  batchNormNames,
  calibrationNames,
  decayNames,
  firstStepNames,
  lossNames,
  marginOf,
  presetNames,
  usesMargin,
} from "./option-names.ts";
import type { TrainingOptions } from "./options.ts";

/** Throws PetalfaceError (wrong usage) for an option out of range, or that does not go with another. */
export function checkOptions(options: TrainingOptions): void {
  const fail = (what: string): never => {
    throw new PetalfaceError(what, { exitCode: 2 });
  };
  const oneOf = (name: string, value: string, names: readonly string[]): void => {
    if (!names.includes(value)) fail(`--${name} is one of ${names.join(", ")}, not "${value}"`);
  };
  const within = (name: string, value: number, low: number, high: number, whole = false): void => {
    if (!(value >= low && value <= high) || (whole && !Number.isInteger(value)))
      fail(`--${name} is a ${whole ? "whole " : ""}number from ${low} to ${high}, not ${value}`);
  };
  const rising = (name: string, values: readonly number[], low: number, high: number): void => {
    const [from = Number.NaN, to = Number.NaN] = values;
    if (values.length !== 2 || !(from >= low && from < to && to <= high))
      fail(`--${name} is two rising numbers LOW,HIGH from ${low} to ${high}, not ${values.join()}`);
  };
  oneOf("preset", options.preset, presetNames);
  oneOf("method", options.method, methodNames);
  oneOf("gate", options.gate, gateNames);
  oneOf("loss", options.loss, lossNames);
  oneOf("calibration", options.calibration, calibrationNames);
  oneOf("decay", options.decay, decayNames);
  oneOf("arc-gradient", options.arcGradient, arcGradientNames);
  oneOf("base", options.base, baseNames);
  oneOf("optimizer", options.optimizer, optimizerNames);
  oneOf("lora-init", options.loraInit, loraInitNames);
  oneOf("batch-norm", options.batchNorm, batchNormNames);
  oneOf("first-step", options.firstStep, firstStepNames);
  const { alphaRange, alphaThreshold } = options;
  if (alphaRange.length !== 0 && (alphaRange.length !== 2 || alphaRange[0] === alphaRange[1]))
    fail(`--alpha-range is two different scores, LOW,HIGH, at which alpha is 0 and 1; not ${alphaRange.join()}`);
  if (!alphaRange.every(Number.isFinite)) fail(`--alpha-range ${alphaRange.join()} is not finite`);
  if (alphaThreshold !== undefined) {
    if (!Number.isFinite(alphaThreshold)) fail(`--alpha-threshold ${alphaThreshold} is not finite`);
    if (options.calibration !== "paper")
      fail("--alpha-threshold belongs to --calibration paper; give --alpha-range LOW,HIGH");
  }
  if (alphaRange.length > 0 && options.calibration === "paper")
    fail("--alpha-range is clamped, --calibration paper is not; give --alpha-threshold");
  if (isGiven(options.quality) && options.calibration === "paper" && options.sharpShare < 1)
    fail(
      "--quality external has no score for faces that training makes worse, and --calibration paper none to take its place; give --sharp-share 1, or --alpha-range",
    );
  within("rank", options.rank, 1, 4096, true);
  if (options.rank % gateParts(options.gate) !== 0)
    fail(`--gate ${options.gate} halves the rank; --rank ${options.rank} is odd`);
  within("scale", options.scale, 0, 1e3);
  for (const name of ["dropout", "outputDropout"] as const) {
    const flag = name === "dropout" ? "dropout" : "output-dropout";
    within(flag, options[name], 0, 0.95);
    if (options[name] > 0 && options.method !== "lora")
      fail(`--${flag} needs adapters: it works with --method lora only`);
  }
  within("drop-path", options.dropPath, 0, 0.95);
  within("feature-dropout", options.featureDropout, 0, 0.95);
  within("token-masking", options.tokenMasking, 0, 0.95);
  within("margin", options.margin, 0, 1);
  within("classes-per-step", options.classesPerStep, 2, 1e6, true);
  within("centre-faces", options.centreFaces, 0, 1000, true);
  within("momentum", options.momentum, 0, 0.9999);
  within("logit-scale", options.logitScale, 1, 1e3);
  within("loss-floor", options.lossFloor, 0, 0.1);
  within("concentration", options.concentration, 0, 100);
  rising("magnitudes", options.magnitudes, 1e-3, 1e6);
  rising("magnitude-margins", options.magnitudeMargins, 0, 1.5);
  within("magnitude-weight", options.magnitudeWeight, 0, 1e6);
  within("loss-momentum", options.lossMomentum, 0, 1);
  within("distil-weight", options.distilWeight, 0, 1e4);
  within("lr", options.learningRate, 0, 10);
  within("weight-decay", options.weightDecay, 0, 1);
  within("warmup", options.warmup, 0, 1);
  within("warmup-epochs", options.warmupEpochs, 0, 1e6);
  within("clip", options.clip, Number.MIN_VALUE, Number.MAX_VALUE);
  within("batch", options.batch, 1, 4096, true);
  within("accumulate", options.accumulate, 1, options.batch, true);
  if (options.batch % options.accumulate !== 0)
    fail(`--accumulate ${options.accumulate} does not divide --batch ${options.batch}`);
  for (const what of looksAtBatch(options))
    if (options.batch === options.accumulate)
      fail(`${what} takes statistics over the images of a part: give --accumulate less than --batch ${options.batch}`);
  if (usesMargin(options.loss) && options.classesPerStep < options.batch)
    fail(
      `--classes-per-step ${options.classesPerStep} is less than --batch ${options.batch}: every face needs its class`,
    );
  within("epochs", options.epochs, 0.001, 1e6);
  within("val-every", options.validateEvery, 0, 1e9, true);
  within("patience", options.patience, 0, 1e6, true);
  within("checkpoint-seconds", options.checkpointSeconds, 0, 1e6);
  within("seed", options.seed, 0, Number.MAX_SAFE_INTEGER, true);
  within("sharp-share", options.sharpShare, 0, 1);
  if (options.lrPixels.length === 0) fail("--lr-pixels needs at least one number");
  for (const pixels of options.lrPixels) within("lr-pixels", pixels, 2, 4096, true);
  degradationOf(options);
  within("variants", options.variants, 0, 10_000, true);
  if (options.variants > 0 && options.batchNorm === "train")
    fail("--variants keeps what frozen layers make of a face, and with --batch-norm train that changes with its batch");
}

/** What takes statistics over the images that are computed together, so that parts of a batch are not the batch. */
export const looksAtBatch = (options: Pick<TrainingOptions, "batchNorm" | "loss">): string[] => [
  ...(options.batchNorm === "train" ? ["--batch-norm train"] : []),
  ...(marginOf(options.loss) === "adaface" ? ["AdaFace"] : []),
];
