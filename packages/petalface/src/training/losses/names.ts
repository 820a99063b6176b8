/** Names of {@link LossName}. */
export const lossNames = [
  "distil",
  "cosface",
  "distil+cosface",
  "arcface",
  "distil+arcface",
  "adaface",
  "distil+adaface",
  "magface",
  "distil+magface",
  "curricularface",
  "distil+curricularface",
  "distil+anchors",
] as const;

/**
 * What the training loss is made of: `distil`, a margin softmax (the others), or the sum of the
 * two; `distil+anchors`: with the softmax over the frozen embeddings of other faces.
 */
export type LossName = (typeof lossNames)[number];

const marginNames = [
  "cosface",
  "arcface",
  "adaface",
  "magface",
  "curricularface",
] as const satisfies readonly LossName[];

/** A margin softmax. */
export type MarginName = Exclude<LossName, `distil${string}`>;

/** Whether the loss compares with the frozen embeddings of other training faces. */
export const usesAnchors = (loss: LossName): boolean => loss === "distil+anchors";

/** Whether the loss pulls the embeddings to the frozen model's. */
export const usesDistillation = (loss: LossName): boolean => loss.startsWith("distil");

/** Whether the loss has class centres. */
export const usesMargin = (loss: LossName): boolean => loss !== "distil" && !usesAnchors(loss);

/** The margin softmax in a loss; undefined without one. */
export const marginOf = (loss: LossName): MarginName | undefined =>
  marginNames.find((name) => loss === name || loss === `distil+${name}`);
