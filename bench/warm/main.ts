import { join } from "node:path";
import type { TrainingChoices } from "petalface/training";
import { runAll } from "../faces/jobs.ts";
import { type Contender, testFolds } from "../faces/plan.ts";
import { type Job, trainingFaces } from "../faces/run.ts";
import { columns, groupsOf, keptColumns, protocolLine, renderDifferences, renderMeasures } from "../faces/table.ts";
import { defineBenchmark } from "../skeleton/benchmark.ts";
import { whole } from "../skeleton/page.ts";

export default defineBenchmark({
  name: "warm",
  title: "A few photos after a training without photos",
  measures: "What 200, 800 and 3,200 photos gain, alone and after a training on synthetic faces.",
  minutes: 60,
  needs: "the shared photos and weights",
  keeps: true,
  options: {
    model: { help: "a name among the shared weights", default: "mobilefacenet" },
    photos: { help: "sizes of the small sets", default: [200, 800, 3200] },
    images: { help: "images that each training on photos sees", default: 4800 },
    before: { help: "images that the training without photos sees", default: 27_224 },
    degrade: { help: "what training does to the faces", default: "lr" },
    seed: { help: "seed of the trainings", default: 0 },
    threads: { help: "threads of the engine", default: 2 },
    render: { help: "only write the page of what is finished", default: false },
  },
  async run({ model, photos, images, before, degrade, seed, threads, render }, { work }) {
    const options: TrainingChoices = { preset: "petal", degrade };
    const jobOf = (contender: Contender, seen: number, faces?: number): Job => {
      const folder = join(work, model, contender.name.replaceAll(/[^a-z0-9]+/gi, "-"), String(seen), String(seed));
      const job = {
        contender,
        model,
        seed,
        images: seen,
        threads,
        folds: testFolds,
        folder,
        frozen: join(work, model, "kept"),
      };
      return { ...job, ...(faces !== undefined && { faces }) };
    };
    const synthetic = jobOf({ name: "synthetic", options, train: "synthetic:people=20000,images=1,seed=1" }, before);
    const sizes = photos.toSorted((a, b) => a - b);
    const alone = (count: number): string => `${whole(count)} photos`;
    const after = (count: number): string => `synthetic, then ${alone(count)}`;
    const jobs = [
      jobOf({ name: "frozen" }, 0),
      synthetic,
      ...sizes.flatMap((count) => [
        jobOf({ name: after(count), options, init: join(synthetic.folder, "run") }, images, count),
        jobOf({ name: alone(count), options }, images, count),
      ]),
    ];
    const cells = await runAll(jobs, { atOnce: 1, render });
    const groups = groupsOf(cells);
    const pairs = sizes.flatMap((count): [string, string][] => [
      [after(count), alone(count)],
      [after(count), "synthetic"],
    ]);
    const all = (await trainingFaces()).length;
    return {
      body: `petal's defaults with \`--degrade ${degrade}\` on ${model}. _synthetic_: ${whole(before)} images of drawn faces, no photo.
Small sets are photos of LFW people who are in no pair of folds 1 to 6 of View 2, spread over all
${whole(all)}. Each training on photos sees ${whole(images)} images, so photos of a small set are seen more often.
_synthetic, then_: it starts from the adapter of _synthetic_ (\`--init\`), with the same learning rate.

${protocolLine(cells)}

## Gallery kept

${renderMeasures(groups, keptColumns)}

${renderDifferences(groups, pairs, keptColumns)}

## Enrolled again

${renderMeasures(groups, columns)}

${renderDifferences(groups, pairs)}`,
    };
  },
});
