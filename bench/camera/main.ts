/**
 * Adapts models and measures them on probes that an independent chain of cameras made. Trainings are kept in the work folder, and a
 * stopped one continues.
 */
import { createHash } from "node:crypto";
import { access, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { adaptedModel, loadAdapter } from "petalface/adapters";
import { type EmbeddingModel, openBackbone } from "petalface/backbones";
import { type CopyWeight, normaliseRows } from "petalface/matching";
import { judgedModel, photoCalibration } from "petalface/quality";
import { adapt, readRun, resume, type TrainingChoices } from "petalface/training";
import { trainingFaces } from "../faces/run.ts";
import { defineBenchmark } from "../skeleton/benchmark.ts";
import { modelFile } from "../skeleton/shared.ts";
import { type Embedded, embedShown } from "./embed.ts";
import { type Found, type Probes, rate, scoresOf } from "./measure.ts";
import { type Contender, chainSeeds, contenders } from "./plan.ts";
import { choicePeople, makeProbes, shownPeople } from "./probes.ts";
import { type Measured, type Row, renderCameras, weights } from "./table.ts";

export default defineBenchmark({
  name: "camera",
  title: "Camera probes",
  measures: "Recognition of faces as dome cameras, phones and cameras at night see them, by way of training.",
  minutes: 30,
  needs: "the shared photos and weights, and ffmpeg with libx264",
  keeps: true,
  requirements: join(import.meta.dirname, "requirements.txt"),
  options: {
    models: { help: "names among the shared weights", default: ["edgeface_xxs"] },
    contenders: { help: "ways to train", default: contenders.map(({ name }) => name) },
    images: { help: "training images that each way sees; 0: its own number", default: 0 },
    options: { help: "training choices on top of each way's, as JSON", default: "{}" },
    tune: { help: "show other people, for choices: those of fold 6, each against the same photo", default: false },
    seed: { help: "seed of the trainings", default: 0 },
    threads: { help: "threads of the engine", default: 2 },
  },
  async run({ models, contenders: names, images, options, seed, threads, tune }, { work, needPython }) {
    const shown = await (tune ? choicePeople() : shownPeople());
    const folder = await makeProbes(work, shown, tune ? chainSeeds.choice : chainSeeds.shown, await needPython());
    const choices = JSON.parse(options) as TrainingChoices;
    const rows: Row[] = [];
    for (const model of models) {
      const backbone = await openBackbone(modelFile(model));
      let sharp: Float32Array | undefined;
      for (const contender of contenders.filter(({ name }) => name === "frozen" || names.includes(name))) {
        let seen: number | undefined;
        let opened: EmbeddingModel = judgedModel(backbone, photoCalibration({ name: "resolution" }, backbone.size));
        if (contender.options !== undefined) {
          const run = await trained({ model, contender, images, choices, seed, threads, work });
          const made = await readRun(run);
          seen = made.steps * made.options.batch;
          opened = adaptedModel(backbone, await loadAdapter(run, backbone));
        }
        const found = await embedShown(opened, shown, folder, threads);
        sharp ??= normaliseRows((found.probes.get("sharp") as Probes).rows, backbone.width, "photo");
        const targets = sharp;
        const by = new Map(
          [...found.probes].map(([kind, probes]) => [kind, measured(found, probes, targets, shown.people.length)]),
        );
        if (names.includes(contender.name))
          rows.push({ model, name: contender.name, ...(seen !== undefined && { images: seen }), by });
        console.error(`${model}, ${contender.name}: measured`);
      }
    }
    const body = renderCameras(rows, shown, tune);
    return { body, versions: (await needPython()).versions, ...(tune && { name: "camera-tune" }) };
  },
});

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

interface Training {
  readonly model: string;
  readonly contender: Contender;
  /** Instead of the contender's own; 0: its own. */
  readonly images: number;
  /** On top of the contender's. */
  readonly choices: TrainingChoices;
  readonly seed: number;
  readonly threads: number;
  readonly work: string;
}

/** Trains a contender, or continues it, unless it is there; returns its folder. */
async function trained({ model, contender, images, choices, seed, threads, work }: Training): Promise<string> {
  const budget = images > 0 ? images : contender.images;
  const options = { ...contender.options, ...choices };
  // Another recipe under the same name is another training.
  const hash = createHash("sha256").update(JSON.stringify(options)).digest("hex").slice(0, 8);
  const label = `${contender.name}-${budget ?? "default"}-${hash}`.replaceAll(/[^a-z0-9]+/gi, "-");
  const folder = join(work, model, label, String(seed));
  if (await exists(join(folder, "adapter", "adapter_model.safetensors"))) return folder;
  const data = await trainingFaces();
  const context = { data, threads };
  if (await exists(join(folder, "run.json"))) await resume(folder, context);
  else {
    await mkdir(join(folder, ".."), { recursive: true });
    const request = { model: modelFile(model), train: data.spec, out: folder };
    const epochs = budget === undefined ? {} : { epochs: budget / data.length };
    await adapt({ ...request, options: { ...options, seed, ...epochs } }, context);
  }
  return folder;
}

const share = (values: Float32Array | undefined, test: (value: number) => boolean): number =>
  values === undefined ? Number.NaN : values.filter(test).length / values.length;

function measured({ gallery }: Embedded, probes: Probes, sharp: Float32Array, people: number): Measured {
  const found = new Map(
    weights.map((weight): [CopyWeight, Found] => [
      weight,
      rate(scoresOf(gallery, probes, weight), probes.person, people),
    ]),
  );
  const units = normaliseRows(probes.rows, gallery.width, "probe");
  const cosine = units.reduce((sum, value, at) => sum + value * sharp[at], 0) / probes.person.length;
  const { alpha } = probes;
  return { found, cosine, alpha: { above: share(alpha, (a) => a > 0.5), below: share(alpha, (a) => a < 1) } };
}
