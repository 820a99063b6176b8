/**
 * Adapts real face models on real faces and measures what that gained. Finished trainings are kept
 * in the work folder and not run again.
 */
import { basename, join } from "node:path";
import type { TrainingChoices } from "petalface/training";
import { defineBenchmark } from "../skeleton/benchmark.ts";
import { inProcess } from "../skeleton/children.ts";
import { type Contender, choiceFolds, contenders, testFolds } from "./plan.ts";
import { finishedJob, type Job, runJob } from "./run.ts";
import { bestOf, renderSearch, searchJobs, tuned } from "./search.ts";
import { type Cell, renderResults } from "./table.ts";

export default defineBenchmark({
  name: "faces",
  title: "Adapting on real faces",
  measures: "What every method gains on LFW at 16, 12 and 8 px, and what it costs on sharp faces.",
  pages: ["mobilefacenet", "fr_feature"],
  minutes: 240,
  needs: "the shared photos and weights",
  keeps: true,
  options: {
    models: { help: "names among the shared weights", default: ["mobilefacenet", "fr_feature"] },
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
    search: { help: "first search each method's rate, sharp share and budget on fold 6: 20 trainings", default: false },
  },
  async run({ models, contenders: names, seeds, images, jobs: atOnce, threads, options, tune, search }, { work }) {
    const seedsOf = ({ options, once }: Contender): readonly number[] =>
      options === undefined ? [0] : once === true ? seeds.slice(0, 1) : seeds;
    const jobs = models.flatMap((model) =>
      contenders
        .filter(({ name }) => names.includes(name))
        .flatMap((contender) =>
          seedsOf(contender).map(
            (seed): Job => ({
              ...{ contender, model, seed, threads },
              images: images * (contender.times ?? 1),
              folds: tune ? choiceFolds : testFolds,
              folder: join(work, model, contender.name.replaceAll(/[^a-z]+/g, "-"), String(seed)),
              options: JSON.parse(options) as TrainingChoices,
            }),
          ),
        ),
    );
    const folderOf = ({ model, contender }: Job, ...parts: readonly string[]): string =>
      join(work, model, contender.name.replaceAll(/[^a-z]+/g, "-"), ...parts);
    const searched = search
      ? jobs
          .filter(({ seed }) => seed === seeds[0])
          .map((job) => ({ job, jobs: searchJobs(job, (name) => folderOf(job, "search", name)) }))
      : [];
    await runAll(
      searched.flatMap((each) => each.jobs),
      atOnce,
    );
    const found = await Promise.all(
      searched.map(async ({ job, jobs: tried }) => ({ ...job, cells: await cellsOf(tried) })),
    );
    const bestFor = (job: Job) =>
      bestOf(found.find(({ model, contender }) => model === job.model && contender === job.contender)?.cells ?? []);
    const final = search
      ? jobs.map((job) => ({ ...tuned(job, bestFor(job)), folder: folderOf(job, "tuned", String(job.seed)) }))
      : jobs;
    await runAll(final, atOnce);
    const body = renderResults(await cellsOf(final));
    return search ? { body: `${body}\n\n${renderSearch(found)}`, name: "faces-search" } : { body };
  },
  job: async (job: Job) => (await runJob(job)).seconds,
});

/** Runs the jobs that have not ended before, some at a time. */
async function runAll(jobs: readonly Job[], atOnce: number): Promise<void> {
  const waiting = [...jobs];
  const next = async (): Promise<void> => {
    for (let job = waiting.shift(); job !== undefined; job = waiting.shift())
      if ((await finishedJob(job.folder)) === undefined) {
        const { value: trained, seconds } = await inProcess<number>("faces", job);
        const what = `${job.model} ${job.contender.name} seed ${job.seed}, ${basename(job.folder)}`;
        console.error(`${what}: trained ${trained.toFixed(0)} s, ${seconds.toFixed(0)} s in all`);
      }
  };
  await Promise.all(Array.from({ length: atOnce }, next));
}

async function cellsOf(jobs: readonly Job[]): Promise<Cell[]> {
  const cells: Cell[] = [];
  for (const job of jobs) {
    const done = await finishedJob(job.folder);
    if (done !== undefined) cells.push({ job, done });
  }
  return cells;
}
