import type { Gate, LoraInit, Method } from "../../adapters/index.ts";
import type { optimizerNames } from "../optimiser/optimizer.ts";
import { checkOptions, looksAtBatch } from "./check-options.ts";
import {
  type arcGradientNames,
  type baseNames,
  type batchNormNames,
  type calibrationNames,
  type decayNames,
  type firstStepNames,
  type LossName,
  marginOf,
  type presetNames,
} from "./option-names.ts";
import { presets, referenceOf } from "./presets.ts";

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
  /**
   * Share of the numbers that an adapter adds to its layer (a product) that are silent in a step, drawn for each number and part of the gate;
   * the others are multiplied by 1 / (1 - share). 0 while embedding and in exports.
   */
  readonly outputDropout: number;
  /** Which layers are adapted ({@link selectSites}). */
  readonly sites: string;
  /** Which of them have an adapter without a gate, of one part's rank; empty for none. */
  readonly ungated: string;
  /** What the adapters start from ({@link initialTheta}). */
  readonly loraInit: LoraInit;
  /**
   * `train`: batch normalisations work with the statistics of their batch, and the running ones, which embedding then uses, follow it. They are saved
   * with the adapter. `frozen`: they stay as they are.
   */
  readonly batchNorm: (typeof batchNormNames)[number];
  /** Largest share of the images that a residual branch leaves out in a step; it rises linearly from 0 over the blocks (stochastic depth). */
  readonly dropPath: number;
  /** Share of the numbers that the last product does not see in a step. */
  readonly featureDropout: number;
  /** Share of the tokens that do not pass through the blocks in a step: vision transformers of `petalface import` only. */
  readonly tokenMasking: number;
  readonly loss: LossName;
  /** Factor of the distillation loss `1 - cos`. */
  readonly distilWeight: number;
  /** Margin at the label: of CosFace (m3) on the cosine, of ArcFace (m2) and CurricularFace on the angle in radians, of AdaFace (m) on both. */
  readonly margin: number;
  /** Gradient of ArcFace's margin: `true`, or `straight-through`, which the released code has. */
  readonly arcGradient: (typeof arcGradientNames)[number];
  /** Scale of the cosines in the softmax. */
  readonly logitScale: number;
  /** Least probability that a margin loss counts, which bounds it at `-log`; its gradient is as without. 0 for none. */
  readonly lossFloor: number;
  /** AdaFace: deviations of the embedding's length, as a share, that its margin changes over (the paper's h). */
  readonly concentration: number;
  /** MagFace: lengths of the embedding between which its margin grows, and the margins there. */
  readonly magnitudes: readonly number[];
  readonly magnitudeMargins: readonly number[];
  /** MagFace: factor of the term that rewards length. */
  readonly magnitudeWeight: number;
  /** AdaFace, CurricularFace: share of a batch's statistics in the running ones. */
  readonly lossMomentum: number;
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
  /** The same in epochs; 0 leaves it to `warmup`. */
  readonly warmupEpochs: number;
  /** `warm`: the rate rises from the first step on. `full`: the first step has the peak rate, the rise begins with the second (the released code). */
  readonly firstStep: (typeof firstStepNames)[number];
  /** How the learning rate falls to zero after that. */
  readonly decay: (typeof decayNames)[number];
  /** Largest L2 norm of the gradient of theta. */
  readonly clip: number;
  /** Images of a step. */
  readonly batch: number;
  /** Parts that a step's images are computed in, one after the other: less memory, the same step up to rounding. Divides `batch`. */
  readonly accumulate: number;
  /** Numbers of the frozen weights while training: `int8` rounds the large products of the training graph (docs/speed.md). */
  readonly base: (typeof baseNames)[number];
  readonly epochs: number;
  /** An epoch ends with its last whole batch; the faces left over sit it out. */
  readonly dropLast: boolean;
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

/** Choices on top of a preset; what is left out or undefined is the preset's. */
export type TrainingChoices = { readonly [K in keyof TrainingOptions]?: TrainingOptions[K] | undefined };

/** What SGD starts from instead of AdamW's numbers: insightface's recipe for margin softmax. Not tuned here. */
const sgdDefaults = { learningRate: 0.1, weightDecay: 5e-4 };

/**
 * A preset with the user's own choices on top; checked. Throws PetalfaceError (wrong usage) for a choice out of range.
 * @param family of an imported network: the released code trains each in its own way, and so does the preset `reference`
 */
export function trainingOptions(choices: TrainingChoices = {}, family?: string): TrainingOptions {
  const given = Object.fromEntries(Object.entries(choices).filter(([, value]) => value !== undefined));
  const preset = presets[choices.preset ?? "petal"] ?? presets.petal;
  const base = {
    ...preset,
    ...(preset.preset === "reference" && referenceOf(family)),
    ...(choices.optimizer === "sgd" && sgdDefaults),
    ...(onAngle(choices.loss ?? preset.loss) && { margin: 0.5 }),
    ...(choices.warmup !== undefined && { warmupEpochs: 0 }),
  };
  // Whole networks move far with the adapters' learning rate: the frozen knowledge is in their weights, not beside them.
  const method = choices.method ?? base.method;
  const rate = method === "lora" ? base.learningRate : base.learningRate / 4;
  const options = { ...base, learningRate: rate, ...given } as TrainingOptions;
  const whole = options.preset === "reference" || looksAtBatch(options).length > 0 || "accumulate" in given;
  const chosen = whole ? options : { ...options, accumulate: fewImages(options.batch) };
  checkOptions(chosen);
  return chosen;
}

/** Most and fewest images of a part that a batch is cut into unless told otherwise. */
const partImages = { most: 8, fewest: 4 } as const;

/**
 * Parts that leave few images at once: what a convolutional network computes of eight faces stays in the processor's caches. Against 32 at once a step is
 * 1.2 times as fast and takes half the memory (docs/speed.md).
 */
function fewImages(batch: number): number {
  for (let images = partImages.most; images >= partImages.fewest; images--)
    if (batch % images === 0) return batch / images;
  return 1;
}

/** The factor on the adapter's output that the options mean, rank counted over all parts of the gate. */
export const adapterScale = (options: Pick<TrainingOptions, "scale" | "rank" | "rankStable">): number =>
  options.rankStable ? options.scale / Math.sqrt(options.rank) : options.scale;

/** Losses whose margin of 0.5 is on the angle. */
const onAngle = (loss: LossName): boolean => ["arcface", "curricularface"].includes(marginOf(loss) ?? "");
