import { shrinkingRecipe, type TrainingChoices } from "petalface/training";

/** Cameras that the probes are made by: chain.py. */
export const kinds = ["still", "phone", "cctv", "night"] as const;

/** Plain shrinking, measured next to them on the same photos. */
export const plainSides: readonly number[] = [16, 12, 8];

/**
 * Folds of LFW's View 2 whose people are shown; none of them is trained on, and those of 4 and 5
 * are left out.
 */
export const shownFolds: readonly number[] = [1, 2, 3, 6];

/** Folds whose people are shown nowhere before the end. */
export const heldBackFolds: readonly number[] = [4, 5];

/** Fold whose other people are for choices. */
export const choiceFold = 6;

/** Seeds of the chain of cameras: for what is shown, and for choices. */
export const chainSeeds = { shown: 1, choice: 6 } as const;

/** People, the first photo of each enrolled, and the photos of each that are probes. */
export const people = 174;
export const probePhotos: readonly number[] = [2, 3, 4];

/** One way to train. */
export interface Contender {
  readonly name: string;
  /** Beyond seed and epochs; undefined: the frozen model. */
  readonly options?: TrainingChoices;
  /** Training images; the default epochs unless given. */
  readonly images?: number;
  /** Whether it is also measured centred on crops of each camera, of people who are not shown. */
  readonly centred?: boolean;
  /** Whether it continues "petal" on the test's own people and chain: what is possible at all. */
  readonly ceiling?: boolean;
}

/** Images of the comparisons of one change each. */
const short = 9600;

/**
 * The crops are trained on as they are: to shrink them to the side that they have does nothing.
 * Alpha's range is that of photos, since none of the faces is sharp. Several crops of a photo would
 * be each other's anchors.
 */
const ceilingRecipe: TrainingChoices = {
  loss: "distil",
  degrade: "lr",
  lrPixels: [112],
  sharpShare: 0,
  alphaRange: [24.4, 54.9],
};

/** What is compared; every one differs from the defaults in what its name says. */
export const contenders: readonly Contender[] = [
  { name: "frozen" },
  { name: "shrinking only", options: shrinkingRecipe, images: short },
  { name: "petal for shorter", options: {}, images: short },
  { name: "petal", options: {}, centred: true },
  { name: "ceiling", options: ceilingRecipe, images: short, ceiling: true },
];
