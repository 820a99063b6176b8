import { join } from "node:path";
import { measureEmbeddings } from "petalface/evaluation";
import { type CopyWeight, checkCopies } from "petalface/matching";
import type { TrainingChoices } from "petalface/training";
import { choiceFolds, contenders, testFolds, testPixels } from "../faces/plan.ts";
import { type Job, pairsOf } from "../faces/run.ts";
import { defineBenchmark } from "../skeleton/benchmark.ts";
import { embedJob } from "./embed.ts";
import { type Row, renderCopies } from "./table.ts";

export default defineBenchmark({
  name: "copies",
  pages: ["copies", "copies-shrinking"],
  title: "Enrolling with copies",
  measures: "What enrolling faces with low-resolution copies gains and costs, by the weight of the copies.",
  minutes: 20,
  needs: "the shared photos and weights",
  keeps: true,
  options: {
    models: { help: "names among the shared weights", default: ["mobilefacenet"] },
    contenders: { help: "methods of `bench -- faces` that have a training of their own", default: ["frozen", "petal"] },
    images: { help: "training images seen", default: 4800 },
    sizes: { help: "sides of the copies in pixels", default: [16, 12] },
    weights: {
      help: "of the copies; 0: none, alpha: 1 - alpha of the probe",
      default: ["0", "0.25", "0.5", "1", "alpha"],
    },
    test: { help: "folds 1 to 3 instead of fold 6, which choices are made on", default: false },
    threads: { help: "threads of the engine", default: 2 },
    options: { help: "training choices on top of each method's, as JSON", default: "{}" },
  },
  async run({ models, contenders: names, images, sizes, weights: texts, test, threads, options: given }, { work }) {
    const options = JSON.parse(given) as TrainingChoices;
    const weights = texts.map((text): CopyWeight => (text === "alpha" ? text : Number(text)));
    for (const weight of weights) checkCopies({ sizes, weight });
    const folds = test ? testFolds : choiceFolds;
    const list = await pairsOf(folds);
    const data = { spec: "lfw112", fingerprint: list.fingerprint };
    const bootstrap = { resamples: 200 };
    const rows: Row[] = [];
    for (const model of models)
      for (const contender of contenders.filter(({ name, of }) => of === undefined && names.includes(name))) {
        const folder = join(work, model, contender.name, String(images));
        const job: Job = { contender, model, seed: 0, images, folds, folder, threads, options };
        const { sharp, degraded } = await embedJob(job, list, [...new Set([...sizes, ...testPixels])]);
        const at = (side: number) => degraded.get(`lr:${side}`) ?? sharp;
        const measured = new Map(testPixels.map((side) => [`lr:${side}`, at(side)]));
        const embeddings = sizes.map(at);
        for (const weight of weights) {
          const copies = { sizes, weight, embeddings };
          const result = await measureEmbeddings(list, data, sharp, measured, { copies, bootstrap });
          rows.push({ model, name: contender.name, weight, result });
        }
        console.error(`${model}, ${contender.name}: measured`);
      }
    return { body: renderCopies(rows) };
  },
});
