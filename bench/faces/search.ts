import { type EvaluationResult, percent } from "petalface/evaluation";
import { type TrainingChoices, trainingOptions } from "petalface/training";
import { table, whole } from "../skeleton/page.ts";
import { mean } from "../skeleton/statistics.ts";
import { type Contender, choiceFolds, testPixels } from "./plan.ts";
import type { Job } from "./run.ts";
import type { Cell } from "./table.ts";

/** What every method is searched over, so that all are tuned alike. */
const rates: readonly number[] = [0.25, 0.5, 1, 2, 4];
const sharpShares: readonly number[] = [0.05, 0.35];
const budgets: readonly number[] = [1, 2];

/**
 * The jobs of one method's search on fold 6: each learning rate, share of sharp images and budget.
 */
export function searchJobs(job: Job, folder: (name: string) => string): Job[] {
  const { contender, images } = job;
  if (contender.options === undefined) return [];
  const { learningRate } = trainingOptions(contender.options);
  return rates.flatMap((rate) =>
    sharpShares.flatMap((sharpShare) =>
      budgets.map((times): Job => {
        const options: TrainingChoices = { learningRate: rate * learningRate, sharpShare };
        return {
          ...job,
          folds: choiceFolds,
          images: times * images,
          options: { ...job.options, ...options },
          folder: folder(`${rate}-${sharpShare}-${times}`),
        };
      }),
    ),
  );
}

/** What is maximised: the mean accuracy of mixed pairs over the low resolutions. */
export function scoreOf({ measures }: Pick<EvaluationResult, "measures">): number {
  const keys = testPixels.map((pixels) => `accuracy/mixed:${pixels}`);
  const found = measures.flatMap(({ key, value }) => (keys.includes(key) ? [value] : []));
  if (found.length !== keys.length) throw new Error(`an evaluation lacks one of ${keys.join(", ")}`);
  return mean(found);
}

/** The best of a method's search; the first of equals. */
export function bestOf(cells: readonly Cell[]): Cell | undefined {
  const [first, ...others] = cells;
  return (
    first && others.reduce((best, cell) => (scoreOf(cell.done.result) > scoreOf(best.done.result) ? cell : best), first)
  );
}

/** A method's final job with what its search found. */
export const tuned = (job: Job, best: Cell | undefined): Job =>
  best === undefined ? job : { ...job, images: best.job.images, options: { ...best.job.options } };

/** What was searched and found. */
export function renderSearch(
  found: readonly { readonly contender: Contender; readonly cells: readonly Cell[] }[],
): string {
  const rows = found.flatMap(({ contender, cells }) => {
    const best = bestOf(cells);
    if (best === undefined) return [];
    const { options = {}, images, model } = best.job;
    const scores = cells.map(({ done }) => scoreOf(done.result));
    return [
      [
        ...[model, contender.name, String(cells.length), String(options.learningRate), String(options.sharpShare)],
        ...[whole(images), percent(Math.max(...scores), 2), percent(Math.min(...scores), 2)],
      ],
    ];
  });
  return `## Search

On fold 6, one seed, every method alike: learning rates of ${rates.join(", ")} times its own, ${sharpShares.join(" and ")} of the images
sharp, ${budgets.join(" and ")} times the images. Chosen by the mean accuracy of mixed pairs at ${testPixels.join(", ")} px, in per cent.

${table(["model", "method", "trainings", "learning rate", "sharp", "images", "best", "worst"], rows)}`;
}
