import { join } from "node:path";
import { type Adapter, adaptedModel, loadAdapter } from "petalface/adapters";
import type { Backbone, EmbeddingModel } from "petalface/backbones";
import { openData } from "petalface/data";
import { centreAdapter } from "petalface/embeddings";
import { type CopyWeight, normaliseRows } from "petalface/matching";
import { judgedModel, photoCalibration } from "petalface/quality";
import { readRun, type TrainingChoices } from "petalface/training";
import { defineBenchmark } from "../skeleton/benchmark.ts";
import { dot } from "../skeleton/linear.ts";
import { openShared } from "../skeleton/shared.ts";
import { ceilingData } from "./ceiling.ts";
import { centredOn, type Embedded, embedShown, galleryOf } from "./embed.ts";
import { type Found, type Probes, rate, scoresOf } from "./measure.ts";
import { chainSeeds, contenders, kinds } from "./plan.ts";
import { choicePeople, makeProbes, shownPeople } from "./probes.ts";
import { type Measured, type Row, renderCameras, weights } from "./table.ts";
import { trained } from "./train.ts";

export default defineBenchmark({
  name: "camera",
  pages: ["camera", "ceiling"],
  title: "Camera probes",
  measures: "Recognition of faces as dome cameras, phones and cameras at night see them, by way of training.",
  minutes: 30,
  needs: "the shared photos and weights, and ffmpeg with libx264",
  keeps: true,
  requirements: "camera",
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
    // Crops of the same cameras, of people who are not shown.
    const crops = tune ? folder : await makeProbes(work, await choicePeople(), chainSeeds.choice, await needPython());
    const choices = JSON.parse(options) as TrainingChoices;
    const rows: Row[] = [];
    for (const model of models) {
      const backbone = await openShared(model);
      let sharp: Float32Array | undefined;
      for (const contender of contenders.filter(({ name }) => name === "frozen" || names.includes(name))) {
        let seen: number | undefined;
        let adapter: Adapter | undefined;
        let opened: EmbeddingModel = judgedModel(backbone, photoCalibration({ name: "resolution" }, backbone.size));
        if (contender.options !== undefined) {
          const common = { model, images, choices, seed, threads, work };
          const base = contender.ceiling ? contenders.find(({ name }) => name === "petal") : undefined;
          const init = base && (await trained({ ...common, contender: base }));
          const ceiling = base && (await ceilingData(work, backbone, shown, await needPython(), threads));
          const run = await trained({ ...common, contender, init, ceiling });
          const made = await readRun(run);
          seen = made.steps * made.options.batch;
          adapter = await loadAdapter(run, backbone);
          opened = adaptedModel(backbone, adapter);
        }
        const found = await embedShown(opened, shown, folder, threads);
        sharp ??= normaliseRows((found.probes.get("sharp") as Probes).rows, backbone.width, "photo");
        const targets = sharp;
        const measure = (embedded: Embedded) =>
          [...embedded.probes].map(([kind, probes]): [string, Measured] => [
            kind,
            measured(embedded, probes, targets, shown.people.length),
          ]);
        const add = (name: string, by: Row["by"]): void =>
          void rows.push({ model, name, ...(seen !== undefined && { images: seen }), by });
        if (names.includes(contender.name)) add(contender.name, new Map(measure(found)));
        if (adapter !== undefined && contender.centred === true) {
          const centres = await centresOf(backbone, adapter, crops, threads);
          add(`${contender.name}, centred`, new Map([...centredOn(found, centres).values()].flatMap(measure)));
        }
        console.error(`${model}, ${contender.name}: measured`);
      }
    }
    const body = renderCameras(rows, shown, tune);
    return { body, versions: (await needPython()).versions, ...(tune && { name: "camera-tune" }) };
  },
});

const share = (values: Float32Array | undefined, test: (value: number) => boolean): number =>
  values === undefined ? Number.NaN : values.filter(test).length / values.length;

/** The shift of an adapter for each camera, from crops of people who are not shown. */
async function centresOf(
  backbone: Backbone,
  adapter: Adapter,
  crops: string,
  threads: number,
): Promise<Map<string, Float32Array>> {
  const centres = new Map<string, Float32Array>();
  for (const kind of kinds) {
    const data = await openData(join(crops, kind));
    const found = await centreAdapter(backbone, adapter, data, { session: { threads } });
    if (found.adapter.config.centre) centres.set(kind, found.adapter.config.centre);
  }
  return centres;
}

function measured(embedded: Embedded, probes: Probes, sharp: Float32Array, people: number): Measured {
  const gallery = galleryOf(embedded);
  const found = new Map(
    weights.map((weight): [CopyWeight, Found] => [
      weight,
      rate(scoresOf(gallery, probes, weight), probes.person, people),
    ]),
  );
  const units = normaliseRows(probes.rows, gallery.width, "probe");
  const cosine = dot(units, sharp) / probes.person.length;
  const { alpha } = probes;
  return { found, cosine, alpha: { above: share(alpha, (a) => a > 0.5), below: share(alpha, (a) => a < 1) } };
}
