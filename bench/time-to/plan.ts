import { shrinkingRecipe, type TrainingChoices } from "petalface/training";
import type { Contender } from "../faces/plan.ts";
import { median } from "../skeleton/statistics.ts";

/** Network that is adapted. */
export const model = "mobilefacenet";

/** The row `petal, long` of results/mobilefacenet.md: its recipe, and the images that it saw. */
export const reference: Contender & { readonly images: number } = {
  name: "reference",
  options: { preset: "petal", ...shrinkingRecipe, rank: 32 },
  images: 76_800,
};

/** Today's defaults, with the degradation of the reference and of the measurements. */
const today: TrainingChoices = { preset: "petal", degrade: "lr" };

/** Who is to reach the reference's values: one recipe, once in petalface and once in PyTorch. */
export const contenders = {
  ours: { name: "petalface", options: today },
  peer: { name: "PyTorch + PEFT", options: today },
} as const satisfies Readonly<Record<string, Contender>>;

/** What a training of a planned length came to. */
export interface Point {
  readonly images: number;
  readonly value: number;
}

/**
 * The shortest of the planned trainings whose value is the target or more; undefined where none is.
 * Nothing is interpolated: each length has a learning rate that falls to 0 at its own end.
 */
export const shortestThatReaches = (points: readonly Point[], target: number): Point | undefined =>
  points.toSorted((a, b) => a.images - b.images).find(({ value }) => value >= target);

/** How long a program takes, in seconds. */
export interface Cost {
  /** From its start to the end of its first step. */
  readonly startup: number;
  /** Of an image whose target is known. */
  readonly image: number;
  /** Of a target, the frozen network's embedding of a sharp face; 0 where all are given. */
  readonly target: number;
}

/** Seconds of a step, and how many targets it computed, one number a round. */
export interface Rounds {
  readonly batch: number;
  readonly seconds: readonly number[];
  readonly targets: readonly number[];
}

/**
 * The cost of an image and of a target, from steps with known targets and steps that compute
 * theirs: medians over the rounds.
 */
export function costOf(startup: number, known: Rounds, computing: Rounds | undefined): Cost {
  const step = median(known.seconds);
  const extra = computing?.seconds.map((seconds, round) => (seconds - step) / (computing.targets[round] ?? 0)) ?? [0];
  return { startup, image: step / known.batch, target: Math.max(0, median(extra)) };
}

/** Minutes of a training from the start of its program. */
export const minutesOf = ({ startup, image, target }: Cost, images: number, targets: number): number =>
  (startup + images * image + targets * target) / 60;
