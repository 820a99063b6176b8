/**
 * Adapts models and measures them on probes that an independent chain of cameras made:
 * `npm run bench -- camera --help`. What is trained is kept in the work folder, and a stopped
 * training continues.
 */
import { execFileSync } from "node:child_process";
import { access, mkdir, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { adaptedModel, loadAdapter } from "petalface/adapters";
import { type EmbeddingModel, openBackbone } from "petalface/backbones";
import { type CopyWeight, normaliseRows } from "petalface/matching";
import { judgedModel, photoCalibration } from "petalface/quality";
import { adapt, readRun, resume, type TrainingChoices } from "petalface/training";
import { modelFile, trainingFaces } from "../faces/run.ts";
import { type Embedded, embedShown } from "./embed.ts";
import { type Found, type Probes, rate, scoresOf } from "./measure.ts";
import { type Contender, contenders } from "./plan.ts";
import { makeProbes, shownPeople } from "./probes.ts";
import { type Measured, type Row, renderCameras, weights } from "./table.ts";

const { values } = parseArgs({
  options: {
    models: { type: "string", default: "edgeface_xxs" },
    contenders: { type: "string", default: contenders.map(({ name }) => name).join(";") },
    images: { type: "string" },
    options: { type: "string", default: "{}" },
    seed: { type: "string", default: "0" },
    python: { type: "string", default: "python3" },
    threads: { type: "string", default: "2" },
    work: { type: "string", default: join(import.meta.dirname, "../../runs/bench-camera") },
    out: { type: "string", default: join(import.meta.dirname, "../results") },
    name: { type: "string", default: "camera" },
    help: { type: "boolean", default: false },
  },
});

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

const given = values.images === undefined ? undefined : Number(values.images);

/** Trains a contender, or continues it, unless it is there; returns its folder. */
async function trained(model: string, { name, options, images = given }: Contender): Promise<string> {
  const label = [name, images, values.options === "{}" ? undefined : values.options]
    .filter((part) => part !== undefined)
    .join("-");
  const folder = join(values.work, model, label.replaceAll(/[^a-z0-9.]+/gi, "-"), values.seed);
  if (await exists(join(folder, "adapter", "adapter_model.safetensors"))) return folder;
  const data = await trainingFaces();
  const context = { data, threads: Number(values.threads) };
  if (await exists(join(folder, "run.json"))) await resume(folder, context);
  else {
    const choices = {
      ...options,
      ...(JSON.parse(values.options) as TrainingChoices),
      seed: Number(values.seed),
      ...(images !== undefined && { epochs: images / data.length }),
    };
    await mkdir(join(folder, ".."), { recursive: true });
    await adapt({ model: modelFile(model), train: data.spec, options: choices, out: folder }, context);
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
  const cosine = units.reduce((sum, value, at) => sum + value * (sharp[at] as number), 0) / probes.person.length;
  const { alpha } = probes;
  return { found, cosine, alpha: { above: share(alpha, (a) => a > 0.5), below: share(alpha, (a) => a < 1) } };
}

/** What these numbers are of: date, commit and processor. */
function circumstances(): string {
  const commit = execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8" }).trim();
  return `${new Date().toISOString().slice(0, 10)}, commit ${commit}, ${cpus()[0]?.model}, ${values.threads} threads`;
}

async function main(): Promise<void> {
  if (values.help) {
    console.log(
      `npm run bench -- camera [--models A,B] [--contenders "frozen;petal"] [--images N] [--options JSON] [--seed N] [--python PYTHON]
  [--threads N] [--work FOLDER] [--out FOLDER] [--name NAME]
--images: training images that "petal" sees; the default epochs unless given. The others see 9,600. --options: training choices on top of each contender's.
Needs Python 3 with venv, ffmpeg with libx264, and the shared data.`,
    );
    return;
  }
  await mkdir(values.work, { recursive: true });
  const shown = await shownPeople();
  const folder = await makeProbes(values.work, shown, 1, values.python);
  const names = values.contenders.split(";");
  const rows: Row[] = [];
  for (const model of values.models.split(",")) {
    const backbone = await openBackbone(modelFile(model));
    let sharp: Float32Array | undefined;
    for (const contender of contenders.filter(({ name }) => name === "frozen" || names.includes(name))) {
      let images: number | undefined;
      let opened: EmbeddingModel = judgedModel(backbone, photoCalibration({ name: "resolution" }, backbone.size));
      if (contender.options !== undefined) {
        const run = await trained(model, contender);
        const { steps, options } = await readRun(run);
        images = steps * options.batch;
        opened = adaptedModel(backbone, await loadAdapter(run, backbone));
      }
      const found = await embedShown(opened, shown, folder, Number(values.threads));
      sharp ??= normaliseRows((found.probes.get("sharp") as Probes).rows, backbone.width, "photo");
      const targets = sharp;
      const by = new Map(
        [...found.probes].map(([kind, probes]) => [kind, measured(found, probes, targets, shown.people.length)]),
      );
      if (names.includes(contender.name))
        rows.push({ model, name: contender.name, ...(images !== undefined && { images }), by });
      console.error(`${model}, ${contender.name}: measured`);
    }
  }
  const command = `npm run bench -- camera --models ${values.models} --contenders "${values.contenders}"${values.images === undefined ? "" : ` --images ${values.images}`}${values.options === "{}" ? "" : ` --options '${values.options}'`}`;
  const text = renderCameras(rows, `    ${command}\n\n${circumstances()}.`);
  await mkdir(values.out, { recursive: true });
  await writeFile(join(values.out, `${values.name}.md`), text);
  console.log(text);
}

await main();
process.exit(0);
