import { type EvaluationResult, percent } from "petalface/evaluation";
import { type TrainingChoices, trainingOptions } from "petalface/training";
import { table, whole } from "../skeleton/page.ts";
import { mean } from "../skeleton/statistics.ts";
import { choiceFolds, testPixels } from "./plan.ts";
import type { Job } from "./run.ts";
import type { Cell } from "./table.ts";

/** What every method is searched over, so that all are tuned alike. */
const rates: readonly number[] = [0.125, 0.25, 0.5, 1, 2];
const sharpShares: readonly number[] = [0.05, 0.35];

/**
 * The jobs of one method's search on fold 6: each learning rate and share of sharp images, with so
 * many training images.
 */
export function searchJobs(job: Job, images: number, folder: (name: string) => string): Job[] {
  const { contender } = job;
  if (contender.options === undefined) return [];
  const { learningRate } = trainingOptions({ ...contender.options, ...job.options });
  return rates.flatMap((rate) =>
    sharpShares.map((sharpShare): Job => {
      const options: TrainingChoices = { learningRate: rate * learningRate, sharpShare };
      return {
        ...job,
        folds: choiceFolds,
        images,
        options: { ...job.options, ...options },
        folder: folder(`${rate}-${sharpShare}`),
      };
    }),
  );
}

const scored = ["sharp", ...testPixels.map((pixels) => `mixed:${pixels}`)].map((where) => `rank1/${where}`);

/**
 * What is maximised: the mean of rank-1 of sharp probes and of those of each low resolution.
 * Accuracy of mixed pairs alone would not see what a method loses on sharp faces.
 */
export function scoreOf({ measures }: Pick<EvaluationResult, "measures">): number {
  const found = measures.flatMap(({ key, value }) => (scored.includes(key) ? [value] : []));
  if (found.length !== scored.length) throw new Error(`an evaluation lacks one of ${scored.join(", ")}`);
  return mean(found);
}

/** The best of a method's search; the first of equals. */
export function bestOf(cells: readonly Cell[]): Cell | undefined {
  const [first, ...others] = cells;
  return (
    first && others.reduce((best, cell) => (scoreOf(cell.done.result) > scoreOf(best.done.result) ? cell : best), first)
  );
}

/** What was searched for one method and one model, and what was found. */
export interface Search {
  readonly job: Job;
  /** How many trainings there are; fewer have ended where some failed. */
  readonly tried: number;
  readonly cells: readonly Cell[];
  /** The best setting with each budget, on fold 6. */
  readonly budgets: readonly Cell[];
}

/** A method's job with the rate and share that its search found, and its budget. */
export function tuned(job: Job, search: Search | undefined): Job {
  const best = search && bestOf(search.cells);
  if (best === undefined) return job;
  return { ...job, options: { ...best.job.options } };
}

/** What was searched and found. */
export function renderSearch(searches: readonly Search[], images: number): string {
  const rows = searches.flatMap(({ job: { model, contender }, tried, cells, budgets }) => {
    const best = bestOf(cells);
    if (best === undefined) return [];
    const scores = cells.map(({ done }) => scoreOf(done.result));
    const { learningRate, sharpShare } = best.job.options ?? {};
    const chosen = budgets.map(({ job, done }) => `${whole(job.images)}: ${percent(scoreOf(done.result), 2)}`);
    return [
      [
        ...[model, contender.name, `${cells.length} of ${tried}`, String(learningRate), String(sharpShare)],
        ...[percent(Math.max(...scores), 2), percent(Math.min(...scores), 2), chosen.join(", ") || "-"],
      ],
    ];
  });
  return `## Search

On fold 6, one seed, every method alike: learning rates of ${rates.join(", ")} times its own, ${sharpShares.join(" and ")} of the
images sharp, each trained on ${whole(images)} images. Chosen by the mean of rank-1 at sharp, ${testPixels.join(", ")} px (enrolled
again), in per cent. A rate with which training diverged counts as not trained. With more than one
budget the chosen setting was trained with each, and the better one on fold 6 was taken.

${table(["model", "method", "trainings", "learning rate", "sharp", "best", "worst", "by budget"], rows)}`;
}
