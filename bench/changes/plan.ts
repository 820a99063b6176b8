import type { TrainingChoices } from "petalface/training";

/** One choice of the default recipe, made otherwise. */
export interface Change {
  readonly name: string;
  readonly options: TrainingChoices;
  /** Share of the training faces; all unless given. As many images are seen. */
  readonly share?: number;
}

const petal: TrainingChoices = { preset: "petal" };

/** The default, and what differs from it by one choice each. */
export const changes: readonly Change[] = [
  { name: "petal", options: petal },
  { name: "distil alone", options: { ...petal, loss: "distil" } },
  { name: "anchors at 8 cos", options: { ...petal, anchorScale: 8 } },
  { name: "anchors at 32 cos", options: { ...petal, anchorScale: 32 } },
  { name: "anchors three times", options: { ...petal, anchorWeight: 3 } },
  { name: "anchors a third", options: { ...petal, anchorWeight: 1 / 3 } },
  { name: "none mirrored", options: { ...petal, flip: false } },
  { name: "linear decay", options: { ...petal, decay: "polynomial" } },
  { name: "clipped at 1000", options: { ...petal, clip: 1000 } },
  { name: "shrinking alone", options: { ...petal, degrade: "lr" } },
  { name: "alpha by sharpness", options: { ...petal, quality: "sharpness" } },
  { name: "4 images a step", options: { ...petal, batch: 4 } },
  { name: "32 images a step", options: { ...petal, batch: 32 } },
  { name: "32 images, rate 2e-3", options: { ...petal, batch: 32, learningRate: 2e-3 } },
  { name: "rank 16", options: { ...petal, rank: 16 } },
  { name: "rank 64", options: { ...petal, rank: 64 } },
  { name: "every layer", options: { ...petal, sites: "all" } },
  { name: "LoRA+, factor 4", options: { ...petal, upRate: 4 } },
  { name: "DoRA", options: { ...petal, method: "dora" } },
  { name: "twin", options: { ...petal, gate: "twin" } },
  { name: "hat", options: { ...petal, gate: "hat" } },
  { name: "no weight decay", options: { ...petal, weightDecay: 0 } },
  { name: "20 % sharp", options: { ...petal, sharpShare: 0.2 } },
  { name: "none sharp", options: { ...petal, sharpShare: 0 } },
  { name: "a quarter of the faces", options: petal, share: 0.25 },
];
