import { loadAdapter } from "petalface/adapters";
import { openData, subset } from "petalface/data";
import { readPairs } from "petalface/evaluation";
import { openLoader } from "petalface/images";
import { trainingFaces } from "../faces/run.ts";
import { defineBenchmark } from "../skeleton/benchmark.ts";
import { loadPlanes, somePhotos } from "../skeleton/faces.ts";
import { table } from "../skeleton/page.ts";
import { lfw, lfwPairs, openShared } from "../skeleton/shared.ts";
import { spread } from "../skeleton/statistics.ts";
import { UsageError } from "../skeleton/usage-error.ts";
import { accuraciesOf, openForms, ratesOf, renderForms } from "./forms.ts";
import { compareRuntimes } from "./runtimes.ts";

const batch = 25;

export default defineBenchmark({
  name: "export",
  title: "The exported file",
  measures: "An exported adapter under three runtimes, and what fp16, int8 and levels cost.",
  minutes: 12,
  usual: "--run RUN",
  needs: "the shared photos and weights, a run of `petalface adapt`",
  requirements: "evaluate",
  options: {
    model: { help: "a name among the shared weights, or a file", default: "mobilefacenet" },
    run: { help: "a run of petalface adapt on that model, or its adapter folder" },
    faces: { help: "faces that all runtimes embed", default: 1000 },
    folds: { help: "folds that accuracy is measured on", default: [1, 2] },
    levels: { help: "levels of alpha", default: 9 },
  },
  async run({ model, run, faces: wanted, folds, levels }, { work, python }) {
    if (run === undefined) throw new UsageError("--run RUN: a run of petalface adapt, or its adapter folder");
    if (folds.length < 2) throw new UsageError("--folds A,B: at least two; each has the threshold of the others");
    const backbone = await openShared(model);
    const adapter = await loadAdapter(run, backbone);
    const count = batch * Math.ceil(wanted / batch);
    const data = await openData(lfw);
    await using loader = openLoader({ size: backbone.size, threads: 1 });
    const planes = await loadPlanes(backbone.size, await somePhotos(count, (at) => [undefined, 16, 24][at % 3]));
    const faces = { planes, count, batch };
    const runtime = await python();
    const runtimes = await compareRuntimes(work, backbone, adapter, faces, runtime);
    const others = await trainingFaces();
    const examples = subset(others, spread(128, others.length));
    const forms = await openForms(work, backbone, adapter, levels, { examples, loader, batch });
    const rates = await ratesOf(forms, faces);
    const pairs = await readPairs(lfwPairs, { folds });
    const results = await accuraciesOf(forms, { data, pairs, loader });
    for (const { embedder } of forms) await embedder.close();
    const off = (value: number | undefined): string => value?.toExponential(1) ?? "";
    return {
      body: `${backbone.spec.name}, gate ${adapter.config.gate}, ${adapter.config.calibration.measure} for quality. One thread, batches of ${batch}; faces a second of processor time.

## Under three runtimes

${count} LFW faces, a third as they are, a third at 16 px, a third at 24 px. Differences from the training side are the largest
of any number, over the largest number.

${table(
  ["runtime", "faces/s", "embedding", "alpha"],
  runtimes.map((row) => [row.name, row.rate.toFixed(0), off(row.embedding), off(row.alpha)]),
)}

## Forms

The same faces, all forms in turn, the median batch. Accuracy on ${pairs.name}: HR sharp, LR 16 both faces at 16 px, mix 16
sharp against 16 px, rank-1 of 16 px probes in a sharp gallery; in brackets the difference from the gated form in float32,
in points, with its paired 95 % interval. Ranges of int8 are from 128 faces of people outside folds 1 to 6. MB: all files
of the form.

${renderForms(forms, rates, results)}`,
      versions: runtime?.versions ?? [],
    };
  },
});
