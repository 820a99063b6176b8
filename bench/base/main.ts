import { existsSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Contender, testFolds } from "../faces/plan.ts";
import { finishedJob, type Job, runJob, trainingFaces } from "../faces/run.ts";
import type { Cell } from "../faces/table.ts";
import { defineBenchmark } from "../skeleton/benchmark.ts";
import { inProcess } from "../skeleton/children.ts";
import { kept } from "../skeleton/kept.ts";
import { type Usage, usage } from "../skeleton/measured.ts";
import type { Python } from "../skeleton/python.ts";
import { modelFile } from "../skeleton/shared.ts";
import { contenders, pixels } from "./plan.ts";
import { measureSteps } from "./speed.ts";
import { type Learned, renderBase } from "./table.ts";

export default defineBenchmark({
  name: "base",
  title: "8-bit frozen weights on a trained transformer",
  measures: "What `adapt --base int8` does to accuracy, speed and memory of a transformer that this makes.",
  minutes: 75,
  needs: "the shared photos and weights, Linux",
  keeps: true,
  requirements: "networks",
  options: {
    images: { help: "training images seen", default: 9600 },
    seeds: { help: "seeds of each form", default: [0, 1, 2] },
    epochs: { help: "epochs of the network's own training", default: 3 },
    rounds: { help: "rounds of steps that are timed", default: 9 },
    threads: { help: "threads of the engine", default: 1 },
  },
  async run({ images, seeds, epochs, rounds, threads }, { work, needPython }) {
    const model = join(work, "hybrid.onnx");
    if (!existsSync(model)) await makeHybrid(await needPython(), work, threads, epochs);
    const jobOf = (contender: Contender, seed: number): Job => ({
      contender,
      model,
      seed,
      threads,
      pixels,
      images,
      folds: testFolds,
      folder: join(work, `${contender.name}-${images}-${seed}`),
    });
    // The frozen network has no seed; the seeds of the others one after the other, so that a
    // stopped bench has whole pairs.
    const [frozen, ...trained] = contenders as [Contender, ...Contender[]];
    const jobs = [jobOf(frozen, 0), ...seeds.flatMap((seed) => trained.map((contender) => jobOf(contender, seed)))];
    const cells: (Cell & { readonly cost: Usage })[] = [];
    for (const job of jobs) {
      const cost = await kept(join(job.folder, "cost.json"), async () => {
        await rm(job.folder, { recursive: true, force: true });
        return (await inProcess<Usage>("base", job)).value;
      });
      const done = await finishedJob(job);
      if (done === undefined) throw new Error(`${job.contender.name} seed ${job.seed} left no result`);
      cells.push({ job, done, cost });
      console.error(`${job.contender.name} seed ${job.seed}: trained ${done.seconds.toFixed(0)} s`);
    }
    const steps = await measureSteps(model, { work, threads, rounds, steps: 2 });
    const learned = JSON.parse(await readFile(join(work, "hybrid.json"), "utf8")) as Learned;
    return { body: renderBase({ cells, steps, learned, threads }) };
  },
  /** One training: what it used until its last step, without its evaluation. */
  async job(job: Job): Promise<Usage> {
    let used = usage();
    const onStep = (): void => {
      used = usage();
    };
    await runJob({ ...job, onStep });
    return job.contender.options === undefined ? { peak: 0, processor: 0 } : used;
  },
});

/** Makes and trains the network: `hybrid.onnx` and `hybrid.json` in the work folder. */
async function makeHybrid(python: Python, work: string, threads: number, epochs: number): Promise<void> {
  const faces = await trainingFaces();
  const paths = Array.from({ length: faces.length }, (_, at) => {
    const { source } = faces.at(at);
    if (source.kind !== "file") throw new Error("LFW's photos are files");
    return source.path;
  });
  const list = join(work, "photos.txt");
  await writeFile(list, paths.join("\n"));
  const program = join(import.meta.dirname, "hybrid.py");
  python.run([program, modelFile("mobilefacenet"), list, work, String(threads), String(epochs)]);
}
