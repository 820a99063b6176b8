import { gateNames, loraInitNames, methodNames } from "../../adapters/index.ts";
import { parseDegradation } from "../../images/portable.ts";
import { leastResolutionSize, measureNames } from "../../quality/index.ts";
import { lossNames } from "../losses/names.ts";
import { optimizerNames } from "../optimiser/optimizer.ts";
import {
  choice,
  type GroupName,
  number,
  type OptionSpec,
  optionalNumber,
  positive,
  rising,
  scores,
  text,
  toggle,
  whole,
  wholes,
} from "./kinds.ts";

/** Largest share that may be dropped in a step. */
const mostDropped = 0.95;

/**
 * Names of the presets. `petal`: docs/method.md, 4; `paper`: twin adapters with a margin softmax;
 * `reference`: the released code.
 */
export const presetNames = ["petal", "paper", "reference"] as const;

/**
 * How adapters are built. `reference` is the released code's training of the Swin network on
 * TinyFace, option by option (docs/method.md, 5), and for `vit` and `iresnet` that of those
 * networks.
 */
const adapter = {
  method: choice(
    "--method <name>",
    methodNames,
    "lora",
    "what is trained: adapters, every weight, the last layer, biases and scales of normalisations, or DoRA's adapters",
  ),
  gate: choice("--gate <name>", gateNames, "low", "how alpha weights the adapter", {
    paper: "twin",
    reference: "twin",
    iresnet: "single",
  }),
  /** Rank channels of each site, all parts of the gate together. */
  rank: whole("--rank <n>", [1, 4096], 32, "rank channels of each adapted layer, all parts of the gate together", {
    paper: 16,
    reference: 16,
    iresnet: 8,
    main: true,
  }),
  scale: number("--scale <x>", [0, 1e3], 1, "factor on the adapter's output"),
  /** rsLoRA (Kalajdzievski 2023, arXiv 2312.03732): one `scale` then suits every rank. */
  rankStable: toggle("--rank-stable", false, "rsLoRA: divide --scale by the square root of the rank"),
  /**
   * Drawn for each image and layer; the other channels are multiplied by 1 / (1 - share), which
   * keeps the mean. 0 outside training.
   */
  dropout: number("--dropout <share>", [0, mostDropped], 0, "share of the rank channels that a step sets to 0"),
  /**
   * Drawn for each number and part of the gate; the others are multiplied by 1 / (1 - share). 0
   * outside training.
   */
  outputDropout: number(
    "--output-dropout <share>",
    [0, mostDropped],
    0,
    "share of an adapter's output (on products) that a step sets to 0",
    { reference: 0.1 },
  ),
  /**
   * The largest share of the images; it rises linearly from 0 over the blocks (stochastic depth).
   */
  dropPath: number(
    "--drop-path <share>",
    [0, mostDropped],
    0,
    "share of the images for which a step leaves out the last residual branch; earlier branches less often",
    { reference: 0.05, vit: 0.1, iresnet: 0 },
  ),
  featureDropout: number(
    "--feature-dropout <share>",
    [0, mostDropped],
    0,
    "share of the last product's input that a step sets to 0",
    { reference: 0.25, vit: 0, iresnet: 0 },
  ),
  /** Vision transformers of `petalface import` only. */
  tokenMasking: number(
    "--token-masking <share>",
    [0, mostDropped],
    0,
    "share of the tokens that skip a vision transformer's blocks in a step",
    { vit: 0.1 },
  ),
  /** Which layers are adapted ({@link selectSites}). */
  sites: text(
    "--sites <pattern>",
    "default",
    "layers to adapt: default, all, pointwise, conv, linear, qkv, head, or names with *",
    { reference: "qkv,head", iresnet: "all" },
  ),
  ungated: text(
    "--ungated <pattern>",
    "",
    "layers among --sites whose adapter has no gate; they have the rank of one part",
    { reference: "head", iresnet: "" },
  ),
  /** What the adapters start from ({@link initialTheta}). */
  loraInit: choice("--lora-init <name>", loraInitNames, "uniform", "initial values of the adapters", {
    reference: "trunc-normal",
    iresnet: "normal",
  }),
  /**
   * `train`: with the statistics of the batch; the running ones follow, are saved with the adapter,
   * and embedding uses them.
   */
  batchNorm: choice(
    "--batch-norm <form>",
    ["frozen", "train"],
    "frozen",
    "whether batch normalisations stay frozen or train",
    { reference: "train" },
  ),
} as const;

const alpha = {
  quality: text(
    "--quality <name>",
    "auto",
    `quality measure that alpha comes from: auto (resolution, or sharpness for inputs below ${leastResolutionSize} px), ${measureNames.join(", ")}; weights as in brisque:model=FILE,range=FILE`,
    { paper: "sharpness", reference: "sharpness" },
  ),
  /**
   * Fitted on the training faces, or known from photos; `auto` fits unless the faces are synthetic.
   * `paper`: the released code's rule.
   */
  calibration: choice(
    "--calibration <source>",
    ["auto", "fit", "photos", "paper"],
    "auto",
    "where alpha's range comes from; auto fits it unless the faces are synthetic",
    { reference: "paper" },
  ),
  alphaRange: scores(
    "--alpha-range <low,high>",
    "scores at which alpha is 0 and 1, instead of fitted ones",
    "is two different scores, LOW,HIGH, at which alpha is 0 and 1",
  ),
  alphaThreshold: optionalNumber("--alpha-threshold <score>", "score at which --calibration paper has alpha 0.5"),
} as const;

const loss = {
  loss: choice("--loss <name>", lossNames, "distil+anchors", "training loss", {
    paper: "cosface",
    reference: "cosface",
  }),
  /** Factor of `1 - cos`. */
  distilWeight: number("--distil-weight <x>", [0, 1e4], 20, "factor on the distillation loss"),
  /**
   * Of CosFace (m3) on the cosine, of ArcFace (m2) and CurricularFace on the angle in radians, of
   * AdaFace (m) on both.
   */
  margin: number("--margin <x>", [0, 1], 0.4, "margin of CosFace, AdaFace, ArcFace and CurricularFace", {
    defaultText: "0.4; ArcFace and CurricularFace 0.5",
  }),
  arcGradient: choice(
    "--arc-gradient <name>",
    ["true", "straight-through"],
    "true",
    "ArcFace's own gradient, or the released code's",
    { reference: "straight-through" },
  ),
  logitScale: number("--logit-scale <x>", [1, 1e3], 64, "factor on the cosines of a margin loss"),
  /** It bounds the loss at `-log`; its gradient is as without. 0 for none. */
  lossFloor: number("--loss-floor <p>", [0, 0.1], 0, "smallest probability that a margin loss counts; 0: no floor", {
    reference: 1e-30,
  }),
  /** The paper's h. */
  concentration: number(
    "--concentration <x>",
    [0, 100],
    0.333,
    "AdaFace: factor on the normalised length that changes its margin (the paper's h)",
  ),
  magnitudes: rising(
    "--magnitudes <low,high>",
    [1e-3, 1e6],
    [10, 110],
    "MagFace: lengths of the embedding between which its margin grows",
  ),
  magnitudeMargins: rising(
    "--magnitude-margins <low,high>",
    [0, 1.5],
    [0.45, 0.8],
    "MagFace: the margins at those lengths",
  ),
  magnitudeWeight: number("--magnitude-weight <x>", [0, 1e6], 35, "MagFace: factor of the term that rewards length"),
  lossMomentum: number(
    "--loss-momentum <share>",
    [0, 1],
    0.01,
    "AdaFace, CurricularFace: weight of a batch in the running statistics",
  ),
  anchors: whole(
    "--anchors <n>",
    [2, 1e5],
    4096,
    "distil+anchors: training faces whose frozen embeddings are the others",
  ),
  anchorScale: number("--anchor-scale <x>", [0.1, 40], 16, "distil+anchors: factor on the cosines"),
  anchorWeight: number("--anchor-weight <x>", [0, 1e4], 1, "distil+anchors: factor on the softmax"),
  /** Partial FC (An et al., CVPR 2022). */
  classesPerStep: whole(
    "--classes-per-step <n>",
    [2, 1e6],
    4096,
    "class centres in a step; with more people a part is sampled (Partial FC)",
    { reference: 1e6 },
  ),
  centreFaces: whole(
    "--centre-faces <n>",
    [0, 1000],
    4,
    "faces of each person whose mean its class centre starts as; 0: random centres",
    { reference: 0 },
  ),
} as const;

const optimiser = {
  optimizer: choice("--optimizer <name>", optimizerNames, "adamw", "optimiser"),
  learningRate: number("--lr <x>", [0, 10], 1e-3, "peak learning rate; --resume may change it", {
    paper: 4e-3,
    reference: 5e-4,
    main: true,
    defaultText: "0.001; paper 0.004; reference 5e-4; sgd 0.1; 1/8 with --method full, 1/2 with head",
  }),
  /** LoRA+ (Hayou et al. 2024, arXiv 2402.12354): `down` has the rate itself. */
  upRate: number("--up-rate <factor>", [1e-3, 1e3], 1, "LoRA+: factor on the learning rate of the up projections"),
  /** Decoupled from the gradient in AdamW, added to it in SGD, as in PyTorch. */
  weightDecay: number("--weight-decay <x>", [0, 1], 0.05, "weight decay, decoupled in AdamW", {
    paper: 0.1,
    reference: 0.1,
    defaultText: "0.05; paper, reference 0.1; sgd 5e-4",
  }),
  momentum: number("--momentum <share>", [0, 0.9999], 0.9, "SGD: share of the velocity that stays"),
  nesterov: toggle("--nesterov", false, "SGD: look ahead along the velocity"),
  warmup: number("--warmup <share>", [0, 1], 0.06, "share of the steps with rising learning rate"),
  warmupEpochs: number("--warmup-epochs <n>", [0, 1e6], 0, "the same in epochs; 0 leaves it to --warmup", {
    reference: 2,
  }),
  /**
   * `full`: the first step has the peak rate and the rise begins with the second, as in the
   * released code.
   */
  firstStep: choice(
    "--first-step <rate>",
    ["warm", "full"],
    "warm",
    "whether the first step has the warm-up's rate or the peak rate",
    { reference: "full" },
  ),
  decay: choice(
    "--decay <name>",
    ["cosine", "polynomial", "none"],
    "cosine",
    "how the learning rate falls to 0; none: it stays",
    {
      paper: "polynomial",
      reference: "polynomial",
    },
  ),
  clip: positive("--clip <x>", 5, "largest L2 norm of the gradient"),
} as const;

const data = {
  /** Share of the training images that stay sharp. */
  sharpShare: number("--sharp-share <share>", [0, 1], 0.05, "share of the training images that stay sharp", {
    reference: 1,
  }),
  /** In pixels; used where `degrade` is `lr`. */
  lrPixels: wholes(
    "--lr-pixels <list>",
    [2, 4096],
    [8, 10, 12, 14, 16, 20, 24],
    "low resolutions to train on, such as 8,12,16,24",
    { main: true, conflicts: "degrade" },
  ),
  /**
   * `lr` shrinks faces to one of `lrPixels`; all else is drawn as {@link parseDegradation} reads
   * it.
   */
  degrade: text(
    "--degrade <spec>",
    "any",
    "what is done to training faces: any, cctv, phone, night, stages such as down=8-24:any,noise=0-10,jpeg=20-80, or lr: --lr-pixels only",
    { judge: (spec) => spec === "lr" || parseDegradation(spec), paper: "lr", reference: "lr" },
  ),
  flip: toggle("--no-flip", true, "do not mirror half of the training images"),
  /** What frozen layers below all adapters make of a few draws is computed once and kept. */
  variants: whole(
    "--variants <n>",
    [0, 10_000],
    0,
    "random draws of each face; the frozen first layers are computed once for each; 0: new draws every epoch",
  ),
  /** The faces left over are not used in that epoch. */
  dropLast: toggle("--drop-last", false, "end an epoch with its last whole batch", { reference: true }),
} as const;

const run = {
  preset: choice("--preset <name>", presetNames, "petal", "a set of options; any given option overrides it", {
    paper: "paper",
    reference: "reference",
    main: true,
  }),
  epochs: number("--epochs <n>", [0.001, 1e6], 4, "passes over the training faces", {
    paper: 3,
    reference: 40,
    main: true,
  }),
  batch: whole("--batch <n>", [1, 4096], 8, "images of a step", { paper: 32, reference: 64, main: true }),
  /** The same step up to rounding. Divides `batch`. */
  accumulate: whole(
    "--accumulate <n>",
    [1, 4096],
    1,
    "parts in which a step's images are computed: less memory, the same step",
    { reference: 8, defaultText: "as many as leave 4 to 8 images in a part; reference 8" },
  ),
  /** `int8` rounds the large products of the training graph (docs/speed.md). */
  base: choice(
    "--base <numbers>",
    ["float32", "int8"],
    "float32",
    "number format of the frozen weights in training; int8 is faster, with 1 to 2 % error",
  ),
  seed: whole("--seed <n>", [0, Number.MAX_SAFE_INTEGER], 0, "seed of every random choice"),
  /** Without a validation protocol nothing is measured. */
  validateEvery: whole("--val-every <n>", [0, 1e9], 0, "steps between two validations; 0: once an epoch"),
  patience: whole(
    "--patience <n>",
    [0, 1e6],
    0,
    "stop after this many validations without a better one; 0: never stop",
  ),
  /** They never take more than a twentieth of the time. */
  checkpointSeconds: number(
    "--checkpoint-seconds <x>",
    [0, 1e6],
    30,
    "seconds between two checkpoints; 0: after every step",
  ),
  tensorboard: toggle("--tensorboard", false, "write TensorBoard event files into the run's folder tensorboard"),
} as const;

/**
 * Every option of training once: its group, flag, range, default, help and what the presets have
 * instead.
 */
export const optionTable = {
  ...inGroup("adapter", adapter),
  ...inGroup("alpha", alpha),
  ...inGroup("loss", loss),
  ...inGroup("optimiser", optimiser),
  ...inGroup("data", data),
  ...inGroup("run", run),
};

/** Name of an option of training. */
export type OptionName = keyof typeof optionTable;

/** An option and its group. */
export type OptionEntry = OptionSpec<unknown> & { readonly group: GroupName };

/** The options in the order of {@link optionTable}. */
export const optionEntries: readonly (readonly [name: OptionName, entry: OptionEntry])[] = Object.entries(
  optionTable,
) as [OptionName, OptionEntry][];

/** An option's name on the command line, such as `--lr` or `--no-flip`. */
export const flagOf = (name: OptionName): string => optionTable[name].flag.replace(/ .*/, "");

function inGroup<Specs extends Readonly<Record<string, OptionSpec<unknown>>>>(
  group: GroupName,
  specs: Specs,
): { readonly [Name in keyof Specs]: Specs[Name] & { readonly group: GroupName } } {
  return Object.fromEntries(Object.entries(specs).map(([name, spec]) => [name, { ...spec, group }])) as {
    readonly [Name in keyof Specs]: Specs[Name] & { readonly group: GroupName };
  };
}
