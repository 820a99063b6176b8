import { join } from "node:path";
import { runAll } from "../faces/jobs.ts";
import { type Contender, choiceFolds, testFolds } from "../faces/plan.ts";
import type { Job } from "../faces/run.ts";
import { columns, groupsOf, keptColumns, protocolLine, renderMeasures } from "../faces/table.ts";
import { defineBenchmark } from "../skeleton/benchmark.ts";
import { table, whole } from "../skeleton/page.ts";
import { openShared } from "../skeleton/shared.ts";
import { withinBudget } from "./plan.ts";

export default defineBenchmark({
  name: "budget",
  pages: ["budget", "budget-fold6"],
  title: "Accuracy by the share of the weights",
  measures: "What adapters reach that have 0.25 to 15 % as many numbers as the network has weights.",
  minutes: 90,
  needs: "the shared photos and weights",
  keeps: true,
  options: {
    model: { help: "a name among the shared weights", default: "mobilefacenet" },
    shares: { help: "per cent of the weights, at most", default: [0.25, 0.5, 1, 2, 5, 15] },
    images: { help: "training images seen", default: 9600 },
    seed: { help: "seed of the trainings", default: 0 },
    threads: { help: "threads of the engine", default: 2 },
    tune: { help: "measure on fold 6, for choices", default: false },
    render: { help: "only write the page of what is finished", default: false },
  },
  async run({ model, shares, images, seed, threads, tune, render }, { work }) {
    const backbone = await openShared(model);
    const contenders: readonly Contender[] = [
      { name: "frozen" },
      ...shares.map((share) => ({ name: `${share} %`, options: withinBudget(backbone, share / 100) })),
      { name: "petal", options: { preset: "petal" } },
    ];
    const folds = tune ? choiceFolds : testFolds;
    const jobs = contenders.map((contender): Job => {
      const folder = join(work, model, contender.name.replaceAll(" ", ""), String(images), String(seed));
      return { contender, model, seed, images, folds, threads, folder, frozen: join(work, model, "kept") };
    });
    const cells = await runAll(jobs, { atOnce: 1, render });
    const sizes = cells.flatMap(({ job: { contender }, done: { trained } }) => {
      const { options } = contender;
      if (options === undefined) return [];
      const layers = options.sites === undefined ? "all" : String(options.sites.split(",").length);
      const share = `${((100 * trained) / backbone.parameters).toFixed(2)} %`;
      return [[contender.name, String(options.rank ?? 32), layers, whole(trained), share]];
    });
    const groups = groupsOf(cells);
    const body = `petal's defaults on ${model} (${whole(backbone.parameters)} weights), ${whole(images)} training images of LFW people who
are in no pair of folds 1 to 6 of View 2, seed ${seed}. Measured on fold${folds.length > 1 ? "s" : ""} ${folds.join(", ")}. Each adapter has the
largest rank on all default layers that fits into its share of the weights. Where rank 1 is too
much, some layers have rank 1, spread over all. Nothing was searched: all have the same rate.

${table(["adapter", "rank", "layers", "trained", "of the weights"], sizes)}

${protocolLine(cells)}

## Enrolled again

${renderMeasures(groups, columns)}

## Gallery kept

${renderMeasures(groups, keptColumns)}`;
    return { body, ...(tune && { name: "budget-fold6" }) };
  },
});
