import { join } from "node:path";
import type { TrainingChoices } from "petalface/training";
import { runAll } from "../faces/jobs.ts";
import { type Contender, choiceFolds, testFolds } from "../faces/plan.ts";
import { type Job, trainingFaces } from "../faces/run.ts";
import { renderModel } from "../faces/table.ts";
import { defineBenchmark } from "../skeleton/benchmark.ts";
import { openShared } from "../skeleton/shared.ts";
import { writeFaces } from "./faces.ts";
import { allKinds } from "./plan.ts";
import { probePage } from "./probe.ts";

/** The defaults; alpha's range is that of photos for all, since not all have sharp faces. */
const recipe: TrainingChoices = { preset: "petal", calibration: "photos" };

export default defineBenchmark({
  name: "no-photo",
  pages: ["no-photo", "no-photo-fold6", "no-photo-lr", "no-photo-probe"],
  title: "Training without photos",
  measures: "What faces must have for training: the same training on photos, parts of photos, and drawn faces.",
  minutes: 45,
  needs: "the shared photos and weights",
  keeps: true,
  options: {
    model: { help: "a name among the shared weights", default: "mobilefacenet" },
    kinds: { help: "faces to train on", default: [...allKinds] },
    images: { help: "training images seen", default: 9600 },
    faces: { help: "different faces, of 6,800; with --probe of 2,500", default: 6800 },
    seed: { help: "seed of the trainings", default: 0 },
    threads: { help: "threads of the engine", default: 2 },
    degrade: { help: "what training does to the faces", default: ["any"] },
    tune: { help: "measure on fold 6, for choices", default: false },
    probe: { help: "fit a linear map instead of training: minutes for all kinds", default: false },
  },
  async run({ model, kinds: names, images, faces, seed, threads, degrade, tune, probe }, { work }) {
    if (probe) {
      const asked = { names, faces, threads, work: join(work, "probe") };
      const body = await probePage(await openShared(model), await trainingFaces(), asked);
      return { body, name: "no-photo-probe", title: "Faces for training without photos, by a linear map" };
    }
    const photos = await trainingFaces(faces);
    const shown: Contender[] = [{ name: "frozen" }];
    const pairs: [string, string][] = [];
    for (const kind of allKinds.filter((kind) => names.includes(kind))) {
      const train = await writeFaces(kind, photos, work);
      for (const spec of degrade) {
        const name = spec === "any" ? kind : `${kind}, --degrade ${spec}`;
        shown.push({ name, options: { ...recipe, degrade: spec }, train });
        if (spec !== "any") pairs.push([name, kind]);
        else if (kind !== "photos") pairs.push([kind, "photos"]);
      }
    }
    const jobs = shown.map((contender): Job => {
      const folder = join(work, tune ? "fold6" : "test", model, contender.name.replaceAll(/[^a-z0-9]+/g, "-"));
      return { contender, model, seed, images, threads, folds: tune ? choiceFolds : testFolds, folder };
    });
    const cells = await runAll(jobs, { atOnce: 1, render: false });
    return { body: renderModel(model, cells, pairs), ...(tune && { name: "no-photo-fold6" }) };
  },
});
