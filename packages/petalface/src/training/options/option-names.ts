/** Names of {@link LossName}. */
export const lossNames = [
  ...["distil", "cosface", "distil+cosface", "arcface", "distil+arcface", "adaface", "distil+adaface"],
  ...["magface", "distil+magface", "curricularface", "distil+curricularface"],
] as const;

/** What the training loss is made of: `distil`, a margin softmax (the others), or the sum of the two. */
export type LossName = (typeof lossNames)[number];

/** A margin softmax. */
export type MarginName = Exclude<LossName, `distil${string}`>;

/** Names of the gradients that ArcFace can have: its own, or the one of the released code. */
export const arcGradientNames = ["true", "straight-through"] as const;

/** Names of the numbers that frozen weights can have while training. */
export const baseNames = ["float32", "int8"] as const;

/** Names of the sources of a calibration. */
export const calibrationNames = ["auto", "fit", "photos", "paper"] as const;

/** Names of the presets. */
export const presetNames = ["petal", "paper", "reference"] as const;

/** Names of the ways that batch normalisations behave in training. */
export const batchNormNames = ["frozen", "train"] as const;

/** Names of the rates that the first step may have. */
export const firstStepNames = ["warm", "full"] as const;

/** Names of the ways the learning rate may fall. */
export const decayNames = ["cosine", "polynomial"] as const;

/** Whether the loss pulls the embeddings to the frozen model's. */
export const usesDistillation = (loss: LossName): boolean => loss.startsWith("distil");

/** Whether the loss has class centres. */
export const usesMargin = (loss: LossName): boolean => loss !== "distil";

/** The margin softmax in a loss; undefined without one. */
export const marginOf = (loss: LossName): MarginName | undefined =>
  usesMargin(loss) ? (loss.replace("distil+", "") as MarginName) : undefined;
