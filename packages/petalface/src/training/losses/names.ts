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
] as const;

/** What the training loss is made of: `distil`, a margin softmax (the others), or the sum of the two. */
export type LossName = (typeof lossNames)[number];

/** A margin softmax. */
export type MarginName = Exclude<LossName, `distil${string}`>;

/** Whether the loss pulls the embeddings to the frozen model's. */
export const usesDistillation = (loss: LossName): boolean => loss.startsWith("distil");

/** Whether the loss has class centres. */
export const usesMargin = (loss: LossName): boolean => loss !== "distil";

/** The margin softmax in a loss; undefined without one. */
export const marginOf = (loss: LossName): MarginName | undefined =>
  usesMargin(loss) ? (loss.replace("distil+", "") as MarginName) : undefined;
