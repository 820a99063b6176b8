import { basename, dirname, join } from "node:path";
import type { TrainingChoices } from "petalface/training";
import { defineBenchmark } from "../skeleton/benchmark.ts";
import { UsageError } from "../skeleton/usage-error.ts";
import { runAll } from "./jobs.ts";
import { renderPage } from "./page.ts";
import { type Contender, choiceFolds, contenders, searcherOf, testFolds, trainerOf } from "./plan.ts";
import { type Job, runJob } from "./run.ts";
import { bestOf, type Search, searchJobs, tuned } from "./search.ts";

export default defineBenchmark({
  name: "faces",
  title: "Adapting on real faces",
  measures: "What every method gains on LFW at 16, 12 and 8 px, and what it costs on sharp faces.",
  pages: [
    ...["mobilefacenet", "fr_feature", "faces", "shrinking", "mirror", "rivals", "rivals-edgeface"],
    ...["no-photo-long", "no-photo-test"],
  ],
  minutes: 240,
  needs: "the shared photos and weights",
  keeps: true,
  options: {
    models: { help: "names among the shared weights", default: ["edgeface_xs", "mobilefacenet", "fr_feature"] },
    contenders: { help: "methods", default: contenders.map(({ name }) => name) },
    seeds: { help: "seeds of each method; the frozen model has none", default: [0, 1, 2] },
    images: {
      help: 'training images seen; "petal, long" sees 8 times as many, "petal, synthetic" twice',
      default: 9600,
    },
    jobs: { help: "trainings at a time", default: 1 },
    threads: { help: "threads of each", default: 2 },
    options: { help: "training choices on top of each method's, as JSON", default: "{}" },
    tune: { help: "measure on fold 6, for choices", default: false },
    search: { help: "first search each method's rate and sharp share on fold 6: 10 trainings", default: false },
    "search-images": { help: "training images of each training of the search", default: 1600 },
    budgets: { help: "with --search, times --images; of several the best on fold 6", default: [1] },
    render: { help: "only write the page of what is finished", default: false },
  },
  async run(values, { work }) {
    const { models, contenders: names, seeds, images, jobs: atOnce, threads, tune, search, budgets, render } = values;
    const unknown = names.find((name) => !contenders.some((contender) => contender.name === name));
    if (unknown !== undefined) throw new UsageError(`there is no contender "${unknown}"`);
    const shown = contenders.filter(({ name }) => names.includes(name));
    const running = { atOnce, render };
    const folds = tune ? choiceFolds : testFolds;
    const place = (model: string, { name }: Contender, ...parts: readonly (string | number)[]): string =>
      join(work, model, name.replaceAll(/[^a-z0-9+]+/g, "-"), ...parts.map(String));
    const jobOf = (model: string, contender: Contender, seed: number): Job => ({
      ...{ contender, model, seed, threads, folds },
      images: images * (contender.times ?? 1),
      folder: place(model, contender, `${images * (contender.times ?? 1)}`, seed),
      frozen: join(work, model, "kept"),
      options: JSON.parse(values.options) as TrainingChoices,
    });
    const firstSeed = seeds[0] ?? 0;

    const searched = search ? [...new Set(shown.map((contender) => searcherOf(contender)))] : [];
    const found: Search[] = [];
    for (const model of models)
      for (const contender of searched.filter(({ options }) => options !== undefined)) {
        const job = jobOf(model, contender, firstSeed);
        const tried = searchJobs(job, values["search-images"], (name) =>
          place(model, contender, `search-${values["search-images"]}`, name),
        );
        const cells = await runAll(tried, running);
        const best = { job, tried: tried.length, cells, budgets: [] };
        const byBudget = budgets.map((times) => ({
          ...tunedJob(best, jobOf(model, contender, firstSeed), times),
          folds: choiceFolds,
        }));
        found.push({ ...best, budgets: budgets.length > 1 ? await runAll(byBudget, running) : [] });
      }

    /** A job with what the search of its method found. */
    function tunedJob(result: Search, job: Job, times: number): Job {
      const { contender, model, seed } = job;
      const seen = images * (contender.times ?? times);
      return { ...tuned(job, result), images: seen, folder: place(model, contender, `tuned-${seen}`, seed) };
    }
    const finalJob = (model: string, contender: Contender, seed: number): Job => {
      const job = jobOf(model, contender, seed);
      const searcher = searcherOf(contender);
      const result = found.find((each) => each.job.model === model && each.job.contender === searcher);
      if (result === undefined) return job;
      const budget = bestOf(result.budgets)?.job.images;
      return tunedJob(result, job, budget === undefined ? (budgets[0] ?? 1) : budget / images);
    };
    const seedsOf = ({ options, once }: Contender): readonly number[] =>
      options === undefined ? [0] : once === true ? seeds.slice(0, 1) : seeds;
    const jobsOf = (some: readonly Contender[]): Job[] =>
      models.flatMap((model) =>
        some.flatMap((contender) =>
          seedsOf(contender).map((seed): Job => {
            const trainer = trainerOf(contender);
            const job = finalJob(model, trainer, seed);
            if (trainer === contender) return job;
            return {
              ...job,
              contender,
              source: job.folder,
              folder: place(model, contender, basename(dirname(job.folder)), seed),
            };
          }),
        ),
      );
    // Trainings that are read come first, also those of methods that are not shown.
    const trainers = [...new Set(shown.map((contender) => trainerOf(contender)))];
    await runAll(jobsOf(trainers), running);
    const cells = await runAll(jobsOf(shown), running);
    const asked = { contenders: shown, seeds, folds, options: values.options };
    const body = renderPage({
      cells,
      ...asked,
      search: search ? { found, images: values["search-images"] } : undefined,
    });
    return { body, name: search ? "rivals" : "faces" };
  },
  job: async (job: Job) => (await runJob(job)).seconds,
});
