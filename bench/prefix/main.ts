import { rm } from "node:fs/promises";
import { join } from "node:path";
import { shrinkingRecipe, type TrainingChoices } from "petalface/training";
import { choiceFolds } from "../faces/plan.ts";
import { type Job, type JobResult, runJob } from "../faces/run.ts";
import { columns as allColumns, type Group, renderDifferences, seedCell } from "../faces/table.ts";
import { defineBenchmark } from "../skeleton/benchmark.ts";
import { usage } from "../skeleton/measured.ts";
import { addRow, table, whole } from "../skeleton/page.ts";
import { lastStage, measureSpeed } from "./speed.ts";

interface Contender {
  readonly name: string;
  readonly options?: TrainingChoices;
  readonly prefixBytes?: number;
}

const contenders: readonly Contender[] = [
  { name: "frozen" },
  { name: "petal, all its layers", options: {} },
  { name: "last stage", options: { sites: lastStage } },
  { name: "last stage, 1 variant, kept", options: { sites: lastStage, variants: 1 } },
  { name: "last stage, 2 variants, nothing kept", options: { sites: lastStage, variants: 2 }, prefixBytes: 0 },
  { name: "last stage, 2 variants, kept", options: { sites: lastStage, variants: 2 } },
];

/** Differences that are reported: the first minus the second. */
const pairs = [
  ["last stage", "petal, all its layers"],
  ["last stage, 1 variant, kept", "last stage"],
  ["last stage, 2 variants, kept", "last stage"],
  ["last stage, 2 variants, kept", "last stage, 2 variants, nothing kept"],
] as const;

const pixels = [16, 8];
const titles = ["HR", ...pixels.map((side) => `LR ${side}`), ...pixels.map((side) => `mix ${side}`), "rank-1 16"];
const columns = allColumns.filter(([title]) => titles.includes(title));

export default defineBenchmark({
  name: "prefix",
  title: "What frozen layers make of the images, computed once",
  measures: "Adapters on the last stage with the frozen layers' output kept: images a second, and accuracy.",
  pages: ["prefix", "prefix-speed"],
  minutes: 15,
  needs: "the shared photos and weights",
  options: {
    faces: { help: "photos, of 6,800", default: 1200 },
    images: { help: "training images seen, so that images / faces are the epochs", default: 4800 },
    threads: { help: "threads of the engine", default: 1 },
    seed: { help: "seed of the trainings", default: 0 },
    speed: { help: "only how fast, on 320 faces and three epochs: two minutes", default: false },
  },
  async run({ faces, images, threads, seed, speed }, { work }) {
    if (speed) return measureSpeed(threads, work);
    const rows: string[][] = [];
    const groups: Group[] = [];
    for (const { name, options, prefixBytes } of contenders) {
      const folder = join(work, name.replaceAll(/[^a-z0-9]+/g, "-"));
      const started = usage().processor;
      const steps: number[] = [];
      const job: Job = {
        contender: { name, ...(options && { options: { preset: "petal", ...shrinkingRecipe, ...options } }) },
        model: "mobilefacenet",
        seed,
        faces,
        images,
        pixels,
        threads,
        folder,
        prefixBytes,
        folds: choiceFolds,
        onStep: () => steps.push(usage().processor),
      };
      const done = await runJob(job);
      groups.push({ name, cells: [{ job, done }] });
      await rm(join(folder, "run"), { recursive: true, force: true });
      addRow(rows, describe(name, done, started, steps));
    }
    return {
      body: `MobileFaceNet adapted on ${whole(faces)} photos of LFW's people outside folds 1 to 6 (${whole(images)} images seen,
${(images / faces).toFixed(1)} epochs, seed ${seed}), measured on fold 6: accuracy of 1,200 pairs and rank-1, per cent ± half the 95 % interval.
Last stage: adapters on the 1x1 convolutions at 7 x 7 pixels and behind. Kept: 25 kB an image and variant. Seconds and
images/s are of processor time, all threads together, so that other work on the machine hardly counts: images/s at the
start (first 15 % of the steps) and at the end (last quarter). All contenders see the same number of images; with N
variants a face shows N draws of mirror and resolution in turn instead of a new one every epoch.

${table(
  ["method", "trained numbers", "seconds", "images/s, start", "images/s, end", ...columns.map(([title]) => title)],
  rows,
)}

${renderDifferences(groups, pairs)}`,
    };
  },
});

/** Images a processor second over a part of the steps, given by its ends as shares of all. */
function rate(steps: readonly number[], from: number, to: number): string {
  const [first, last] = [Math.floor(from * (steps.length - 1)), Math.floor(to * (steps.length - 1))];
  const seconds = (steps[last] ?? 0) - (steps[first] ?? 0);
  return steps.length < 2 ? "-" : ((32 * (last - first)) / seconds).toFixed(0);
}

function describe(name: string, { result, trained }: JobResult, started: number, steps: readonly number[]): string[] {
  const seconds = (steps.at(-1) ?? started) - started;
  return [
    name,
    trained === 0 ? "-" : whole(trained),
    seconds === 0 ? "-" : seconds.toFixed(0),
    rate(steps, 0, 0.15),
    rate(steps, 0.75, 1),
    ...columns.map(([, key]) => seedCell([result], key, 2)),
  ];
}
