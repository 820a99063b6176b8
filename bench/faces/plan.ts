import { shrinkingRecipe, type TrainingChoices } from "petalface/training";

/** Folds of LFW's View 2 that are measured here; 4 and 5 stay untouched, 6 is for choices. */
export const testFolds: readonly number[] = [1, 2, 3];
export const choiceFolds: readonly number[] = [6];
/** People of these folds are never trained on. */
export const heldOutFolds: readonly number[] = [1, 2, 3, 4, 5, 6];

/** Low resolutions that are measured. */
export const testPixels: readonly number[] = [16, 12, 8];

/** One line of the table. */
export interface Contender {
  readonly name: string;
  /** Training choices beyond seed and epochs; undefined: the frozen model. */
  readonly options?: TrainingChoices;
  /** Training faces: LFW people outside the held-out folds unless given. */
  readonly train?: string;
  /** How many times `--images` it sees; once unless given. */
  readonly times?: number;
  /** Only the first seed is run: for what takes long. */
  readonly once?: boolean;
}

/** Faces are shrunk here, and nothing else is done to them; bench/camera measures the defaults. */
const shrinking: TrainingChoices = { preset: "petal", ...shrinkingRecipe };

/** More capacity for more images; chosen on fold 6. */
const large: TrainingChoices = { ...shrinking, rank: 32, learningRate: 0.002 };

/**
 * What is compared. All see the same training images in the same order (but for `long` and
 * `synthetic`); lora and full differ from petal in one thing each.
 */
export const contenders: readonly Contender[] = [
  { name: "frozen" },
  { name: "full", options: { ...shrinking, learningRate: 1e-3, method: "full" } },
  { name: "lora", options: { ...shrinking, gate: "single" } },
  { name: "paper", options: { preset: "paper" } },
  { name: "petal", options: shrinking },
  { name: "petal, long", options: large, times: 8, once: true },
  { name: "petal, synthetic", options: large, train: "synthetic:people=20000,images=1,seed=1", times: 2 },
];
