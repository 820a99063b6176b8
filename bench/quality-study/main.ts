/**
 * Which quality measure gives the best adapter: `npm run bench -- quality-study --help`. Every (measure, seed) is trained and measured by itself, on
 * photos and on synthetic people; what is finished is kept in the work folder and not run again.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { choiceFolds, testFolds } from "../faces/plan.ts";
import { finishedJob, type Job, runJob } from "../faces/run.ts";
import { type AlphaStudy, studyAlpha } from "./alpha.ts";
import type { Cell } from "./cell.ts";
import { measures, model } from "./plan.ts";
import { finishedSynthetic, measureSynthetic } from "./synthetic.ts";
import { renderStudy } from "./table.ts";

const { values } = parseArgs({
  options: {
    measures: { type: "string", default: Object.keys(measures).join(",") },
    seeds: { type: "string", default: "0,1,2" },
    images: { type: "string", default: "4800" },
    faces: { type: "string", default: "240" },
    threads: { type: "string", default: "1" },
    work: { type: "string", default: join(import.meta.dirname, "../../runs/quality-study") },
    out: { type: "string", default: join(import.meta.dirname, "../results") },
    tune: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
    render: { type: "boolean", default: false },
  },
});

/** A training under a measure, or `frozen`: the model as it is. */
const jobOf = (measure: string, seed: number): Job => ({
  contender:
    measure === "frozen"
      ? { name: measure }
      : { name: measure, options: { preset: "petal", quality: measures[measure] } },
  model,
  seed,
  images: Number(values.images),
  folds: values.tune ? choiceFolds : testFolds,
  threads: Number(values.threads),
  folder: join(values.work, values.tune ? "fold6" : "test", measure, String(seed)),
});

/** Kept in the work folder, as trainings are. */
async function alphaStudy(measure: string): Promise<AlphaStudy> {
  const folder = join(values.work, values.tune ? "fold6" : "test", measure);
  const file = join(folder, `alpha-${values.faces}.json`);
  try {
    return JSON.parse(await readFile(file, "utf8")) as AlphaStudy;
  } catch {
    const study = await studyAlpha(measure, values.tune ? choiceFolds : testFolds, Number(values.faces));
    await mkdir(folder, { recursive: true });
    await writeFile(file, JSON.stringify(study));
    return study;
  }
}

async function main(): Promise<void> {
  if (values.help) {
    console.log(`npm run bench -- quality-study [--measures A,B] [--seeds 0,1,2] [--images N] [--faces N] [--threads N] [--work FOLDER] [--out FOLDER] [--tune] [--render]
--images: training images seen. --faces: faces that alpha is looked at on. --tune: measure on fold 6, for choices. --render: only write the tables of what is finished.`);
    return;
  }
  const alphas = new Map<string, AlphaStudy>();
  for (const measure of values.measures.split(",")) {
    if (measures[measure] === undefined) throw new Error(`no measure "${measure}" in the plan`);
    alphas.set(measure, await alphaStudy(measure));
  }
  const cells: Cell[] = [];
  const finish = async (measure: string, seed: number): Promise<void> => {
    const job = jobOf(measure, seed);
    const known = await finishedJob(job.folder);
    if (known === undefined && values.render) return;
    const done = known ?? (await runJob(job));
    const kept = await finishedSynthetic(job);
    const synthetic = kept ?? (values.render ? undefined : await measureSynthetic(job));
    cells.push({ measure, seed, done, synthetic });
    const state = known ? "kept" : `trained in ${done.seconds.toFixed(0)} s`;
    const people = kept ? "kept" : synthetic ? "measured" : "not measured";
    console.log(`${measure} seed ${seed}: ${state}; synthetic people ${people}`);
  };
  await finish("frozen", 0);
  for (const seed of values.seeds.split(",").map(Number))
    for (const measure of values.measures.split(",")) await finish(measure, seed);
  const name = values.tune ? "quality-study-fold6" : "quality-study";
  const command = `${values.tune ? "--tune " : ""}--images ${values.images} --faces ${values.faces} --threads ${values.threads}`;
  const text = renderStudy(cells, alphas, command);
  await writeFile(join(values.out, `${name}.md`), text);
  console.log(text);
}

await main();
process.exit(0);
