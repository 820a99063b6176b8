import { type Gate, gateNames, gateParts, type Method, methodNames } from "../adapters/index.ts";
import { PetalfaceError } from "../errors.ts";

/** What the training loss is made of: `distil`, `cosface`, or their sum. */
export type LossName = "distil" | "cosface" | "distil+cosface";

/** Names of {@link LossName}. */
export const lossNames = ["distil", "cosface", "distil+cosface"] as const;

/** Names of the sources of a calibration. */
export const calibrationNames = ["auto", "fit", "photos"] as const;

/** Names of the presets. */
export const presetNames = ["petal", "paper"] as const;

/** Every choice of a training run; stored whole in `run.json`. */
export interface TrainingOptions {
  readonly preset: (typeof presetNames)[number];
  readonly method: Method;
  readonly gate: Gate;
  /** Rank channels of each site, all parts of the gate together. */
  readonly rank: number;
  /** Factor on the adapter's output. */
  readonly scale: number;
  /** Which layers are adapted ({@link selectSites}). */
  readonly sites: string;
  readonly loss: LossName;
  /** Factor of the distillation loss `1 - cos`. */
  readonly distilWeight: number;
  /** CosFace margin m3. */
  readonly margin: number;
  /** Scale of the cosines in the softmax. */
  readonly logitScale: number;
  /** Quality measure that alpha comes from. */
  readonly quality: string;
  /** Where alpha's range comes from: fitted on the training faces, or known from photos; `auto` fits unless the faces are synthetic. */
  readonly calibration: (typeof calibrationNames)[number];
  readonly learningRate: number;
  /** Decoupled weight decay of AdamW. */
  readonly weightDecay: number;
  /** Share of the steps over which the learning rate rises to its peak. */
  readonly warmup: number;
  /** How the learning rate falls to zero after that. */
  readonly decay: "cosine" | "polynomial";
  /** Largest L2 norm of the gradient of theta. */
  readonly clip: number;
  readonly batch: number;
  readonly epochs: number;
  readonly seed: number;
  /** Share of the training images that stay sharp. */
  readonly sharpShare: number;
  /** Low resolutions that training draws from, in pixels. */
  readonly lrPixels: readonly number[];
  /** Mirror half of the images. */
  readonly flip: boolean;
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
  sites: "default",
  loss: "distil",
  distilWeight: 20,
  margin: 0.4,
  logitScale: 64,
  quality: "sharpness",
  calibration: "auto",
  learningRate: 4e-3,
  weightDecay: 0.05,
  warmup: 0.06,
  decay: "cosine",
  clip: 5,
  batch: 32,
  epochs: 3,
  seed: 0,
  sharpShare: 0.05,
  lrPixels: [8, 10, 12, 14, 16, 20, 24],
  flip: true,
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

/** A preset with the user's own choices on top; checked. Throws PetalfaceError (wrong usage) for a choice out of range. */
export function trainingOptions(choices: TrainingChoices = {}): TrainingOptions {
  const given = Object.fromEntries(Object.entries(choices).filter(([, value]) => value !== undefined));
  const base = choices.preset === "paper" ? paper : petal;
  // Whole networks move far with the adapters' learning rate: the frozen knowledge is in their weights, not beside them.
  const method = choices.method ?? base.method;
  const rate = method === "lora" ? base.learningRate : base.learningRate / 4;
  const options = { ...base, learningRate: rate, ...given } as TrainingOptions;
  check(options);
  return options;
}

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
  within("rank", options.rank, 1, 4096, true);
  if (options.rank % gateParts(options.gate) !== 0)
    fail(`--gate ${options.gate} halves the rank; --rank ${options.rank} is odd`);
  within("scale", options.scale, 0, 1e3);
  within("margin", options.margin, 0, 1);
  within("logit-scale", options.logitScale, 1, 1e3);
  within("distil-weight", options.distilWeight, 0, 1e4);
  within("lr", options.learningRate, 0, 10);
  within("weight-decay", options.weightDecay, 0, 1);
  within("warmup", options.warmup, 0, 1);
  within("clip", options.clip, Number.MIN_VALUE, Number.MAX_VALUE);
  within("batch", options.batch, 1, 4096, true);
  within("epochs", options.epochs, 0.001, 1e6);
  within("seed", options.seed, 0, Number.MAX_SAFE_INTEGER, true);
  within("sharp-share", options.sharpShare, 0, 1);
  if (options.lrPixels.length === 0) fail("--lr-pixels needs at least one number");
  for (const pixels of options.lrPixels) within("lr-pixels", pixels, 2, 4096, true);
}
