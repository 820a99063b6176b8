import { join } from "node:path";
import { runAll } from "../faces/jobs.ts";
import { type Contender, choiceFolds } from "../faces/plan.ts";
import { type Job, trainingFaces } from "../faces/run.ts";
import { columns, groupsOf, keptColumns, protocolLine, renderDifferences, renderMeasures } from "../faces/table.ts";
import { defineBenchmark } from "../skeleton/benchmark.ts";
import { whole } from "../skeleton/page.ts";
import { changes } from "./plan.ts";

export default defineBenchmark({
  name: "changes",
  title: "The default recipe with one choice changed",
  measures: "What each choice of the default recipe gains: the same training with one choice made otherwise.",
  minutes: 60,
  needs: "the shared photos and weights",
  keeps: true,
  options: {
    model: { help: "a name among the shared weights", default: "mobilefacenet" },
    changes: { help: "names of the changes", default: changes.map(({ name }) => name) },
    images: { help: "training images seen", default: 4800 },
    seeds: { help: "seeds of each training", default: [0, 1, 2] },
    jobs: { help: "trainings at a time", default: 1 },
    threads: { help: "threads of each", default: 2 },
    render: { help: "only write the page of what is finished", default: false },
  },
  async run({ model, changes: names, images, seeds, jobs: atOnce, threads, render }, { work }) {
    const faces = (await trainingFaces()).length;
    const base = { model, images, threads, folds: choiceFolds, frozen: join(work, model, "kept") };
    const jobOf = (contender: Contender, seed: number, share?: number): Job => {
      const folder = join(work, model, contender.name.replaceAll(/[^a-z0-9+]+/gi, "-"), String(images), String(seed));
      return { ...base, contender, seed, folder, ...(share !== undefined && { faces: Math.round(share * faces) }) };
    };
    const shown = changes.filter(({ name }) => names.includes(name));
    // The seeds one after the other, so that a stopped bench has all changes of the first ones.
    const jobs = [
      jobOf({ name: "frozen" }, 0),
      ...seeds.flatMap((seed) => shown.map(({ share, ...contender }) => jobOf(contender, seed, share))),
    ];
    const cells = await runAll(jobs, { atOnce, render });
    const groups = groupsOf(cells);
    const pairs = shown.slice(1).map(({ name }) => [name, "petal"] as const);
    return {
      body: `petal's defaults on ${model}, ${whole(images)} training images of LFW people who are in no pair of folds 1 to 6 of
View 2. Each row differs from \`petal\` by the one choice of its name. Measured on fold 6.

${protocolLine(cells)}

## Gallery kept

${renderMeasures(groups, keptColumns)}

${renderDifferences(groups, pairs, keptColumns)}

## Enrolled again

${renderMeasures(groups, columns)}`,
    };
  },
});
