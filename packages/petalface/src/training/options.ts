import { type Gate, gateNames, gateParts, type Method, methodNames } from "../adapters/index.ts";
import { PetalfaceError } from "../errors.ts";
import { degradationOf } from "./degradation.ts";
import { optimizerNames } from "./optimizer.ts";

/** Names of {@link LossName}. */
export const lossNames = ["distil", "cosface", "distil+cosface", "arcface", "distil+arcface"] as const;

/** What the training loss is made of: `distil`, a margin softmax (`cosface` or `arcface`), or the sum of the two. */
export type LossName = (typeof lossNames)[number];

/** Names of the gradients that ArcFace can have: its own, or the one of the released code. */
export const arcGradientNames = ["true", "straight-through"] as const;

/** Names of the sources of a calibration. */
export const calibrationNames = ["auto", "fit", "photos", "paper"] as const;

/** Names of the presets. */
export const presetNames = ["petal", "paper"] as const;

/** Every choice of a training run; stored whole in `run.json`. */
export interface TrainingOptions {
  readonly preset: (typeof presetNames)[number];
  readonly method: Method;
  readonly gate: Gate;
  /** Rank channels of each site, all parts of the gate together. */
  readonly rank: number;
  /** Factor on the adapter's output; with `rankStable` it is divided by the square root of the rank. */
  readonly scale: number;
  /** rsLoRA (Kalajdzievski 2023, arXiv 2312.03732): the factor is `scale / sqrt(rank)`, so that one `scale` suits every rank. */
  readonly rankStable: boolean;
  /**
   * Share of the rank channels that are silent in a step, drawn for each image and layer; the others are multiplied by 1 / (1 - share),
   * so that the adapter's mean output stays. 0 while embedding and in exports.
   */
  readonly dropout: number;
  /** Which layers are adapted ({@link selectSites}). */
  readonly sites: string;
  readonly loss: LossName;
  /** Factor of the distillation loss `1 - cos`. */
  readonly distilWeight: number;
  /** Margin at the label: of CosFace (m3) on the cosine, of ArcFace (m2) on the angle in radians. */
  readonly margin: number;
  /** Gradient of ArcFace's margin: `true`, or `straight-through`, which the released code has. */
  readonly arcGradient: (typeof arcGradientNames)[number];
  /** Scale of the cosines in the softmax. */
  readonly logitScale: number;
  /** Quality measure that alpha comes from. */
  readonly quality: string;
  /** Where alpha's range comes from: fitted on the training faces, or known from photos; `auto` fits unless the faces are synthetic. `paper`: the released code's rule. */
  readonly calibration: (typeof calibrationNames)[number];
  /** Scores at which alpha is 0 and 1, instead of a fitted range; empty to fit. */
  readonly alphaRange: readonly number[];
  /** With `calibration` paper: the score at which alpha is 0.5, instead of the mean of the training faces. */
  readonly alphaThreshold?: number;
  /** Class centres that take part in a step; with more classes the others rest (Partial FC, An et al., CVPR 2022). */
  readonly classesPerStep: number;
  /** Faces of each person that its class centre starts as the mean of; 0 starts from small random centres. */
  readonly centreFaces: number;
  readonly optimizer: (typeof optimizerNames)[number];
  readonly learningRate: number;
  /** Weight decay: decoupled from the gradient in AdamW, added to it in SGD, as in PyTorch. */
  readonly weightDecay: number;
  /** SGD: share of the velocity that stays. */
  readonly momentum: number;
  /** SGD: look ahead along the velocity. */
  readonly nesterov: boolean;
  /** Share of the steps over which the learning rate rises to its peak. */
  readonly warmup: number;
  /** How the learning rate falls to zero after that. */
  readonly decay: "cosine" | "polynomial";
  /** Largest L2 norm of the gradient of theta. */
  readonly clip: number;
  /** Images of a step. */
  readonly batch: number;
  /** Parts that a step's images are computed in, one after the other: less memory, the same step up to rounding. Divides `batch`. */
  readonly accumulate: number;
  readonly epochs: number;
  readonly seed: number;
  /** Share of the training images that stay sharp. */
  readonly sharpShare: number;
  /** Low resolutions that training draws from, in pixels, where `degrade` is `lr`. */
  readonly lrPixels: readonly number[];
  /** What makes training faces worse: `lr` shrinks them to one of `lrPixels`; all else is drawn as `parseDegradation` reads it. */
  readonly degrade: string;
  /**
   * Different draws (flip, degradation) of each face; 0: every epoch a new one. With a few, what frozen layers below all adapters make of them is
   * computed once and kept.
   */
  readonly variants: number;
  /** Mirror half of the images. */
  readonly flip: boolean;
  /** Steps between two validations; 0 for once an epoch. Without a validation protocol nothing is measured. */
  readonly validateEvery: number;
  /** Validations in a row without a better value after which training stops; 0 for never. */
  readonly patience: number;
  /** Least seconds between two checkpoints; 0 for one after every step. They never take more than a twentieth of the time. */
  readonly checkpointSeconds: number;
  /** Write TensorBoard event files into the run's `tensorboard/`. */
  readonly tensorboard: boolean;
}

/** Names of the ways the learning rate may fall. */
export const decayNames = ["cosine", "polynomial"] as const;

/** docs/METHOD.md, 4: what we know to be best. */
const petal: TrainingOptions = {
  preset: "petal",
  method: "lora",
  gate: "low",
  rank: 16,
  scale: 1,
  rankStable: false,
  dropout: 0,
  sites: "default",
  loss: "distil",
  distilWeight: 20,
  margin: 0.4,
  arcGradient: "true",
  logitScale: 64,
  quality: "sharpness",
  calibration: "auto",
  alphaRange: [],
  classesPerStep: 4096,
  centreFaces: 4,
  optimizer: "adamw",
  learningRate: 4e-3,
  weightDecay: 0.05,
  momentum: 0.9,
  nesterov: false,
  warmup: 0.06,
  decay: "cosine",
  clip: 5,
  batch: 32,
  accumulate: 1,
  epochs: 3,
  seed: 0,
  sharpShare: 0.05,
  lrPixels: [8, 10, 12, 14, 16, 20, 24],
  degrade: "lr",
  variants: 0,
  flip: true,
  validateEvery: 0,
  patience: 0,
  checkpointSeconds: 30,
  tensorboard: false,
};

/** docs/METHOD.md, 4: the twin form with a margin softmax, as the paper means it. */
const paper: TrainingOptions = {
  ...petal,
  preset: "paper",
  gate: "twin",
  loss: "cosface",
  weightDecay: 0.1,
  decay: "polynomial",
};

/** Choices on top of a preset; what is left out or undefined is the preset's. */
export type TrainingChoices = { readonly [K in keyof TrainingOptions]?: TrainingOptions[K] | undefined };

/** What SGD starts from instead of AdamW's numbers: insightface's recipe for margin softmax. Not tuned here. */
const sgdDefaults = { learningRate: 0.1, weightDecay: 5e-4 };

/** A preset with the user's own choices on top; checked. Throws PetalfaceError (wrong usage) for a choice out of range. */
export function trainingOptions(choices: TrainingChoices = {}): TrainingOptions {
  const given = Object.fromEntries(Object.entries(choices).filter(([, value]) => value !== undefined));
  const preset = choices.preset === "paper" ? paper : petal;
  const base = {
    ...preset,
    ...(choices.optimizer === "sgd" && sgdDefaults),
    ...(usesArcface(choices.loss ?? preset.loss) && { margin: 0.5 }),
  };
  // Whole networks move far with the adapters' learning rate: the frozen knowledge is in their weights, not beside them.
  const method = choices.method ?? base.method;
  const rate = method === "lora" ? base.learningRate : base.learningRate / 4;
  const options = { ...base, learningRate: rate, ...given } as TrainingOptions;
  check(options);
  return options;
}

/** Whether the loss pulls the embeddings to the frozen model's. */
export const usesDistillation = (loss: LossName): boolean => loss.startsWith("distil");

/** Whether the loss has class centres. */
export const usesMargin = (loss: LossName): boolean => loss !== "distil";

/** Whether its margin is on the angle. */
export const usesArcface = (loss: LossName): boolean => loss.endsWith("arcface");

/** The factor on the adapter's output that the options mean, rank counted over all parts of the gate. */
export const adapterScale = (options: Pick<TrainingOptions, "scale" | "rank" | "rankStable">): number =>
  options.rankStable ? options.scale / Math.sqrt(options.rank) : options.scale;

function check(options: TrainingOptions): void {
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
  oneOf("preset", options.preset, presetNames);
  oneOf("method", options.method, methodNames);
  oneOf("gate", options.gate, gateNames);
  oneOf("loss", options.loss, lossNames);
  oneOf("calibration", options.calibration, calibrationNames);
  oneOf("decay", options.decay, decayNames);
  oneOf("arc-gradient", options.arcGradient, arcGradientNames);
  oneOf("optimizer", options.optimizer, optimizerNames);
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
  within("rank", options.rank, 1, 4096, true);
  if (options.rank % gateParts(options.gate) !== 0)
    fail(`--gate ${options.gate} halves the rank; --rank ${options.rank} is odd`);
  within("scale", options.scale, 0, 1e3);
  within("dropout", options.dropout, 0, 0.95);
  if (options.dropout > 0 && options.method !== "lora")
    fail("--dropout needs adapters: it works with --method lora only");
  within("margin", options.margin, 0, 1);
  within("classes-per-step", options.classesPerStep, 2, 1e6, true);
  within("centre-faces", options.centreFaces, 0, 1000, true);
  within("momentum", options.momentum, 0, 0.9999);
  within("logit-scale", options.logitScale, 1, 1e3);
  within("distil-weight", options.distilWeight, 0, 1e4);
  within("lr", options.learningRate, 0, 10);
  within("weight-decay", options.weightDecay, 0, 1);
  within("warmup", options.warmup, 0, 1);
  within("clip", options.clip, Number.MIN_VALUE, Number.MAX_VALUE);
  within("batch", options.batch, 1, 4096, true);
  within("accumulate", options.accumulate, 1, options.batch, true);
  if (options.batch % options.accumulate !== 0)
    fail(`--accumulate ${options.accumulate} does not divide --batch ${options.batch}`);
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
}
