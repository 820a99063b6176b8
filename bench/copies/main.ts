/**
 * Enrols faces with low-resolution copies at several weights and measures what that gains and costs:
 * `npm run bench -- copies --help`. Trained adapters are kept in the work folder and not trained again.
 */
import { execFileSync } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { measureEmbeddings } from "petalface/evaluation";
import { type CopyWeight, checkCopies } from "petalface/matching";
import { choiceFolds, contenders, testFolds, testPixels } from "../faces/plan.ts";
import { type Job, pairsOf } from "../faces/run.ts";
import { embedJob } from "./embed.ts";
import { type Row, renderCopies } from "./table.ts";

const { values } = parseArgs({
  options: {
    models: { type: "string", default: "mobilefacenet" },
    contenders: { type: "string", default: "frozen;petal" },
    images: { type: "string", default: "4800" },
    sizes: { type: "string", default: "16,12" },
    weights: { type: "string", default: "0,0.25,0.5,1,alpha" },
    test: { type: "boolean", default: false },
    threads: { type: "string", default: "2" },
    work: { type: "string", default: join(import.meta.dirname, "../../runs/bench-copies") },
    out: { type: "string", default: join(import.meta.dirname, "../results") },
    name: { type: "string", default: "copies" },
    help: { type: "boolean", default: false },
  },
});

/** What these numbers are of: date, commit and processor. */
function circumstances(): string {
  const commit = execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8" }).trim();
  return `${new Date().toISOString().slice(0, 10)}, commit ${commit}, ${cpus()[0]?.model}, ${values.threads} threads`;
}

async function main(): Promise<void> {
  if (values.help) {
    console.log(
      `npm run bench -- copies [--models A,B] [--contenders "frozen;petal"] [--images N] [--sizes 16,12] [--weights 0,0.25,alpha] [--test]
  [--threads N] [--work FOLDER] [--out FOLDER] [--name NAME]
--images: training images seen. --weights: of the copies; 0 is the plain gallery, alpha is 1 - alpha of the probe.
--test: folds 1 to 3; fold 6, which choices are made on, unless given.`,
    );
    return;
  }
  const sizes = values.sizes.split(",").map(Number);
  const weights = values.weights.split(",").map((text): CopyWeight => (text === "alpha" ? text : Number(text)));
  for (const weight of weights) checkCopies({ sizes, weight });
  const folds = values.test ? testFolds : choiceFolds;
  const list = await pairsOf(folds);
  const data = { spec: "lfw112", fingerprint: list.fingerprint };
  const sides = [...new Set([...sizes, ...testPixels])];
  const bootstrap = { resamples: 200 };
  const rows: Row[] = [];
  for (const model of values.models.split(","))
    for (const contender of contenders.filter(({ name }) => values.contenders.split(";").includes(name))) {
      const folder = join(values.work, model, contender.name, values.images);
      const job: Job = {
        ...{ contender, model, seed: 0, images: Number(values.images), folds, folder },
        threads: Number(values.threads),
      };
      const { sharp, degraded } = await embedJob(job, list, sides);
      const measured = new Map(testPixels.map((side) => [`lr:${side}`, degraded.get(`lr:${side}`) ?? sharp]));
      const embeddings = sizes.map((side) => degraded.get(`lr:${side}`) ?? sharp);
      for (const weight of weights) {
        const copies = { sizes, weight, embeddings };
        const result = await measureEmbeddings(list, data, sharp, measured, { copies, bootstrap });
        rows.push({ model, name: contender.name, weight, result });
      }
      console.log(`${model}, ${contender.name}: measured`);
    }
  const command = `--models ${values.models} --contenders "${values.contenders}" --images ${values.images} --sizes ${values.sizes} --weights ${values.weights}${values.test ? " --test" : ""}`;
  const text = renderCopies(rows, `    npm run bench -- copies ${command}\n\n${circumstances()}.`);
  await mkdir(values.out, { recursive: true });
  await writeFile(join(values.out, `${values.name}.md`), text);
  console.log(text);
}

await main();
process.exit(0);
