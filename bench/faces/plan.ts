import type { TrainingChoices } from "petalface/training";

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
  /** Folder of the run whose adapter the training starts from. */
  readonly init?: string;
  /** `principal`: adapters start from the weights' principal parts, and the rest is frozen. */
  readonly start?: "principal";
  /** Whose search it takes over, instead of one of its own. */
  readonly tunedAs?: string;
  /** Whose training it reads, instead of one of its own, and how. */
  readonly of?: string;
  /**
   * `gated`: the adapter is weighted by 1 - alpha; `switched`: faces with alpha = 1 go to the
   * frozen network, the others to the trained one; `mirrored`: mirror images are embedded too.
   */
  readonly form?: "gated" | "switched" | "mirrored";
}

const petal: TrainingChoices = { preset: "petal" };
/** The middle of its search, four times its default. */
const full: TrainingChoices = { ...petal, method: "full", learningRate: 5e-4 };
const lora: TrainingChoices = { ...petal, gate: "single" };

/**
 * What is compared. All see the same training images in the same order (but for `long` and
 * `synthetic`), degraded alike, and adapters sit on the same layers with the same rank.
 */
export const contenders: readonly Contender[] = [
  { name: "frozen" },
  { name: "full", options: full },
  { name: "bias", options: { ...petal, method: "bias" } },
  { name: "lora", options: lora },
  // The factor is that of Hayou et al.; a rate between that of down and that of up is lora's.
  { name: "lora+", options: { ...lora, upRate: 16, learningRate: 5e-4 } },
  // It changes the weights' own principal parts, so its rate is that of full.
  { name: "pissa", options: { ...lora, learningRate: 5e-4 }, start: "principal" },
  { name: "dora", options: { ...petal, method: "dora" } },
  { name: "paper", options: { preset: "paper", degrade: "any", rank: 32 } },
  { name: "petal", options: petal },
  { name: "nam", options: lora, of: "lora", form: "gated" },
  { name: "switch", options: full, of: "full", form: "switched" },
  { name: "petal, mirrored", options: petal, of: "petal", form: "mirrored" },
  { name: "petal, long", options: petal, times: 8, once: true, tunedAs: "petal" },
  {
    name: "petal, synthetic",
    options: petal,
    train: "synthetic:people=20000,images=1,seed=1",
    times: 2,
    tunedAs: "petal",
  },
];

/** The contender whose training one reads: itself, unless it has none. */
export const trainerOf = (contender: Contender, all = contenders): Contender =>
  all.find(({ name }) => name === contender.of) ?? contender;

/** The contender whose search one takes its choices from. */
export const searcherOf = (contender: Contender, all = contenders): Contender => {
  const trainer = trainerOf(contender, all);
  return all.find(({ name }) => name === trainer.tunedAs) ?? trainer;
};
