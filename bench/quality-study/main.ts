import { join } from "node:path";
import { shrinkingRecipe } from "petalface/training";
import { runAll } from "../faces/jobs.ts";
import { choiceFolds, testFolds } from "../faces/plan.ts";
import type { Job } from "../faces/run.ts";
import { defineBenchmark } from "../skeleton/benchmark.ts";
import { kept } from "../skeleton/kept.ts";
import { UsageError } from "../skeleton/usage-error.ts";
import { type AlphaStudy, studyAlpha } from "./alpha.ts";
import { measures, model } from "./plan.ts";
import { finishedSynthetic, measureSynthetic } from "./synthetic.ts";
import { renderStudy } from "./table.ts";
import type { Cell } from "./verdict.ts";

export default defineBenchmark({
  name: "quality-study",
  title: "Which quality measure",
  measures: "Which measure of quality gives the best adapter, on LFW and on synthetic people.",
  minutes: 180,
  needs: "the shared photos and weights",
  keeps: true,
  options: {
    measures: { help: "measures to compare", default: Object.keys(measures) },
    seeds: { help: "seeds of each", default: [0, 1, 2] },
    images: { help: "training images seen", default: 4800 },
    faces: { help: "faces that alpha is looked at on", default: 240 },
    threads: { help: "threads of the engine", default: 1 },
    tune: { help: "measure on fold 6, for choices", default: false },
    render: { help: "only write the tables of what is finished", default: false },
  },
  async run({ measures: names, seeds, images, faces, threads, tune, render }, { work }) {
    const folds = tune ? choiceFolds : testFolds;
    const place = join(work, tune ? "fold6" : "test");
    const alphas = new Map<string, AlphaStudy>();
    for (const name of names) {
      if (measures[name] === undefined) throw new UsageError(`no measure "${name}" in the plan`);
      alphas.set(name, await kept(join(place, name, `alpha-${faces}.json`), () => studyAlpha(name, folds, faces)));
    }
    const jobOf = (measure: string, seed: number): Job => {
      const options = { preset: "petal", ...shrinkingRecipe, quality: measures[measure] } as const;
      const contender = { name: measure, ...(measure !== "frozen" && { options }) };
      return { contender, model, seed, images, folds, threads, folder: join(place, measure, String(seed)) };
    };
    const jobs = [jobOf("frozen", 0), ...seeds.flatMap((seed) => names.map((name) => jobOf(name, seed)))];
    const cells: Cell[] = [];
    for (const { job, done } of await runAll(jobs, { atOnce: 1, render })) {
      const earlier = await finishedSynthetic(job);
      const synthetic = earlier ?? (render ? undefined : await measureSynthetic(job));
      cells.push({ measure: job.contender.name, seed: job.seed, done, synthetic });
    }
    return { name: tune ? "quality-study-fold6" : "quality-study", body: renderStudy(cells, alphas) };
  },
});
