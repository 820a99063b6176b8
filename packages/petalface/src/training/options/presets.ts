import type { TrainingOptions } from "./options.ts";

/** docs/method.md, 4: what we know to be best. */
const petal: TrainingOptions = {
  preset: "petal",
  method: "lora",
  gate: "low",
  rank: 16,
  scale: 1,
  rankStable: false,
  dropout: 0,
  outputDropout: 0,
  sites: "default",
  ungated: "",
  loraInit: "uniform",
  batchNorm: "frozen",
  dropPath: 0,
  featureDropout: 0,
  tokenMasking: 0,
  loss: "distil",
  distilWeight: 20,
  margin: 0.4,
  arcGradient: "true",
  logitScale: 64,
  lossFloor: 0,
  concentration: 0.333,
  magnitudes: [10, 110],
  magnitudeMargins: [0.45, 0.8],
  magnitudeWeight: 35,
  lossMomentum: 0.01,
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
  warmupEpochs: 0,
  firstStep: "warm",
  decay: "cosine",
  clip: 5,
  batch: 32,
  accumulate: 1,
  base: "float32",
  epochs: 3,
  dropLast: false,
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

/** docs/method.md, 4: the twin form with a margin softmax, as the paper means it. */
const paper: TrainingOptions = {
  ...petal,
  preset: "paper",
  gate: "twin",
  loss: "cosface",
  weightDecay: 0.1,
  decay: "polynomial",
};

/**
 * docs/method.md, 5: the released code's training of the Swin network on TinyFace, option by option. Its eight workers of eight images are the
 * parts of a batch: each normalises by its own statistics.
 */
const reference: TrainingOptions = {
  ...paper,
  preset: "reference",
  sites: "qkv,head",
  ungated: "head",
  loraInit: "trunc-normal",
  outputDropout: 0.1,
  batchNorm: "train",
  dropPath: 0.05,
  featureDropout: 0.25,
  arcGradient: "straight-through",
  lossFloor: 1e-30,
  calibration: "paper",
  classesPerStep: 1e6,
  centreFaces: 0,
  learningRate: 5e-4,
  warmupEpochs: 2,
  firstStep: "full",
  batch: 64,
  accumulate: 8,
  epochs: 40,
  dropLast: true,
  sharpShare: 1,
};

/** Where the released code trains another family of networks in another way than Swin. */
export function referenceOf(family: string | undefined): Partial<TrainingOptions> {
  switch (family) {
    case "vit":
      return { dropPath: 0.1, featureDropout: 0, tokenMasking: 0.1 };
    case "iresnet":
      // Plain adapters on every convolution and the last layer.
      return { gate: "single", rank: 8, sites: "all", ungated: "", loraInit: "normal", dropPath: 0, featureDropout: 0 };
    default:
      return {};
  }
}

/** The presets: each says every option. */
export const presets: Readonly<Record<TrainingOptions["preset"], TrainingOptions>> = { petal, paper, reference };
